package jobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// Servers that could not be configured are refused before anything is launched, by the field that is
// to blame; what is proposed instead would be taken.
func TestCheckServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		change      func(*contracts.CreateRequest)
		field, says string
	}{
		{"good", func(*contracts.CreateRequest) {}, "", ""},
		{"version", func(r *contracts.CreateRequest) { r.Redis.Version = "3.2" }, "redis.version", "7.0"},
		{"too many nodes for it", func(r *contracts.CreateRequest) { r.Masters = 800 }, "node.memory_mb", "at least 306 MB"},
		{"what is proposed", func(r *contracts.CreateRequest) { r.Masters, r.Node.MemoryMB = 800, 306 }, "", ""},
		{"forks need more", func(r *contracts.CreateRequest) { r.Masters, r.Replicas, r.Node.MemoryMB = 1600, 0, 303 }, "", ""},
		{"with a file they fork", func(r *contracts.CreateRequest) {
			r.Masters, r.Replicas, r.Node.MemoryMB, r.Redis.Persistence = 1600, 0, 303, "aof"
		}, "node.memory_mb", "at least 306 MB"},
		{"no amount", func(r *contracts.CreateRequest) { r.Redis.Config = map[string]string{"maxmemory": "lots"} }, "redis.config.maxmemory", "512mb"},
		{"more than there is", func(r *contracts.CreateRequest) { r.Redis.Config = map[string]string{"maxmemory": "1gb"} }, "redis.config.maxmemory", "247 MB"},
	} {
		r := contracts.CreateRequest{Cluster: "a", Masters: 3, Replicas: 1, Node: contracts.NodeResources{CPUs: 1, MemoryMB: 256}}
		c.change(&r)
		r = r.WithDefaults()
		err := CheckServers(r)
		var field *contracts.FieldError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.field != "" && (!errors.As(err, &field) || field.Field != c.field || !strings.Contains(field.Message, c.says)):
			t.Errorf("%s: %v", c.name, err)
		}
		if r.Node.MemoryMB = int(SpecOf(r, "uid").LeastMemoryMB); c.field == "node.memory_mb" && CheckServers(r) != nil {
			t.Errorf("%s: %v", c.name, CheckServers(r))
		}
	}
}
