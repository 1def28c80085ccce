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
					agents[j].Ports = chunkdist.WithoutPort(agents[j].Ports, port)
				}
			}
		}
		hosts[i].Agents = agents
	}
	return hosts
}
