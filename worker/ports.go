package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// portState is what a planned address says of the node that was there.
type portState int

const (
	portClosed  portState = iota // refused, or another node answers there
	portOpen                     // the node, or something that does not say what it is, is there
	portUnknown                  // no answer from the host at all
)

// probeTimeout bounds one look at one port.
const probeTimeout = 500 * time.Millisecond

// awaitClosed waits until no node of the plan is left: after TEARDOWN, Mesos offers the
// resources again up to seconds before the processes are gone. Ports that another node has
// taken since count as closed. When ctx ends first, the error names what is left; unreachable
// says that these are hosts that do not answer at all, nothing that is known to live.
func awaitClosed(ctx context.Context, plan chunkdist.Plan, touch func()) (unreachable bool, err error) {
	left := plan.Nodes
	for n := 0; ; n++ {
		var open, unknown []chunkdist.Node
		for i, state := range probeAll(ctx, left) {
			switch state {
			case portOpen:
				open = append(open, left[i])
			case portUnknown:
				unknown = append(unknown, left[i])
			}
		}
		if len(open)+len(unknown) == 0 {
			return false, nil
		}
		if len(open)+len(unknown) < len(left) {
			touch()
		}
		left = append(open, unknown...)
		if err := sleep(ctx, pause(n, 5*time.Millisecond, 250*time.Millisecond)); err != nil {
			first := left[0]
			return len(open) == 0, fmt.Errorf("worker: %d of %d nodes are not known to be gone, the first at %s: %w",
				len(left), len(plan.Nodes), net.JoinHostPort(first.Host, strconv.Itoa(first.Port)), err)
		}
	}
}

// probeAll looks at every node, 64 at a time.
func probeAll(ctx context.Context, nodes []chunkdist.Node) []portState {
	states := make([]portState, len(nodes))
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i, n := range nodes {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			states[i] = probe(ctx, n)
		})
	}
	all.Wait()
	return states
}

// probe looks at a node's data port. The bus port needs no look of its own: a server opens and
// closes both together, and by itself an open bus port does not say whose it is.
func probe(ctx context.Context, n chunkdist.Node) portState {
	conn, state := dial(ctx, n.Host, n.Port)
	if conn == nil {
		return state
	}
	defer conn.Close() //nolint:errcheck // nothing was written that could be lost
	return whoIs(conn, n.ID)
}

func dial(ctx context.Context, host string, port int) (net.Conn, portState) {
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	switch {
	case err == nil:
		return conn, portOpen
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, portClosed
	default:
		return nil, portUnknown
	}
}

// whoIs asks the server behind conn for its node ID.
func whoIs(conn net.Conn, id string) portState {
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return portOpen
	}
	if _, err := conn.Write([]byte("CLUSTER MYID\r\n")); err != nil {
		return portOpen
	}
	in := bufio.NewReader(conn)
	head, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(head, "$40") {
		return portOpen // silent, or no cluster node, or one that wants a password: not known to be another
	}
	body, err := in.ReadString('\n')
	if err != nil || strings.TrimSpace(body) == id {
		return portOpen
	}
	return portClosed
}
