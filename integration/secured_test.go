package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/tlstest"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// secured is a Mesos as it is run in earnest: TLS, credentials, executors with tokens, a role with its own resources,
// static on one agent and dynamic on the others, and a limit for it.
func secured(t *testing.T) (w *world, workerOf func(*worker.Config)) {
	t.Helper()
	list := agents(3, 0, 0)
	names := []string{"127.0.0.1"}
	for i := range list {
		names = append(names, list[i].IP)
		// Mesos has no idea of a role's ports as such: they are reserved with the rest.
		mine := local.Reservation{Role: "caches", CPUs: 2, MemMB: 2048, Ports: list[i].Ports}
		if i > 0 {
			mine.Principal = "ops"
		}
		list[i].Ports, list[i].Reserved = nil, []local.Reservation{mine}
	}
	certificate := tlstest.New(t, names...)
	w = newWorld(t, list, func(c *local.Config) {
		c.TLS = certificate.Server()
		c.AgentTLS = c.TLS
		c.ExecutorEnv = map[string]string{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "1", "LIBPROCESS_SSL_CA_FILE": certificate.CertFile}
		c.AuthenticateExecutors = true
		c.Credentials = map[string]string{"clustersmith": "s3cret"}
		c.Limits = map[string]local.Limit{"caches": {CPUs: 5, MemMB: 5120}}
	})
	w.needsLocal()
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	return w, func(c *worker.Config) {
		c.MesosCA, c.Principal, c.SecretFile = certificate.CertFile, "clustersmith", secret
	}
}

// A create over TLS with credentials on reserved resources, in either encoding. Another master
// than the leader redirects without naming a scheme: that stays on TLS.
func TestSecured(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"protobuf", "json"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			w, with := secured(t)
			leader := hostOf(w.masters)
			other := newRelay(t, leader)
			must(t, w.mesos.Redirect("//"+leader)) // who asks for that very host is served
			w.masters = schemeOf(w.masters) + other.address()
			w.worker(with, func(c *worker.Config) { c.MesosCodec = codec })
			req := request("secured-"+codec, 3, 1)
			req.Placement.Role = "caches"
			plan := w.verified(w.create(req))
			checkedByRedis(t, plan)
			too := request("too-much", 3, 1)
			too.Placement.Role, too.Node.CPUs, too.Deadline = "caches", 0.6, contracts.Duration(10*time.Second)
			w.failed(w.create(too), contracts.ReasonInsufficientResources)
		})
	}
}

// Both encodings without more ado: scheduler and executor.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"protobuf", "json"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(3, 4, 4096))
			w.worker(func(c *worker.Config) { c.MesosCodec = codec })
			w.verified(w.create(request("in-"+codec, 3, 0)))
			if w.mesos == nil {
				return
			}
			if got := w.mesos.Encodings(); len(got) != 1 || !strings.HasSuffix(got[0], map[string]string{"protobuf": "x-protobuf", "json": "json"}[codec]) {
				t.Errorf("schedulers and executors used %v", got)
			}
		})
	}
}

// A worker whose credentials or CA cannot work does not begin, and says which variable to look at.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	w, with := secured(t)
	for name, c := range map[string]struct {
		change func(*worker.Config)
		want   error
		says   []string
	}{
		"none":         {func(c *worker.Config) { c.Principal, c.SecretFile = "", "" }, mesos.ErrUnauthorized, []string{"CLUSTERSMITH_MESOS_PRINCIPAL", "401"}},
		"wrong secret": {func(c *worker.Config) { c.SecretFile, c.Secret = "", "guess" }, mesos.ErrUnauthorized, []string{"CLUSTERSMITH_MESOS_SECRET", `"clustersmith"`}},
		"no CA":        {func(c *worker.Config) { c.MesosCA = "" }, nil, []string{"CLUSTERSMITH_MESOS_CA", "certificate"}},
		"CA missing":   {func(c *worker.Config) { c.MesosCA = "/nonexistent" }, os.ErrNotExist, []string{"CLUSTERSMITH_MESOS_CA"}},
		"file missing": {func(c *worker.Config) { c.SecretFile = "/nonexistent" }, os.ErrNotExist, []string{"CLUSTERSMITH_MESOS_SECRET_FILE"}},
	} {
		cfg := w.config()
		with(&cfg)
		c.change(&cfg)
		// A master that does not answer within 2 s is waited for by the jobs: on a busy machine a worker may begin.
		var err error
		for tries := 0; err == nil && tries < 5; tries++ {
			var one *worker.Worker
			if one, err = worker.New(cfg, w.log); err != nil {
				break
			}
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			err = one.Run(ctx)
			cancel()
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v instead of %v", name, err, c.want)
			continue
		}
		for _, say := range c.says {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %q does not say %s", name, err, say)
			}
		}
	}
}
