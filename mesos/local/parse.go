package local

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Resources are an agent's resources as its --resources flag gives them.
type Resources struct {
	CPUs, MemMB, DiskMB float64
	Ports               []chunkdist.PortRange
}

// ParseResources reads a resource string of a Mesos agent, such as
// "cpus:8;mem:8192;disk:20480;ports:[31000-31999, 33000-33099]". The errors name the part
// that is wrong.
func ParseResources(s string) (Resources, error) {
	var r Resources
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, ":")
		if !ok {
			return Resources{}, fmt.Errorf("local: resource %q is not of the form name:value", part)
		}
		if seen[name] {
			return Resources{}, fmt.Errorf("local: resource %s is given twice", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "cpus":
			r.CPUs, err = parseScalar(value)
		case "mem":
			r.MemMB, err = parseScalar(value)
		case "disk":
			r.DiskMB, err = parseScalar(value)
		case "ports":
			r.Ports, err = parsePorts(value)
		default:
			err = fmt.Errorf("unknown name (cpus, mem, disk and ports are known)")
		}
		if err != nil {
			return Resources{}, fmt.Errorf("local: resource %q: %w", part, err)
		}
	}
	return r, nil
}

func parseScalar(s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= 0 && x < 1e12) {
		return 0, fmt.Errorf("%q is not an amount", s)
	}
	return x, nil
}

func parsePorts(s string) ([]chunkdist.PortRange, error) {
	inner, ok := strings.CutPrefix(s, "[")
	inner, ok2 := strings.CutSuffix(inner, "]")
	if !ok || !ok2 {
		return nil, fmt.Errorf("%q is not of the form [begin-end, …]", s)
	}
	var ports []chunkdist.PortRange
	for part := range strings.SplitSeq(inner, ",") {
		begin, end, ok := strings.Cut(strings.TrimSpace(part), "-")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form begin-end", part)
		}
		b, err := strconv.Atoi(begin)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", begin, err)
		}
		e, err := strconv.Atoi(end)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", end, err)
		}
		ports = append(ports, chunkdist.PortRange{Begin: b, End: e})
	}
	if err := validPorts(ports); err != nil {
		return nil, err
	}
	return ports, nil
}
