package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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
	portOurs                     // the node answers
	portSilent                   // something listens and does not say what it is: a node that is stopped, or a stranger
	portUnknown                  // no answer from the host at all
)

const (
	// probeTimeout bounds one look at one port.
	probeTimeout = 500 * time.Millisecond
	// silentTimeout is how long a silent listener may still be a node of ours: its executor has
	// executorGrace to end it, then the agent ends them both.
	silentTimeout = executorGrace + 5*time.Second
)

// left is what awaitGone found at its end.
type left struct {
	ours, silent, unknown []chunkdist.Node
}

func (l left) Error() string {
	all := slices.Concat(l.ours, l.silent, l.unknown)
	return fmt.Sprintf("worker: %d nodes are not known to be gone (%d answer, %d are silent, %d hosts do not answer), the first at %s",
		len(all), len(l.ours), len(l.silent), len(l.unknown), hostPort(all[0].Host, all[0].Port))
}

// awaitGone waits until no node of the plan is left: after TEARDOWN, Mesos offers the resources
// again up to seconds before the processes are gone. A port on which another node answers, or
// where something has been silent for longer than a node of ours could, counts as free. The error
// is a left when ctx ends first.
func awaitGone(ctx context.Context, plan chunkdist.Plan, touch func()) error {
	begin := time.Now()
	waiting := plan.Nodes
	last := left{ours: plan.Nodes} // nobody has looked
	for n := 0; ; n++ {
		var l left
		states := probeAll(ctx, waiting)
		if ctx.Err() != nil { // which cuts dials short: they say nothing of the hosts
			if len(waiting) == 0 {
				return nil
			}
			return last
		}
		for i, state := range states {
			switch state {
			case portOurs:
				l.ours = append(l.ours, waiting[i])
			case portSilent:
				if time.Since(begin) < silentTimeout {
					l.silent = append(l.silent, waiting[i])
				}
			case portUnknown:
				l.unknown = append(l.unknown, waiting[i])
			}
		}
		still := slices.Concat(l.ours, l.silent, l.unknown)
		if len(still) == 0 {
			return nil
		}
		if len(still) < len(waiting) {
			touch()
		}
		waiting, last = still, l
		if sleep(ctx, pause(n, 5*time.Millisecond, 250*time.Millisecond)) != nil {
			return l
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

// probe looks at a node's data port, which says whose it is.
func probe(ctx context.Context, n chunkdist.Node) portState {
	conn, state := dial(ctx, n.Host, n.Port)
	if state == portClosed {
		awaitBusClosed(ctx, n)
	}
	if conn == nil {
		return state
	}
	defer conn.Close() //nolint:errcheck // nothing was written that could be lost
	return whoIs(conn, n.ID)
}

// awaitBusClosed gives a server that is just ending, and has closed its data port, the moment that
// it needs to close the other. What listens for longer is a stranger; what does not answer, a firewall's.
func awaitBusClosed(ctx context.Context, n chunkdist.Node) {
	ctx, stop := context.WithTimeout(ctx, probeTimeout)
	defer stop()
	for {
		conn, _ := dial(ctx, n.Host, n.BusPort)
		if conn == nil {
			return
		}
		conn.Close() //nolint:errcheck // it only had to open
		if sleep(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
}

func dial(ctx context.Context, host string, port int) (net.Conn, portState) {
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	switch {
	case err == nil:
		return conn, portSilent
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, portClosed
	default:
		return nil, portUnknown
	}
}

// whoIs asks the server behind conn for its node ID.
func whoIs(conn net.Conn, id string) portState {
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return portSilent
	}
	if _, err := conn.Write([]byte("CLUSTER MYID\r\n")); err != nil {
		return portSilent
	}
	in := bufio.NewReader(conn)
	head, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(head, "$40") {
		return portSilent // closed or silent, or no cluster node, or one that wants a password
	}
	body, err := in.ReadString('\n')
	switch {
	case err != nil:
		return portSilent
	case strings.TrimSpace(body) == id:
		return portOurs
	default:
		return portClosed
	}
}
