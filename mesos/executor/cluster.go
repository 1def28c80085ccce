package executor

import (
	"path/filepath"

	"github.com/clustersmith/clustersmith/mesos/bundle"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// cluster is what the bundle says, ready to use. It does not change and may be used by
// several goroutines.
type cluster struct {
	bundle   bundle.Bundle
	renderer *nodesconf.Renderer
	options  nodesconf.ServerOptions // without Dir
	sandbox  string
	program  *program
}

// newCluster decodes a bundle. server is the path of the server's program, or empty.
func newCluster(data []byte, sandbox, server string) (*cluster, error) {
	b, err := bundle.Decode(data)
	if err != nil {
		return nil, err
	}
	dialect, err := nodesconf.LookupDialect(b.Flavor, b.Version)
	if err != nil {
		return nil, err
	}
	r, err := dialect.Renderer(b.Plan)
	if err != nil {
		return nil, err
	}
	return &cluster{
		bundle:   b,
		renderer: r,
		options:  nodesconf.ServerOptions{MemoryMB: b.MemoryMB, Persistence: b.Persistence, Config: b.Config},
		sandbox:  sandbox,
		program:  &program{server: server, dialect: dialect, found: make(chan struct{})},
	}, nil
}

func (c *cluster) dir(index int) string {
	return filepath.Join(c.sandbox, bundle.TaskID(index))
}
