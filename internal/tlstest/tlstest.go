// Package tlstest makes certificates for tests.
package tlstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is its own authority.
type Certificate struct {
	TLS tls.Certificate // Leaf is set
	// CertFile and KeyFile are PEM files in Dir, where there is nothing else.
	CertFile, KeyFile, Dir string
}

// New makes a certificate for addresses and names, good for an hour.
func New(t testing.TB, names ...string) Certificate {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	c := Certificate{TLS: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, Dir: t.TempDir()}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(c.Dir, file)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	c.CertFile, c.KeyFile = write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
	return c
}

// Server serves TLS as Mesos' masters and agents do unless they are told otherwise: the cipher suites are
// those of libprocess' default that Go knows, and TLS 1.3 is off.
func (c Certificate) Server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	}
}
