package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// delivery is one message from the queue, decoded as far as it can be.
type delivery struct {
	msg      jetstream.Msg
	seq      uint64    // in the stream
	received time.Time // by the server's clock
	attempts uint64    // deliveries so far, this one included
	kind     contracts.JobKind
	job      string
	cluster  string
	create   contracts.CreateRequest
	destroy  contracts.DestroyRequest
	verify   contracts.VerifyRequest
	deadline time.Duration
}

// verdict is what becomes of a message.
type verdict struct {
	kind  verdictKind
	delay time.Duration // handBack
	why   string        // terminate
}

type verdictKind int

const (
	ack       verdictKind = iota // the job has ended and everybody was told
	handBack                     // deliver it again after delay
	terminate                    // it is in the dead-letter stream; never deliver it again
	leave                        // say nothing: it belongs to another delivery or worker
)

// handle works on one message from its delivery to its ack.
func (w *Worker) handle(ctx context.Context, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		w.log.Error("message without JetStream metadata left alone", "subject", msg.Subject(), "error", err)
		return
	}
	d := &delivery{msg: msg, seq: meta.Sequence.Stream, received: meta.Timestamp, attempts: meta.NumDelivered}
	if d.attempts > 1 {
		w.metrics.redelivered.Inc()
	}
	v, err := w.guarded(ctx, d)
	if err != nil {
		w.log.Warn("message is delivered again", "subject", msg.Subject(), "sequence", d.seq, "deliveries", d.attempts, "error", err)
		v = verdict{kind: handBack, delay: pause(int(min(d.attempts, 10)), 250*time.Millisecond, 15*time.Second)}
	}
	if err := w.settle(ctx, d, v); err != nil {
		w.log.Warn("message not settled; it is delivered again", "sequence", d.seq, "error", err)
	}
}

// guarded turns a panic into an error: the job's record then counts a crash, as it would if
// the whole worker had died of it.
func (w *Worker) guarded(ctx context.Context, d *delivery) (v verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic while working on a message", "sequence", d.seq, "panic", p, "stack", stack())
			err = fmt.Errorf("worker: panic: %v", p)
		}
	}()
	return w.dispatch(ctx, d)
}

func (w *Worker) settle(ctx context.Context, d *delivery, v verdict) error {
	switch v.kind {
	case ack:
		ctx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		if err := d.msg.DoubleAck(ctx); err != nil {
			return err
		}
		failpoint.Hit(failpoint.Acknowledged)
		return nil
	case handBack:
		return d.msg.NakWithDelay(v.delay)
	case terminate:
		return d.msg.TermWithReason(oneLine(v.why))
	default:
		return nil
	}
}

// maxBlind is how often a message may be delivered whose job's record nobody can read; a worker of
// another version may. What NATS cannot do now it can do later: that is not counted.
const maxBlind = 5

// dispatch decodes a message and does what it asks for.
func (w *Worker) dispatch(ctx context.Context, d *delivery) (verdict, error) {
	err := d.decode()
	if err != nil {
		return w.refuse(ctx, d, err)
	}
	if d.msg.Subject() == contracts.SubjectCancel {
		return w.dispatchCancel(ctx, d)
	}
	failpoint.Hit(failpoint.Received)
	h, created, err := w.store.create(ctx, jobs.New(d.kind, d.job, d.cluster, json.RawMessage(d.msg.Data()), d.seq, d.received), w.cfg.Name)
	if err != nil {
		if d.attempts > maxBlind && errors.Is(err, errUnreadable) {
			return w.deadLetter(ctx, d, contracts.ReasonInternal, fmt.Sprintf("delivered %d times, and nobody can read its record: %v", d.attempts, err))
		}
		return verdict{}, err
	}
	if created {
		return w.run(ctx, d, h)
	}
	return w.known(ctx, d, h)
}

// known handles a message about a job that has a record.
func (w *Worker) known(ctx context.Context, d *delivery, h *held) (verdict, error) {
	same := h.rec.Kind == d.kind && sameRequest(h.rec.Request, d.msg.Data())
	switch {
	case !same:
		why := fmt.Sprintf("the id %s was used before, for another request", d.job)
		return w.deadLetter(ctx, d, contracts.ReasonInvalidRequest, why)
	case h.rec.MsgSeq != d.seq && h.rec.Terminal != nil:
		return verdict{kind: ack}, nil // published twice; the first one's owner tells everybody
	case h.rec.MsgSeq != d.seq:
		alive, err := w.queued(ctx, h.rec.MsgSeq)
		if err != nil {
			return verdict{}, err
		}
		if alive {
			return verdict{kind: ack}, nil // published twice; the first message carries the job
		}
	case w.here(d.job):
		return verdict{kind: leave}, nil // delivered again while it is worked on, here
	}
	crashes := h.rec.Crashes
	err := w.store.save(ctx, h, func(r *contracts.JobRecord) error {
		jobs.Claim(r, w.cfg.Name)
		r.MsgSeq = d.seq
		return nil
	})
	if errors.Is(err, errFenced) {
		return verdict{kind: leave}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	w.metrics.crashes.Add(float64(h.rec.Crashes - crashes))
	return w.run(ctx, d, h)
}

// sameRequest compares two requests by what they say, not by how they are written.
func sameRequest(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	ca, errA := json.Marshal(x)
	cb, errB := json.Marshal(y)
	return errA == nil && errB == nil && bytes.Equal(ca, cb)
}

func (w *Worker) here(job string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[job] != nil
}

// queued says whether the queue still holds a message.
func (w *Worker) queued(ctx context.Context, seq uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	stream, err := w.js.Stream(ctx, contracts.StreamJobs)
	if err != nil {
		return false, fmt.Errorf("worker: %w", err)
	}
	_, err = stream.GetMsg(ctx, seq) // the stream allows no direct get, so its leader answers
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// decode reads the message's body according to its subject.
func (d *delivery) decode() error {
	body := d.msg.Data()
	var err error
	switch subject := d.msg.Subject(); subject {
	case contracts.SubjectCreate:
		d.kind = contracts.JobCreate
		if d.create, err = contracts.ParseCreate(body); err == nil {
			d.job, d.cluster, d.deadline = d.create.ID, d.create.Cluster, time.Duration(d.create.Deadline)
			err = jobs.CheckServers(d.create)
		}
	case contracts.SubjectDestroy:
		d.kind = contracts.JobDestroy
		if d.destroy, err = contracts.ParseDestroy(body); err == nil {
			d.job, d.cluster, d.deadline = d.destroy.ID, d.destroy.Cluster, time.Duration(d.destroy.Deadline)
		}
	case contracts.SubjectVerify:
		d.kind = contracts.JobVerify
		if d.verify, err = contracts.ParseVerify(body); err == nil {
			d.job, d.cluster, d.deadline = d.verify.ID, d.verify.Cluster, time.Duration(d.verify.Deadline)
		}
	case contracts.SubjectCancel:
		_, err = contracts.ParseCancel(body)
	default:
		err = fmt.Errorf("nothing listens on the subject %s; requests go to %s, %s, %s or %s", subject,
			contracts.SubjectCreate, contracts.SubjectDestroy, contracts.SubjectVerify, contracts.SubjectCancel)
	}
	return err
}

func (w *Worker) dispatchCancel(ctx context.Context, d *delivery) (verdict, error) {
	req, err := contracts.ParseCancel(d.msg.Data())
	if err != nil {
		return verdict{}, err
	}
	if err := w.store.requestCancel(ctx, req); err != nil {
		return verdict{}, err
	}
	failpoint.Hit(failpoint.CancelAsked)
	return verdict{kind: ack}, nil
}

// refuse answers a message that asks for nothing that can be done: a failed event where it
// names a cluster, a dead letter always.
func (w *Worker) refuse(ctx context.Context, d *delivery, cause error) (verdict, error) {
	id, cluster := contracts.Sniff(d.msg.Data())
	if cluster != "" && d.kind != "" {
		if id == "" {
			// A stable ID of its own, so that the event can be addressed and comes once.
			id = uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d/%d", contracts.StreamJobs, d.seq, d.received.UnixNano())).String()
		}
		if err := w.failInvalid(ctx, d, id, cluster, cause); err != nil && (d.attempts <= maxBlind || !errors.Is(err, errUnreadable)) {
			return verdict{}, err
		}
	}
	return w.deadLetter(ctx, d, contracts.ReasonInvalidRequest, cause.Error())
}

// maxKept bounds an invalid request that its record repeats: JSON may escape every byte to six,
// and a record must fit into a message.
const maxKept = 64 << 10

// failInvalid ends a job that never began. A job that exists under the ID is left alone: it
// has, or will have, its own terminal event.
func (w *Worker) failInvalid(ctx context.Context, d *delivery, id, cluster string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, refuseTimeout)
	defer cancel()
	request := json.RawMessage(d.msg.Data())
	if !json.Valid(request) || len(request) > maxKept {
		request = json.RawMessage(`null`) // the dead letter has it
	}
	h, created, err := w.store.create(ctx, jobs.New(d.kind, id, cluster, request, d.seq, d.received), w.cfg.Name)
	if err != nil {
		return err
	}
	if !created && h.rec.MsgSeq != d.seq {
		return nil
	}
	told := h.rec.Terminal != nil
	if !told {
		details := &contracts.Details{}
		var field *contracts.FieldError
		if errors.As(cause, &field) {
			details.Field = field.Field
		}
		err = w.store.save(ctx, h, func(r *contracts.JobRecord) error {
			return jobs.Finish(r, contracts.EventFailed, contracts.EventData{
				Reason: contracts.ReasonInvalidRequest, Message: cause.Error(), Details: details,
			}, 0)
		})
		if err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.Ended)
	if !told {
		w.metrics.finished(h.rec)
	}
	return w.store.publishTerminal(ctx, *h.rec.Terminal)
}

// refuseTimeout bounds the answer to a message that cannot be worked on, for which no signs of life
// are sent; the message is then handed back and tried again.
const refuseTimeout = 2 * opTimeout

// deadLetter keeps the message where people can look at it, and ends its delivery.
func (w *Worker) deadLetter(ctx context.Context, d *delivery, reason contracts.Reason, why string) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, refuseTimeout)
	defer cancel()
	kind := strings.TrimPrefix(d.msg.Subject(), contracts.JobSubject(""))
	switch d.msg.Subject() {
	case contracts.SubjectCreate, contracts.SubjectDestroy, contracts.SubjectVerify, contracts.SubjectCancel:
	default:
		kind = "unknown"
	}
	w.log.Warn("dead letter", "subject", d.msg.Subject(), "sequence", d.seq, "reason", reason, "why", why)
	if err := w.store.bury(ctx, d.msg, kind, d.seq, d.received, reason, why); err != nil {
		return verdict{}, err
	}
	failpoint.Hit(failpoint.Buried)
	w.metrics.dead.WithLabelValues(kind, string(reason)).Inc()
	return verdict{kind: terminate, why: why}, nil
}
