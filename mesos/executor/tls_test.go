package executor

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/clustersmith/clustersmith/internal/tlstest"
)

// The agent's own TLS settings, of which its executors are told, decide how they speak to it.
func TestAgentServesTLS(t *testing.T) {
	t.Parallel()
	ours, other := tlstest.New(t, "127.0.0.1"), tlstest.New(t, "127.0.0.1")
	for _, c := range []struct {
		name   string
		env    map[string]string
		strict bool // the agent wants a certificate of its clients
		says   string
	}{
		{name: "not verified, as is the default", env: map[string]string{"LIBPROCESS_SSL_ENABLED": "true"}},
		{name: "by its old name", env: map[string]string{"SSL_ENABLED": "1"}},
		{name: "a CA's file", env: map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "1", "LIBPROCESS_SSL_CA_FILE": ours.CertFile}},
		{name: "a directory of CAs", env: map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "1", "LIBPROCESS_SSL_CA_DIR": ours.Dir}},
		{name: "another CA", env: map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "1", "LIBPROCESS_SSL_CA_FILE": other.CertFile}, says: "unknown authority"},
		{name: "a certificate of ours", strict: true, env: map[string]string{
			"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_REQUIRE_CERT": "1", "LIBPROCESS_SSL_CA_FILE": ours.CertFile,
			"LIBPROCESS_SSL_CERT_FILE": ours.CertFile, "LIBPROCESS_SSL_KEY_FILE": ours.KeyFile,
		}},
		{name: "plain HTTP", says: "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.strict && len(r.TLS.PeerCertificates) == 0 {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				w.WriteHeader(http.StatusAccepted)
			}))
			s.TLS = ours.Server()
			s.TLS.ClientAuth = tls.RequestClientCert
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
			s.StartTLS()
			defer s.Close()
			env := maps.Clone(agentEnvironment)
			maps.Copy(env, c.env)
			env["MESOS_AGENT_ENDPOINT"] = strings.TrimPrefix(s.URL, "https://")
			cfg, err := FromEnv(func(name string) string { return env[name] })
			if err != nil {
				t.Fatal(err)
			}
			a := newAgent(cfg)
			defer a.close()
			err = a.send(t.Context(), &mesosexec.Call{Type: mesosexec.Call_UPDATE})
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want %s", err, c.says)
			}
		})
	}
}

// A new executor that does not trust its agent ends and says so: its CAs do not change.
func TestUntrustedAgentEndsTheExecutor(t *testing.T) {
	t.Parallel()
	x := runExecutorWith(t, func(c *Config) {
		c.AgentTLS = &tls.Config{InsecureSkipVerify: true, VerifyConnection: verifyAgent(x509.NewCertPool(), "127.0.0.1:5051")}
	}, func(a *scriptedAgent) { a.serveTLS(tlstest.New(t, "127.0.0.1").TLS) })
	if err := x.wait(); err == nil || !strings.Contains(err.Error(), "the agent's certificate: ") {
		t.Error(err)
	}
}

// An executor that does not know that its agent serves TLS ends and says what to configure, where the
// agent hangs up on what is no handshake; net/http answers it.
func TestAgentServesTLSOnly(t *testing.T) {
	t.Parallel()
	config := tlstest.New(t, "127.0.0.1").Server()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				first := make([]byte, 1)
				if _, err := c.Read(first); err == nil && first[0] == 0x16 { // a handshake
					_ = tls.Server(&begun{c, first}, config).Handshake() // the client says whether it is content
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	x := runExecutorWith(t, nil, func(a *scriptedAgent) { a.addr = l.Addr().String() })
	if err := x.wait(); err == nil || !strings.Contains(err.Error(), "LIBPROCESS_SSL_ENABLED") {
		t.Error(err)
	}
}

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	read []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if n := copy(p, b.read); n > 0 {
		b.read = b.read[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// A certificate is the agent's if it names its address or this machine.
func TestAgentsCertificateNamesIt(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, endpoint string
		taken          bool
	}{
		{"10.9.8.7", "10.9.8.7:5051", true},
		{"10.9.8.7", "10.9.8.8:5051", false},
		{"agent.example.org", "agent.example.org:5051", true},
		{host, "10.9.8.7:5051", true},
		{"another." + host, "10.9.8.7:5051", false},
	} {
		leaf := tlstest.New(t, c.name).TLS.Leaf
		roots := x509.NewCertPool()
		roots.AddCert(leaf)
		err := verifyAgent(roots, c.endpoint)(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}})
		if (err == nil) != c.taken {
			t.Errorf("the certificate of %s at %s: %v", c.name, c.endpoint, err)
		}
	}
}

// Each refusal names the variable.
func TestTLSIsRefused(t *testing.T) {
	t.Parallel()
	missing, empty := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	for _, c := range []struct {
		env  map[string]string
		says string
	}{
		{map[string]string{"LIBPROCESS_SSL_ENABLED": "perhaps"}, `LIBPROCESS_SSL_ENABLED: "perhaps"`},
		{map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "1", "LIBPROCESS_SSL_CA_FILE": missing}, "LIBPROCESS_SSL_CA_FILE: open"},
		{map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "1", "LIBPROCESS_SSL_CA_DIR": empty}, "LIBPROCESS_SSL_CA_DIR: no certificate"},
		{map[string]string{"SSL_ENABLED": "1", "SSL_REQUIRE_CERT": "1", "SSL_CERT_FILE": missing}, "SSL_CERT_FILE: and its key"},
	} {
		env := maps.Clone(agentEnvironment)
		maps.Copy(env, c.env)
		_, err := FromEnv(func(name string) string { return env[name] })
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %s", c.env, err, c.says)
		}
	}
}
