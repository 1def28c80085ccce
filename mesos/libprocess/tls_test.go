package libprocess_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/clustersmith/clustersmith/internal/tlstest"
	"github.com/clustersmith/clustersmith/mesos/libprocess"
)

// A client comes to terms with Mesos as it is by default, and has forward secrecy where that has it.
func TestTLS(t *testing.T) {
	t.Parallel()
	certificate := tlstest.New(t, "127.0.0.1")
	modern := certificate.Server()
	modern.CipherSuites = nil
	newest := modern.Clone()
	newest.MaxVersion = 0
	for name, c := range map[string]struct {
		server *tls.Config
		weak   bool
	}{
		"as it is by default": {certificate.Server(), true},
		"with Go's suites":    {modern, false},
		"with TLS 1.3":        {newest, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = c.server
			server.StartTLS()
			t.Cleanup(server.Close)
			config := libprocess.TLS()
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AddCert(certificate.TLS.Leaf)
			conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			state := conn.ConnectionState()
			if weak := state.CipherSuite == tls.TLS_RSA_WITH_AES_128_CBC_SHA || state.CipherSuite == tls.TLS_RSA_WITH_AES_256_CBC_SHA; weak != c.weak {
				t.Errorf("the suite is %s", tls.CipherSuiteName(state.CipherSuite))
			}
		})
	}
}
