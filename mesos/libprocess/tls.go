// Package libprocess knows how the masters and agents of Apache Mesos speak TLS.
package libprocess

import "crypto/tls"

// TLS is the configuration of a client: TLS 1.2 or later, with all cipher suites that Go offers by itself
// and the two that it shares with libprocess, unless LIBPROCESS_SSL_CIPHERS is set there. Go no longer
// offers them, for they keep no forward secrecy; it prefers any other that the server has.
func TLS() *tls.Config {
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	}
	for _, suite := range tls.CipherSuites() {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	return c
}
