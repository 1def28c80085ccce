package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsFlags say how to reach NATS.
type natsFlags struct {
	NATS      string `name:"nats" env:"CLUSTERSMITH_NATS_URL" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"NATS servers, comma-separated."`
	NATSCreds string `name:"nats-creds" env:"CLUSTERSMITH_NATS_CREDS" type:"path" placeholder:"FILE" help:"NATS user credentials."`
	NATSCA    string `name:"nats-ca" env:"CLUSTERSMITH_NATS_CA" type:"path" placeholder:"FILE" help:"CA certificates that NATS servers are checked against."`
}

// client is a connection to NATS with JetStream.
type client struct {
	nc *nats.Conn
	js jetstream.JetStream

	refused atomic.Pointer[error] // the last right that the user turned out to lack
}

const (
	dialTimeout = 3 * time.Second
	opTimeout   = 10 * time.Second
)

// connect opens a connection that comes back by itself when it is lost.
func (f natsFlags) connect() (*client, error) {
	c := &client{}
	opts := []nats.Option{
		nats.Name("clustersmith cli"), nats.Timeout(dialTimeout), nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			d := min(100*time.Millisecond<<min(attempts, 5), 2*time.Second)
			return d/2 + rand.N(d/2)
		}),
		// The calls return what else matters; a request that is refused they only find unanswered.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				c.refused.Store(&err)
			}
		}),
	}
	if f.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(f.NATSCreds))
	}
	if f.NATSCA != "" {
		opts = append(opts, nats.RootCAs(f.NATSCA))
	}
	nc, err := nats.Connect(f.NATS, opts...)
	if err != nil {
		return nil, unreachable("%w; name the server with --nats or CLUSTERSMITH_NATS_URL, or start one with: clustersmith dev", worker.AtNATS(f.NATS, err))
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(opTimeout))
	if err != nil {
		nc.Close()
		return nil, unreachable("%w", worker.AtNATS(f.NATS, err))
	}
	c.nc, c.js = nc, js
	return c, nil
}

func (c *client) close() { c.nc.Close() }

// cause is err, or what was refused: then err says no more than that nothing was heard.
func (c *client) cause(err error) error {
	if no := c.refused.Load(); no != nil {
		return fmt.Errorf("the NATS user lacks a right: %w", *no)
	}
	return err
}

// explain turns an error of JetStream into one that says what to do next.
func (c *client) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return unreachable("the NATS server has no JetStream: %w; start it with -js, or use another one with --nats", err)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		return unreachable("the NATS server has no Clustersmith streams yet: %w; start a worker, which creates them: clustersmith worker", err)
	}
	if c.refused.Load() != nil {
		return unreachable("%w; docs/operations.md lists the rights of an operator", c.cause(err))
	}
	return unreachable("%w; is the NATS server well? Try again", err)
}

// receipt is the stream's answer to a request.
type receipt struct {
	Job       string `json:"job"`
	Cluster   string `json:"cluster,omitempty"`
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"sequence"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"` // of cancel: no worker knows the job yet
}

// publish puts a request into the queue. Trying again is safe: the message ID makes the
// stream drop repetitions.
func (c *client) publish(ctx context.Context, subject, id, cluster string, request any) (receipt, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return receipt{}, fmt.Errorf("encode the request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	ack, err := c.js.Publish(ctx, subject, body,
		jetstream.WithMsgID(id), jetstream.WithExpectStream(contracts.StreamJobs), jetstream.WithRetryAttempts(3))
	if errors.Is(err, jetstream.ErrNoStreamResponse) { // no stream, or no JetStream at all
		if _, why := c.js.Stream(ctx, contracts.StreamJobs); why != nil {
			err = why
		}
	}
	if err != nil {
		return receipt{}, c.explain(fmt.Errorf("publish on %s: %w", subject, err))
	}
	return receipt{Job: id, Cluster: cluster, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

// sameAsBefore refuses a create request whose ID another one had: the stream has dropped it, and
// what is done is the other. Where neither a record nor the queue holds that one yet or any more,
// nobody knows.
func (c *client) sameAsBefore(ctx context.Context, r receipt, request any) error {
	now, ok := request.(contracts.CreateRequest)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	body, err := c.published(ctx, r)
	if err != nil || body == nil {
		return c.explain(err)
	}
	if before, err := contracts.ParseCreate(body); err != nil || contracts.SameSpec(before, now) {
		return nil // what is wrong with the other is its job's to say
	}
	return badInput("job %s was published before with another request, and that one is done; leave --id out, or choose another", r.Job)
}

// published is the request of a job that was published before; nil is not there.
func (c *client) published(ctx context.Context, r receipt) ([]byte, error) {
	record, err := c.job(ctx, r.Job)
	if err != nil {
		return nil, err
	}
	if record != nil {
		return record.Request, nil
	}
	stream, err := c.js.Stream(ctx, contracts.StreamJobs)
	if err != nil {
		return nil, err
	}
	msg, err := stream.GetMsg(ctx, r.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return msg.Data, nil
}

// job is a job's record; nil is that no worker has taken it yet.
func (c *client) job(ctx context.Context, id string) (*contracts.JobRecord, error) {
	kv, err := c.js.KeyValue(ctx, contracts.BucketJobs)
	if err != nil {
		return nil, err
	}
	entry, err := kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := &contracts.JobRecord{}
	return record, json.Unmarshal(entry.Value(), record)
}
