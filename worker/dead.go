package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of a dead letter. Those of the original are kept beside them, each behind OriginalPrefix.
const (
	HeaderReason   = "Clustersmith-Reason"   // a contracts.Reason
	HeaderSubject  = "Clustersmith-Subject"  // what the original was published on
	HeaderSequence = "Clustersmith-Sequence" // the original's, in the queue
	HeaderError    = "Clustersmith-Error"    // a sentence
	OriginalPrefix = "Original-"
)

// bury keeps the original of a message that cannot be worked on, with the reason, in the
// dead-letter stream. It returns once the stream has it.
func (s *store) bury(ctx context.Context, m jetstream.Msg, kind string, seq uint64, received time.Time, reason contracts.Reason, why string) error {
	h := nats.Header{}
	for k, v := range m.Headers() {
		h[OriginalPrefix+k] = v
	}
	h.Set(HeaderReason, string(reason))
	h.Set(HeaderError, oneLine(why))
	h.Set(HeaderSubject, m.Subject())
	h.Set(HeaderSequence, fmt.Sprint(seq))
	msg := &nats.Msg{Subject: contracts.DeadSubject(kind), Data: m.Data(), Header: h}
	opts := []jetstream.PublishOpt{
		jetstream.WithMsgID(fmt.Sprintf("dead.%d.%d", seq, received.UnixNano())), jetstream.WithExpectStream(contracts.StreamDead), jetstream.WithRetryAttempts(0),
	}
	for n := 0; ; n++ {
		err := s.putOnce(ctx, msg, opts)
		if err == nil {
			return nil
		}
		s.log.Warn("dead letter not stored, trying again", "sequence", seq, "error", err)
		if err := sleep(ctx, pause(n, 50*time.Millisecond, 2*time.Second)); err != nil {
			return fmt.Errorf("worker: store dead letter of message %d: %w", seq, err)
		}
	}
}
