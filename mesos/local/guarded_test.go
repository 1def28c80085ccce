package local_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// With credentials, every call of the scheduler API needs them, and the framework's principal is
// the one that was authenticated.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.Credentials = map[string]string{"worker": "s3cret"}
	m := start(t, cfg)
	post := func(user, secret, principal string) *http.Response {
		t.Helper()
		body := `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"n","principal":"` + principal + `"}}}`
		req, err := http.NewRequestWithContext(ctxOf(t), http.MethodPost, m.URL()+"/api/v1/scheduler", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if user != "" {
			req.SetBasicAuth(user, secret)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	for name, c := range map[string]struct {
		user, secret, principal string
		status                  int
	}{
		"none":            {"", "", "worker", 401},
		"wrong secret":    {"worker", "secret", "worker", 401},
		"unknown":         {"other", "s3cret", "other", 401},
		"other principal": {"worker", "s3cret", "other", 400},
		"right":           {"worker", "s3cret", "worker", 200},
	} {
		resp := post(c.user, c.secret, c.principal)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d instead of %d", name, resp.StatusCode, c.status)
		}
		if challenge := resp.Header.Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
}

// A master with a certificate serves HTTPS to whoever trusts it, and nothing else.
func TestServesTLS(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewTLSServer(nil)
	defer certificate.Close()
	cfg := quick(t, "127.0.0.2")
	cfg.TLS = &tls.Config{Certificates: certificate.TLS.Certificates}
	m := start(t, cfg)
	if !strings.HasPrefix(m.URL(), "https://") {
		t.Fatalf("its URL is %s", m.URL())
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	get := func(url string, roots *x509.CertPool) (int, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		resp, err := client.Get(url + "/health")
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := get(m.URL(), roots); status != 200 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if _, err := get(m.URL(), x509.NewCertPool()); err == nil {
		t.Error("served to somebody who does not trust it")
	}
	if status, err := get(strings.Replace(m.URL(), "https", "http", 1), nil); err == nil && status == 200 {
		t.Error("served without TLS")
	}
}

// A role is offered no more than its limit; the others get the rest.
func TestLimits(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.Limits = map[string]local.Limit{"golden": {CPUs: 10, MemMB: 100000}}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	cpus := 0.0
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		offer := s.offer(0, ip)
		for _, r := range at(offer, "resources").([]any) {
			if at(r, "name") == "cpus" {
				cpus += at(r, "scalar", "value").(float64)
			}
		}
	}
	if cpus != 10 {
		t.Errorf("%v cpus are offered instead of 10", cpus)
	}
	other := subscribe(t, m, map[string]any{"name": "other", "roles": []any{"free"}})
	rest := other.offer(0, "")
	if got := held(rest)["cpus"]; got != "6" {
		t.Errorf("the other role is offered %s cpus instead of 6", got)
	}
	if err := m.CheckBooks(ctxOf(t)); err != nil {
		t.Error(err)
	}
}

// Frameworks in other roles than those of the master are refused in its words.
func TestRoleWhitelist(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.Roles = []string{"golden"}
	m := start(t, cfg)
	s := subscribe(t, m, map[string]any{"roles": []any{"golden", "*"}})
	s.offer(0, "")
	other := subscribe(t, m, map[string]any{"roles": []any{"lead", "golden", "copper"}})
	refusal, _ := other.await(0, "ERROR", is("ERROR"))
	if got := at(refusal.body, "error", "message"); got != "Roles { copper, lead } are not present in the master's --roles" {
		t.Errorf("refused with %q", got)
	}
}

// A dynamic reservation names its principal; tasks take it as it was offered.
func TestDynamicReservation(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.Agents[0].CPUs, cfg.Agents[0].MemMB = 0, 0
	cfg.Agents[0].Reserved = []local.Reservation{{Role: "golden", Principal: "ops", CPUs: 2, MemMB: 1024}}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	offer := s.offer(0, "127.0.0.2")
	var take []any
	for _, r := range at(offer, "resources").([]any) {
		if at(r, "name") != "cpus" {
			continue
		}
		reservation := at(r, "reservations").([]any)[0]
		if at(reservation, "type") != "DYNAMIC" || at(reservation, "role") != "golden" || at(reservation, "principal") != "ops" {
			t.Errorf("reserved as %v", reservation)
		}
		take = append(take, r)
	}
	s.launch(offer, task("a", offer, map[string]any{"resources": take, "command": obj("value", "true")}))
	s.status(0, "a", "TASK_FINISHED")
	from := s.position()
	static := scalar("cpus", 1)
	static["reservations"] = list(obj("type", "STATIC", "role", "golden"))
	offer = s.offer(from, "127.0.0.2")
	s.launch(offer, task("b", offer, map[string]any{"resources": list(static), "command": obj("value", "true")}))
	s.status(from, "b", "TASK_ERROR")
}

// With executors authenticated, a call needs the token that its own executor was given.
func TestExecutorTokens(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AuthenticateExecutors = true
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	one, two := custom("executor-1"), custom("executor-2")
	s.launch(o, task("t1", o, one), task("t2", o, two))
	s.status(0, "t1", "TASK_RUNNING") // each has subscribed with its own
	s.status(0, "t2", "TASK_RUNNING")
	environ := func(id string) map[string]string {
		t.Helper()
		for _, e := range m.Agents()[0].Executors {
			if e.Executor != id {
				continue
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", e.PID))
			must(t, err)
			env := map[string]string{}
			for kv := range strings.SplitSeq(string(b), "\x00") {
				k, v, _ := strings.Cut(kv, "=")
				env[k] = v
			}
			return env
		}
		t.Fatalf("no executor %s", id)
		return nil
	}
	env := environ("executor-1")
	own, others := env["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"], environ("executor-2")["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"]
	if strings.Count(own, ".") != 2 || own == others {
		t.Fatalf("tokens %q and %q", own, others)
	}
	forged := strings.Split(own, ".")
	forged[1] = strings.Split(others, ".")[1]
	body := fmt.Sprintf(`{"type":"MESSAGE","framework_id":{"value":%q},"executor_id":{"value":"executor-1"},"message":{"data":"eA=="}}`, s.id)
	for name, c := range map[string]struct {
		header, says string
		status       int
	}{
		"its own":   {header: "Bearer " + own, status: 202},
		"none":      {status: 401, says: `Bearer realm="mesos-agent-executor"`},
		"one word":  {header: own, status: 401, says: "Malformed"},
		"basic":     {header: "Basic " + own, status: 401, says: "'Basic' unsupported"},
		"no token":  {header: "Bearer x", status: 401, says: "Invalid JWT"},
		"forged":    {header: "Bearer " + strings.Join(forged, "."), status: 401, says: "Invalid JWT"},
		"another's": {header: "Bearer " + others, status: 403, says: "'eid' claim"},
	} {
		req, err := http.NewRequestWithContext(ctxOf(t), http.MethodPost, "http://"+env["MESOS_AGENT_ENDPOINT"]+"/api/v1/executor", strings.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		if c.header != "" {
			req.Header.Set("Authorization", c.header)
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if said := resp.Header.Get("WWW-Authenticate") + string(text); resp.StatusCode != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d %s, want %d %s", name, resp.StatusCode, said, c.status, c.says)
		}
	}
}
