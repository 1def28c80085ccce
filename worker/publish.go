package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publish puts an event into the event stream. It tries until the stream has it or ctx is
// over; the message ID makes the stream drop what it has already.
func (s *store) publish(ctx context.Context, ev contracts.Event) error {
	body, err := s.encode(ev)
	if err != nil {
		return err
	}
	subject := contracts.EventSubject(ev.Data.Cluster, ev.Data.Job, ev.EventType())
	return s.put(ctx, contracts.StreamEvents, subject, ev.ID, body)
}

// publishTerminal puts a terminal event where it belongs: into the results, where the server
// accepts one per job, and into the events. Both may be done again at any time later: the
// subject itself tells whether the event is there.
func (s *store) publishTerminal(ctx context.Context, ev contracts.Event) error {
	body, err := s.encode(ev)
	if err != nil {
		return err
	}
	result := contracts.ResultSubject(ev.Data.Job)
	if err := s.put(ctx, contracts.StreamResults, result, ev.ID, body, jetstream.WithExpectLastSequencePerSubject(0)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ResultStored)
	subject := contracts.EventSubject(ev.Data.Cluster, ev.Data.Job, ev.EventType())
	if err := s.put(ctx, contracts.StreamEvents, subject, ev.ID, body, jetstream.WithExpectLastSequencePerSubject(0)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.EventStored)
	return nil
}

// encode writes an event as JSON. A plan that would make it larger than the server takes is
// left out; the cluster's record has it.
func (s *store) encode(ev contracts.Event) ([]byte, error) {
	body, err := json.Marshal(ev)
	if err == nil && ev.Data.Plan != nil && int64(len(body)) > s.nc.MaxPayload()-4096 {
		ev.Data.Plan = nil
		ev.Data.Message = "The plan is too large for a message; it is in the bucket " + contracts.BucketClusters + "."
		body, err = json.Marshal(ev)
	}
	if err != nil {
		return nil, fmt.Errorf("worker: encode event %s: %w", ev.ID, err)
	}
	return body, nil
}

func (s *store) put(ctx context.Context, stream, subject, id string, body []byte, opts ...jetstream.PublishOpt) error {
	msg := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{"Content-Type": {contracts.ContentType}}}
	opts = append(opts, jetstream.WithMsgID(id), jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	for n := 0; ; n++ {
		err := s.putOnce(ctx, msg, opts)
		if err == nil || taken(err) {
			return nil
		}
		s.log.Warn("event not published, trying again", "subject", subject, "id", id, "error", err)
		if err := sleep(ctx, pause(n, 50*time.Millisecond, 2*time.Second)); err != nil {
			return fmt.Errorf("worker: publish %s: %w", subject, err)
		}
	}
}

func (s *store) putOnce(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	_, err := s.js.PublishMsg(ctx, msg, opts...)
	return err
}

// taken says that the server refused a message because its subject has one.
func taken(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// oneLine makes text fit for a message header.
func oneLine(text string) string {
	clean := []rune(text)
	for i, r := range clean {
		if r < ' ' || r == 0x7f {
			clean[i] = ' '
		}
	}
	if len(clean) > 1000 {
		clean = clean[:1000]
	}
	return string(clean)
}
