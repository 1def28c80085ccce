package bundle_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// clusterOf is a bundle of masters × replicas, node by node over hosts.
func clusterOf(masters, replicas, hosts int) bundle.Bundle {
	p := chunkdist.Plan{Cluster: "orders", UID: "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", Masters: masters, Replicas: replicas}
	loads := map[string]*chunkdist.HostLoad{}
	for i := range masters * (1 + replicas) {
		h := (i + i/masters) % hosts
		host := fmt.Sprintf("10.0.%d.%d", h/250, h%250+1)
		n := chunkdist.Node{
			Index: i, ID: chunkdist.NodeID(p.UID, i), Host: host, Domain: fmt.Sprintf("rack-%d", h%7),
			Agent: fmt.Sprintf("56c7be37-a67a-45ad-a4aa-592b1903e71d-S%d", (h*7919)%100003),
			Port:  31000 + 2*(i/hosts), BusPort: 31001 + 2*(i/hosts), Role: chunkdist.Master,
			Epoch: uint64(i) + 1, Slots: [][2]int{},
		}
		load := loads[host]
		if load == nil {
			load = &chunkdist.HostLoad{Host: host, Domain: n.Domain}
			loads[host] = load
		}
		if i < masters {
			n.Slots = [][2]int{chunkdist.SlotRange(i, masters)}
			load.Masters++
		} else {
			master := (i * 31) % masters
			n.Role, n.Epoch, n.Master = chunkdist.Replica, 0, &master
			load.Replicas++
		}
		p.Nodes = append(p.Nodes, n)
	}
	for _, n := range p.Nodes {
		if load := loads[n.Host]; load != nil {
			p.Hosts = append(p.Hosts, *load)
			delete(loads, n.Host)
		}
	}
	p.Risk = chunkdist.Risk{OneHost: chunkdist.Loss{Hosts: []string{p.Nodes[0].Host}, MastersLost: 1, MajorityKept: true}}
	return bundle.Bundle{
		Plan: p, Job: p.UID, Attempt: 1, Flavor: "redis", Version: "7.0", Persistence: "none",
		Config: map[string]string{"maxmemory-policy": "allkeys-lru", "timeout": "0"}, MemoryMB: 1024,
	}
}

func TestLargeClusterStaysSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ masters, replicas, hosts, limit int }{
		{3, 1, 3, 2 << 10},
		{600, 1, 60, 32 << 10},
		{600, 1, 1200, 64 << 10}, // a host a node
		{8192, 4, 2000, 512 << 10},
	} {
		in := clusterOf(c.masters, c.replicas, c.hosts)
		data, err := bundle.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		size := base64.StdEncoding.EncodedLen(len(data))
		t.Logf("%d nodes on %d hosts: %d bytes, %d in base64", len(in.Plan.Nodes), c.hosts, len(data), size)
		if size > c.limit {
			t.Errorf("%d nodes take %d bytes in base64, want at most %d", len(in.Plan.Nodes), size, c.limit)
		}
		out, err := bundle.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(in, out) {
			t.Errorf("%d nodes: Decode(Encode(b)) is not b", len(in.Plan.Nodes))
		}
	}
}

func TestEqualBundlesEncodeEqually(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		masters := rapid.IntRange(1, 40).Draw(t, "masters")
		in := clusterOf(masters, rapid.IntRange(0, 4).Draw(t, "replicas"), rapid.IntRange(1, 20).Draw(t, "hosts"))
		in.Config = rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "config")
		in.Plan.Cluster = rapid.String().Draw(t, "cluster")
		in.Plan.Relaxed = rapid.SliceOf(rapid.String()).Draw(t, "relaxed")
		for i := range in.Plan.Nodes {
			in.Plan.Nodes[i].Port = rapid.IntRange(1, 65535).Draw(t, "port")
		}
		data, err := bundle.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := bundle.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := bundle.Encode(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, again) {
			t.Fatal("two encodings of one bundle differ")
		}
		if len(in.Config) == 0 {
			in.Config = nil
		}
		if len(in.Plan.Relaxed) == 0 {
			in.Plan.Relaxed = nil
		}
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("got %+v, want %+v", out, in)
		}
	})
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*bundle.Bundle)
		want  string
	}{
		"a foreign node ID":      {func(b *bundle.Bundle) { b.Plan.Nodes[1].ID = strings.Repeat("a", 40) }, "node 1"},
		"a foreign epoch":        {func(b *bundle.Bundle) { b.Plan.Nodes[2].Epoch = 9 }, "node 2"},
		"foreign slots":          {func(b *bundle.Bundle) { b.Plan.Nodes[0].Slots = [][2]int{{0, 1}} }, "node 0"},
		"a role at odds":         {func(b *bundle.Bundle) { b.Plan.Nodes[0].Role = chunkdist.Replica }, "node 0"},
		"a replica of nobody":    {func(b *bundle.Bundle) { b.Plan.Nodes[3].Master = nil }, "no master"},
		"a node too few":         {func(b *bundle.Bundle) { b.Plan.Nodes = b.Plan.Nodes[:5] }, "5 nodes"},
		"a port that is none":    {func(b *bundle.Bundle) { b.Plan.Nodes[4].BusPort = 70000 }, "node 4"},
		"no masters":             {func(b *bundle.Bundle) { b.Plan = chunkdist.Plan{} }, "masters is 0"},
		"text that is not UTF-8": {func(b *bundle.Bundle) { b.Config["save"] = "\xff" }, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := clusterOf(3, 1, 3)
			c.spoil(&b)
			_, err := bundle.Encode(b)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good, err := bundle.Encode(clusterOf(3, 1, 3))
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := bundle.Decode(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are accepted", n, len(good))
		}
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":             {nil, "not a bundle"},
		"no gzip":             {[]byte("{}"), "not a bundle"},
		"something behind it": {append(bytes.Clone(good), 0), "1 bytes follow"},
		"two of them":         {append(bytes.Clone(good), good...), "follow the bundle"},
		"too much":            {make([]byte, bundle.MaxEncoded+1), "at most"},
		"a bomb":              {zipped(t, bytes.Repeat([]byte(" "), bundle.MaxDecoded+1)), "after decompression"},
		"another version":     {zipped(t, []byte(`{"v":2}`)), "version 2"},
		"an unknown field":    {zipped(t, []byte(`{"v":1,"novelty":true}`)), "novelty"},
		"two objects":         {zipped(t, []byte(`{"v":1}{"v":1}`)), "follows the JSON"},
		"columns that differ": {zipped(t, []byte(`{"v":1,"masters":1,"place":[0],"places":[{}]}`)), "columns differ"},
		"a place too far":     {zipped(t, []byte(`{"v":1,"masters":1,"place":[1],"places":[{}],"ports":[1],"bus_ports":[2]}`)), "place 1 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle.Decode(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range []bundle.Bundle{clusterOf(3, 1, 3), clusterOf(5, 0, 3), clusterOf(4, 2, 5)} {
		data, err := bundle.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		text, err := bundle.Text(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := bundle.DecodeText(text)
		if err != nil {
			return
		}
		data, err := bundle.Encode(b)
		if err != nil {
			t.Fatalf("decoded, but not encoded again: %v", err)
		}
		again, err := bundle.Decode(data)
		if err != nil || !reflect.DeepEqual(b, again) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
