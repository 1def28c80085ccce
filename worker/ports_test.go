package worker

import (
	"net"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// A server that is just ending closes its ports one after the other; a stranger at its bus port keeps
// nobody waiting for long.
func TestBusPortOfAServerThatEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ends", "stranger"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			data, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			must(t, data.Close())
			bus, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			t.Cleanup(func() { bus.Close() })
			n := chunkdist.Node{
				ID: "n", Host: "127.0.0.1", Port: data.Addr().(*net.TCPAddr).Port, BusPort: bus.Addr().(*net.TCPAddr).Port,
			}
			if kind == "ends" {
				go func() { // it ends once it was looked at
					if conn, err := bus.Accept(); err == nil {
						conn.Close()
					}
					bus.Close()
				}()
			}
			if state := probe(t.Context(), n); state != portClosed {
				t.Errorf("state %d", state)
			}
			conn, err := net.Dial("tcp", bus.Addr().String())
			if err == nil {
				conn.Close()
			}
			if (err == nil) != (kind == "stranger") {
				t.Errorf("the bus port afterwards: %v", err)
			}
		})
	}
}
