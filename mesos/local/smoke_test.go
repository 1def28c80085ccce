package local_test

import (
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
)

func ports(begin, end int) []chunkdist.PortRange {
	return []chunkdist.PortRange{{Begin: begin, End: end}}
}

func TestLaunchesARealExecutor(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "127.0.0.2")
	s.running(o, "t1", "e1")
	s.call("TEARDOWN", nil)
	if how := s.end(); how != "EOF" {
		t.Fatalf("stream ended with %s", how)
	}
}
