package bundle

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Encode writes b as gzip over one JSON object in which the nodes are columns (so that
// `gunzip | jq` shows a person what an executor was given). Empty and nil maps and slices are
// one. A plan whose derivable parts (IDs, roles, epochs, slots) are not the derived ones, and
// anything else that Decode would not give back as it was, is refused: the law is checked on
// every output.
func Encode(b Bundle) ([]byte, error) {
	text, err := json.Marshal(toWire(b))
	if err != nil {
		return nil, fmt.Errorf("bundle: encode: %w", err)
	}
	if len(text) > MaxDecoded {
		return nil, fmt.Errorf("bundle: encode: %d bytes before compression, at most %d are allowed", len(text), MaxDecoded)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression) // no time, no name: equal in, equal out
	if err != nil {
		return nil, fmt.Errorf("bundle: encode: %w", err)
	}
	if _, err := z.Write(text); err != nil {
		return nil, fmt.Errorf("bundle: encode: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("bundle: encode: %w", err)
	}
	back, err := Decode(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("bundle: encode: would not be readable: %w", err)
	}
	if err := sameBundle(normal(b), back); err != nil {
		return nil, fmt.Errorf("bundle: encode: %w", err)
	}
	return out.Bytes(), nil
}

// sameBundle names the first place where got is not want.
func sameBundle(want, got Bundle) error {
	if reflect.DeepEqual(want, got) {
		return nil
	}
	for i := range want.Plan.Nodes {
		if i >= len(got.Plan.Nodes) {
			break
		}
		if w, g := want.Plan.Nodes[i], got.Plan.Nodes[i]; !reflect.DeepEqual(w, g) {
			return fmt.Errorf("node %d of the plan is not what its index and UID derive: it is %s, derived is %s",
				i, describe(w), describe(g))
		}
	}
	return fmt.Errorf("the bundle of cluster %q does not survive encoding (text that is not UTF-8?)", want.Plan.Cluster)
}

func describe(n chunkdist.Node) string {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Sprintf("%+v", n)
	}
	return string(text)
}

// normal is b with every empty map and slice that may be absent made nil, as Decode gives it.
func normal(b Bundle) Bundle {
	p := &b.Plan
	if len(b.Config) == 0 {
		b.Config = nil
	}
	if len(p.Relaxed) == 0 {
		p.Relaxed = nil
	}
	if len(p.Hosts) == 0 {
		p.Hosts = nil
	}
	if len(p.Risk.OneHost.Hosts) == 0 {
		p.Risk.OneHost.Hosts = nil
	}
	if len(p.Risk.TwoHosts.Hosts) == 0 {
		p.Risk.TwoHosts.Hosts = nil
	}
	nodes := make([]chunkdist.Node, len(p.Nodes))
	for i, n := range p.Nodes {
		if len(n.Slots) == 0 {
			n.Slots = [][2]int{}
		}
		nodes[i] = n
	}
	p.Nodes = nodes
	return b
}
