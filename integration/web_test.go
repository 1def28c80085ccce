package integration

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/mesos/libprocess"
	"github.com/clustersmith/clustersmith/worker"
)

// web is what a master serves beside the scheduler API.
type web struct {
	url               string
	client            *http.Client
	principal, secret string // of HTTP basic authentication, if any
}

// webOf is that of a master to which workers have this way.
func webOf(url string, cfg worker.Config) (web, error) {
	m := web{url: url, client: http.DefaultClient, principal: cfg.Principal, secret: cfg.Secret}
	if cfg.SecretFile != "" {
		text, err := os.ReadFile(cfg.SecretFile)
		if err != nil {
			return m, err
		}
		m.secret = strings.TrimSpace(string(text))
	}
	if cfg.MesosCA != "" {
		pem, err := os.ReadFile(cfg.MesosCA)
		if err != nil {
			return m, err
		}
		tls := libprocess.TLS()
		tls.RootCAs = x509.NewCertPool()
		if !tls.RootCAs.AppendCertsFromPEM(pem) {
			return m, fmt.Errorf("no certificate in %s", cfg.MesosCA)
		}
		m.client = &http.Client{Transport: &http.Transport{TLSClientConfig: tls, DisableKeepAlives: true}}
	}
	return m, nil
}

// get reads JSON.
func (m web) get(path string, into any) error {
	body, err := m.do(context.Background(), http.MethodGet, path, "", "")
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// post sends JSON.
func (m web) post(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = m.do(ctx, http.MethodPost, path, "application/json", string(text))
	return err
}

func (m web) do(ctx context.Context, method, path, contentType, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if m.secret != "" {
		req.SetBasicAuth(m.principal, m.secret)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s%s: %s: %s", m.url, path, resp.Status, answer)
	}
	return answer, err
}
