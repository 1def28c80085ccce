package verifier

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/gomodule/redigo/redis"
)

// maxIdle bounds the connections that are kept between exchanges.
const maxIdle = 2048

// conn is a connection to a node, kept between exchanges.
type conn struct {
	net   net.Conn
	redis redis.Conn
}

// command is a command and its arguments.
type command []any

// reply is the answer to one command: a value, or the error that the server sent.
type reply struct {
	value any
	err   error
}

// bytes is the answer as bytes; nil where it is something else.
func (r reply) bytes() []byte {
	b, _ := r.value.([]byte)
	return b
}

// exchange sends commands to node i in one go and returns their answers. The error is of
// the connection: then no answer is of use. Options.Timeout bounds the whole exchange.
func (v *Verifier) exchange(ctx context.Context, i int, commands ...command) ([]reply, error) {
	ctx, cancel := context.WithTimeout(ctx, v.opts.Timeout)
	defer cancel()
	kept := v.conns[i] != nil
	replies, err := v.exchangeOnce(ctx, i, commands)
	if err != nil && kept && ctx.Err() == nil {
		// The kept connection may be of a server that has restarted since.
		replies, err = v.exchangeOnce(ctx, i, commands)
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("no answer within %v", v.opts.Timeout)
	}
	return replies, err
}

func (v *Verifier) exchangeOnce(ctx context.Context, i int, commands []command) ([]reply, error) {
	if v.conns[i] == nil {
		nc, err := v.opts.Dial(ctx, "tcp", v.address(i))
		if err != nil {
			return nil, err
		}
		v.conns[i] = &conn{net: nc, redis: redis.NewConn(&guard{Conn: nc, limit: v.maxReply()}, 0, 0)}
	}
	c := v.conns[i]
	stop := context.AfterFunc(ctx, func() { c.net.Close() }) // ends a read or write that hangs
	replies, err := converse(c.redis, commands)
	if !stop() || err != nil || i >= maxIdle {
		v.drop(i)
	}
	return replies, err
}

func converse(c redis.Conn, commands []command) ([]reply, error) {
	for _, cmd := range commands {
		if err := c.Send(cmd[0].(string), cmd[1:]...); err != nil {
			return nil, err
		}
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	replies := make([]reply, len(commands))
	for n := range replies {
		value, err := c.Receive()
		if err != nil && c.Err() != nil {
			return nil, err
		}
		replies[n] = reply{value, err}
	}
	return replies, nil
}

// maxReply bounds an answer, in bytes. The longest is that of CLUSTER NODES: some 200 a node, and more for
// masters whose slots are in pieces.
func (v *Verifier) maxReply() int { return 1<<20 + len(v.plan.Nodes)<<10 }

// drop closes and forgets the connection to node i.
func (v *Verifier) drop(i int) {
	if c := v.conns[i]; c != nil {
		c.redis.Close() // what it could still say is of no use
		v.conns[i] = nil
	}
}

func (v *Verifier) address(i int) string {
	n := &v.plan.Nodes[i]
	return net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
}
