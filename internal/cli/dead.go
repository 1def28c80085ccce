package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// deadCmd is about messages that no worker could work on.
type deadCmd struct {
	List   deadListCmd   `cmd:"" help:"List the messages that no worker could work on."`
	Replay deadReplayCmd `cmd:"" help:"Put dead letters into the queue again."`
	Delete deadDeleteCmd `cmd:"" help:"Delete dead letters that nobody needs."`
}

// kindFlag picks dead letters by kind.
type kindFlag struct {
	Kind string `enum:"create,destroy,verify,cancel,unknown,any" default:"any" placeholder:"KIND" help:"Only one kind: create, destroy, verify, cancel or unknown."`
}

func (f kindFlag) subject() string {
	if f.Kind == "any" {
		return contracts.SubjectsDead
	}
	return contracts.DeadSubject(f.Kind)
}

type deadListCmd struct {
	natsFlags
	kindFlag
}

func (cmd *deadListCmd) Run(e *env) error {
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	letters := []show.DeadLetter{}
	err = c.deadLetters(e.ctx, cmd.subject(), func(m *jetstream.RawStreamMsg) error {
		letters = append(letters, show.DeadLetter{
			Sequence: m.Sequence, Time: m.Time, Kind: strings.TrimPrefix(m.Subject, contracts.DeadSubject("")),
			Reason: m.Header.Get(worker.HeaderReason), Error: m.Header.Get(worker.HeaderError),
			Subject: m.Header.Get(worker.HeaderSubject), Body: m.Data,
		})
		return nil
	})
	switch {
	case err != nil:
		return err
	case e.json:
		return e.encode(letters)
	case len(letters) == 0:
		fmt.Fprintln(e.out, "There is no dead letter.")
		return nil
	}
	show.DeadLetters(e.out, letters, time.Now())
	return nil
}

type deadReplayCmd struct {
	natsFlags
	kindFlag
	Seq uint64 `arg:"" optional:"" help:"The dead letter's number, as dead list shows it."`
	All bool   `help:"All that are there now."`
	New bool   `name:"new-id" help:"As requests with new ids: an id whose job has ended is not worked on again."`
}

// replayed is what replay prints for each letter with -o json.
type replayed struct {
	Sequence uint64 `json:"sequence"` // of the dead letter, which is gone
	Subject  string `json:"subject"`
	Queued   uint64 `json:"queued"`       // its sequence in the queue
	ID       string `json:"id,omitempty"` // the request's new id
}

func (cmd *deadReplayCmd) Run(e *env) error {
	if cmd.All == (cmd.Seq > 0) {
		return badInput("which dead letter? Give one number, or --all; clustersmith dead list shows them")
	}
	if cmd.Seq > 0 && cmd.Kind != "any" {
		return badInput("--kind goes with --all; a number says all by itself")
	}
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if cmd.Seq > 0 {
		return cmd.one(e, c)
	}
	refused := false
	err = c.deadLetters(e.ctx, cmd.subject(), func(m *jetstream.RawStreamMsg) error {
		err := e.replay(c, m, cmd.New)
		var no *exitError
		if errors.As(err, &no) && no.status == BadInput { // this one cannot be; others may
			refused = true
			if !e.json {
				fmt.Fprintln(e.stderr, show.Clean(err.Error()))
				return nil
			}
			conclude(err, true, e.stderr)
			return nil
		}
		return err
	})
	if err == nil && refused {
		return jobFailed()
	}
	return err
}

func (cmd *deadReplayCmd) one(e *env, c *client) error {
	ctx, cancel := context.WithTimeout(e.ctx, opTimeout)
	defer cancel()
	stream, err := c.js.Stream(ctx, contracts.StreamDead)
	if err != nil {
		return c.explain(fmt.Errorf("stream %s: %w", contracts.StreamDead, err))
	}
	m, err := stream.GetMsg(ctx, cmd.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return badInput("there is no dead letter %d; clustersmith dead list shows what there is", cmd.Seq)
	}
	if err != nil {
		return c.explain(fmt.Errorf("dead letter %d: %w", cmd.Seq, err))
	}
	return e.replay(c, m, cmd.New)
}

type deadDeleteCmd struct {
	natsFlags
	Seq []uint64 `arg:"" help:"The dead letters' numbers, as dead list shows them."`
}

// deleted is what delete prints for each letter with -o json.
type deleted struct {
	Sequence uint64 `json:"sequence"` // of the dead letter, which is gone
}

func (cmd *deadDeleteCmd) Run(e *env) error {
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(e.ctx, opTimeout)
	defer cancel()
	stream, err := c.js.Stream(ctx, contracts.StreamDead)
	if err != nil {
		return c.explain(fmt.Errorf("stream %s: %w", contracts.StreamDead, err))
	}
	for _, seq := range cmd.Seq {
		// The letter is read first: what the server says of one that is absent depends on its age.
		_, err := stream.GetMsg(ctx, seq)
		if err == nil {
			err = stream.DeleteMsg(ctx, seq)
		}
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful):
			return badInput("there is no dead letter %d; clustersmith dead list shows what there is", seq)
		case err != nil:
			return c.explain(fmt.Errorf("delete dead letter %d: %w", seq, err))
		}
		if e.json {
			err = e.encodeLine(deleted{seq})
		} else {
			_, err = fmt.Fprintf(e.out, "Dead letter %d is deleted.\n", seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deadLetters calls do with each letter that is there now, oldest first. Letters that arrive
// meanwhile are left out: one that is replayed may come straight back.
func (c *client) deadLetters(ctx context.Context, subject string, do func(*jetstream.RawStreamMsg) error) error {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	stream, err := c.js.Stream(opCtx, contracts.StreamDead)
	if err != nil {
		return c.explain(fmt.Errorf("stream %s: %w", contracts.StreamDead, err))
	}
	last := stream.CachedInfo().State.LastSeq
	for seq := max(stream.CachedInfo().State.FirstSeq, 1); seq <= last; {
		m, err := next(ctx, stream, seq, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && m.Sequence > last:
			return nil
		case err != nil:
			return c.explain(fmt.Errorf("stream %s: %w", contracts.StreamDead, err))
		}
		if err := do(m); err != nil {
			return err
		}
		seq = m.Sequence + 1
	}
	return nil
}

func next(ctx context.Context, stream jetstream.Stream, seq uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
}

// replay publishes the original of a dead letter where it came from; once the queue has it, the
// letter is deleted. Trying again is safe: the message ID is the letter's own, and so is a new id
// of the request.
func (e *env) replay(c *client, m *jetstream.RawStreamMsg, renew bool) error {
	ctx, cancel := context.WithTimeout(e.ctx, opTimeout)
	defer cancel()
	subject := m.Header.Get(worker.HeaderSubject)
	if !strings.HasPrefix(subject, contracts.JobSubject("")) {
		return badInput("dead letter %d does not say which request it was (%s: %q); it stays where it is", m.Sequence, worker.HeaderSubject, subject)
	}
	letter, id := fmt.Sprintf("replay.%d.%d", m.Sequence, m.Time.UnixNano()), ""
	if renew {
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte(letter)).String()
		var err error
		if m.Data, err = withID(m.Data, id); err != nil {
			return badInput("dead letter %d cannot be given a new id: %v", m.Sequence, err)
		}
	} else if err := c.replayable(ctx, m); err != nil {
		return err
	}
	msg := &nats.Msg{Subject: subject, Header: original(m.Header), Data: m.Data}
	ack, err := c.js.PublishMsg(ctx, msg,
		jetstream.WithMsgID(letter),
		jetstream.WithExpectStream(contracts.StreamJobs), jetstream.WithRetryAttempts(3))
	if err != nil {
		return c.explain(fmt.Errorf("publish dead letter %d on %s: %w", m.Sequence, subject, err))
	}
	stream, err := c.js.Stream(ctx, contracts.StreamDead)
	if err == nil {
		err = stream.DeleteMsg(ctx, m.Sequence)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return c.explain(fmt.Errorf("dead letter %d is in the queue again, but could not be deleted: %w", m.Sequence, err))
	}
	if e.json {
		return e.encodeLine(replayed{m.Sequence, subject, ack.Sequence, id})
	}
	as := ""
	if id != "" {
		as = ", with the id " + id
	}
	_, err = fmt.Fprintf(e.out, "Dead letter %d is in the queue again, on %s, as number %d%s.\n", m.Sequence, show.Clean(subject), ack.Sequence, as)
	return err
}

// withID is a request with another id; everything else in it stays as it is.
func withID(request []byte, id string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(request, &fields); err != nil {
		return nil, err
	}
	if fields == nil { // null
		return nil, errors.New("it is no JSON object")
	}
	fields["id"], _ = json.Marshal(id) // a string always can be
	return json.Marshal(fields)
}

// replayable refuses the request of a job that has ended: workers answer an ID once.
func (c *client) replayable(ctx context.Context, m *jetstream.RawStreamMsg) error {
	if m.Header.Get(worker.HeaderSubject) == contracts.SubjectCancel {
		return nil
	}
	id, _ := contracts.Sniff(m.Data)
	if id == "" {
		return nil
	}
	jobs, err := readAll[contracts.JobRecord](ctx, c, contracts.BucketJobs, id)
	if err != nil {
		return err
	}
	if len(jobs) > 0 && jobs[0].Terminal != nil {
		return badInput("dead letter %d: the job %s has ended as %s, and an id is used once; replay it with --new-id",
			m.Sequence, id, jobs[0].Phase)
	}
	return nil
}

// original is the headers that the message had, without those that mean something to the server:
// an expected sequence, a TTL or a message ID of then would be wrong now.
func original(h nats.Header) nats.Header {
	was := nats.Header{}
	for name, values := range h {
		name, ok := strings.CutPrefix(name, worker.OriginalPrefix)
		if ok && !strings.HasPrefix(strings.ToLower(name), "nats-") {
			was[name] = values
		}
	}
	return was
}
