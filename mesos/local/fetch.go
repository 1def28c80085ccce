package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// fetchTimeout bounds one download.
const fetchTimeout = time.Minute

// fetch puts a URI's content into the sandbox: a path, file:// or http(s)://. Archives are
// not extracted.
func fetch(ctx context.Context, uri mesos.CommandInfo_URI, sandbox string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	name := path.Base(uri.Value)
	if u, err := url.Parse(uri.Value); err == nil && u.Path != "" {
		name = path.Base(u.Path)
	}
	if uri.OutputFile != nil {
		name = *uri.OutputFile
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q is not a file name in the sandbox", name)
	}
	source, err := open(ctx, uri.Value)
	if err != nil {
		return err
	}
	defer source.Close() // only read from
	target := filepath.Join(sandbox, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if uri.GetExecutable() {
		mode = 0o755
	}
	content, err := io.ReadAll(source)
	if err != nil {
		return err
	}
	// The fetcher of Mesos is a process of its own; this one forks others meanwhile.
	return proc.WriteProgram(target, content, mode)
}

// open opens what a URI points to.
func open(ctx context.Context, uri string) (io.ReadCloser, error) {
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
		if err != nil {
			return nil, err
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("unexpected HTTP response code %d", resp.StatusCode), resp.Body.Close())
		}
		return resp.Body, nil
	}
	file := strings.TrimPrefix(uri, "file://")
	if strings.Contains(file, "://") {
		return nil, fmt.Errorf("the scheme of %q is not supported", uri)
	}
	if !filepath.IsAbs(file) {
		return nil, fmt.Errorf("%q is not an absolute path", file)
	}
	return os.Open(file)
}
