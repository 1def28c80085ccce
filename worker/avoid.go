package worker

import (
	"net"
	"slices"
	"strconv"

	"github.com/clustersmith/clustersmith/chunkdist"
)

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// withoutPorts takes single ports (host:port) out of what the hosts' agents offer: a port that
// something outside of Mesos has taken is offered again and again.
func withoutPorts(hosts []chunkdist.Host, avoid []string) []chunkdist.Host {
	if len(avoid) == 0 {
		return hosts
	}
	hosts = slices.Clone(hosts)
	for i := range hosts {
		agents := slices.Clone(hosts[i].Agents)
		for j := range agents {
			for _, address := range avoid {
				host, text, err := net.SplitHostPort(address)
				port, bad := strconv.Atoi(text)
				if err == nil && bad == nil && host == hosts[i].Name {
					agents[j].Ports = cut(agents[j].Ports, port)
				}
			}
		}
		hosts[i].Agents = agents
	}
	return hosts
}

// cut takes one port out of ranges.
func cut(ranges []chunkdist.PortRange, port int) []chunkdist.PortRange {
	var left []chunkdist.PortRange
	for _, r := range ranges {
		if port < r.Begin || port > r.End {
			left = append(left, r)
			continue
		}
		if r.Begin < port {
			left = append(left, chunkdist.PortRange{Begin: r.Begin, End: port - 1})
		}
		if port < r.End {
			left = append(left, chunkdist.PortRange{Begin: port + 1, End: r.End})
		}
	}
	return left
}
