package executor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/clustersmith/clustersmith/mesos/libprocess"
)

// agentTLS says how to reach an agent that serves TLS; nil means plain HTTP. It reads what agents
// themselves are configured by and may hand on to their executors (docs/ssl.md of Apache Mesos, the
// names of 1.x and those that 1.9 renamed; SSL_ for LIBPROCESS_SSL_ as Mesos still takes it):
// _ENABLED; _CA_FILE or _CA_DIR; _VERIFY_SERVER_CERT or _VERIFY_CERT; _REQUIRE_CERT or
// _REQUIRE_CLIENT_CERT with _CERT_FILE and _KEY_FILE.
func (e *environment) agentTLS(endpoint string) *tls.Config {
	if !e.ssl("ENABLED") {
		return nil
	}
	c := libprocess.TLS()
	clientCert := e.ssl("REQUIRE_CERT", "REQUIRE_CLIENT_CERT")
	if clientCert {
		// Read only where the agent asks for one: the key may be for root's eyes.
		name, cert := e.sslValue("CERT_FILE")
		_, key := e.sslValue("KEY_FILE")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			e.refuse(name, "and its key, which the agent requires of its clients: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	// REQUIRE_CERT has always implied that the other side is checked too.
	verify := e.ssl("VERIFY_SERVER_CERT", "VERIFY_CERT", "REQUIRE_CERT")
	c.InsecureSkipVerify = true // verified below, or not at all: that is the agents' own default
	if verify {
		c.VerifyConnection = verifyAgent(e.roots(), endpoint)
	}
	return c
}

// verifyAgent accepts a certificate that roots vouch for and that names the agent: by the address
// of its endpoint or, as the agent is on this very machine, by the machine's name.
func verifyAgent(roots *x509.CertPool, endpoint string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		leaf := s.PeerCertificates[0]
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
			return &untrusted{err}
		}
		host, _, err := net.SplitHostPort(endpoint)
		if err == nil {
			err = leaf.VerifyHostname(host)
		}
		if err == nil {
			return nil
		}
		if name, unknown := os.Hostname(); unknown == nil && leaf.VerifyHostname(name) == nil {
			return nil
		}
		return &untrusted{err}
	}
}

// untrusted says that who answers is not the agent, as far as its certificate tells.
type untrusted struct{ why error }

func (e *untrusted) Error() string { return "the agent's certificate: " + e.why.Error() }
func (e *untrusted) Unwrap() error { return e.why }

// untoldTLS says that the agent serves TLS only, and nobody told its executor.
type untoldTLS struct{ why error }

func (e *untoldTLS) Error() string {
	return "the agent serves TLS only, which its --executor_environment_variables have to say (LIBPROCESS_SSL_ENABLED): " + e.why.Error()
}
func (e *untoldTLS) Unwrap() error { return e.why }

// untold finds out whether plain HTTP failed because the agent serves TLS only: it hangs up on what is
// no handshake.
func (a *agent) untold(ctx context.Context, err error) bool {
	plain, ok := strings.CutPrefix(a.url, "http://")
	if !ok || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		return false
	}
	c := libprocess.TLS()
	c.InsecureSkipVerify = true // nothing is said to it
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	endpoint, _, _ := strings.Cut(plain, "/")
	conn, err := (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", endpoint)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// roots are the CAs to check against; nil means the system's.
func (e *environment) roots() *x509.CertPool {
	name, file := e.sslValue("CA_FILE")
	files := []string{file}
	if file == "" {
		var dir string
		if name, dir = e.sslValue("CA_DIR"); dir == "" {
			return nil
		}
		var err error
		if files, err = filepath.Glob(filepath.Join(dir, "*")); err != nil {
			e.refuse(name, "%w", err)
			return nil
		}
	}
	pool, found := x509.NewCertPool(), false
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil && file != "" {
			e.refuse(name, "%w", err)
			return nil
		}
		found = pool.AppendCertsFromPEM(text) || found
	}
	if !found {
		e.refuse(name, "no certificate there")
	}
	return pool
}

// ssl reports whether any of the flags is set.
func (e *environment) ssl(flags ...string) bool {
	set := false
	for _, f := range flags {
		name, _ := e.sslValue(f)
		set = e.flag(name) || set
	}
	return set
}

// sslValue is what libprocess reads for a flag, and the variable that it found it in.
func (e *environment) sslValue(flag string) (name, value string) {
	for _, prefix := range []string{"LIBPROCESS_SSL_", "SSL_"} {
		name = prefix + flag
		if value = e.getenv(name); value != "" {
			return name, value
		}
	}
	return "LIBPROCESS_SSL_" + flag, ""
}
