package mesos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// defaultHeartbeat is the interval of a master that does not tell its own.
const defaultHeartbeat = 15 * time.Second

// errStreamEnd is the end of a stream between two records.
var errStreamEnd = errors.New("the master ended the stream")

// subscription is one event stream. After its first error it is dead for ever: next keeps
// giving that error. next is called by one goroutine; kill by any.
type subscription struct {
	base     *url.URL // the master that serves it
	streamID string
	// frameworkID and master are what SUBSCRIBED said.
	frameworkID string
	master      *v1.MasterInfo
	// failoverTimeout is what SUBSCRIBE asked for.
	failoverTimeout time.Duration

	codec   Codec
	records *recordReader
	ctx     context.Context // of the request; its cause is why the subscription was killed
	kill    context.CancelCauseFunc
	body    io.Closer
	err     error // owned by the goroutine that calls next
}

// subscribe makes one attempt at base: it sends call, a SUBSCRIBE, and reads up to
// SUBSCRIBED. ctx bounds the attempt, not the subscription.
func (c *Client) subscribe(ctx context.Context, base *url.URL, call *scheduler.Call) (_ *subscription, err error) {
	body, err := c.config.Codec.encode(call)
	if err != nil {
		return nil, fmt.Errorf("mesos: encode SUBSCRIBE: %w", err)
	}
	life, kill := context.WithCancelCause(context.Background())
	late := time.AfterFunc(c.config.SubscribeTimeout, func() {
		kill(fmt.Errorf("no SUBSCRIBED within %s", c.config.SubscribeTimeout))
	})
	given := context.AfterFunc(ctx, func() { kill(context.Cause(ctx)) })
	defer func() {
		inTime := late.Stop()
		undisturbed := given()
		if err == nil && !(inTime && undisturbed) {
			err = context.Cause(life)
		}
		if err != nil {
			if cause := context.Cause(life); cause != nil && !errors.Is(err, cause) {
				err = fmt.Errorf("%w: %w", cause, err)
			}
			kill(err)
		}
	}()
	mediaType := c.config.Codec.mediaType()
	response, at, err := c.send(life, base, http.MethodPost, body, http.Header{
		"Content-Type": {mediaType}, "Accept": {mediaType},
	})
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response, at)
	}
	// Until SUBSCRIBED the timer above watches; the watchdog then learns the interval.
	dog := newWatchdog(response.Body, math.MaxInt64, func() {})
	s := &subscription{
		base: at, streamID: response.Header.Get(streamIDHeader), codec: c.config.Codec,
		records: newRecordReader(dog, c.config.MaxRecord), ctx: life, kill: kill, body: response.Body,
	}
	defer func() {
		if err != nil {
			_ = s.body.Close()
		}
	}()
	return s, s.open(dog, c.config.MissedHeartbeats)
}

// open reads up to SUBSCRIBED and sets the watchdog.
func (s *subscription) open(dog *watchdog, missed int) error {
	if s.streamID == "" {
		return fmt.Errorf("mesos: %s answered SUBSCRIBE without %s", s.base, streamIDHeader)
	}
	for {
		event, err := s.next()
		if err != nil {
			return fmt.Errorf("mesos: %s: before SUBSCRIBED: %w", s.base, err)
		}
		switch event.Type {
		case scheduler.Event_ERROR:
			return fatalEvent(event.GetError().GetMessage())
		case scheduler.Event_SUBSCRIBED:
			told := event.GetSubscribed()
			s.frameworkID, s.master = told.GetFrameworkID().GetValue(), told.GetMasterInfo()
			if s.frameworkID == "" {
				return fmt.Errorf("mesos: %s: SUBSCRIBED without a framework ID", s.base)
			}
			limit := heartbeat(told.GetHeartbeatIntervalSeconds()) * time.Duration(missed)
			dog.dead = func() { s.kill(fmt.Errorf("silent for %s (%d heartbeats missed)", limit, missed)) }
			dog.limit.Store(int64(limit))
			return nil
		}
	}
}

// heartbeat is the interval as a duration, or the default where it makes no sense.
func heartbeat(seconds float64) time.Duration {
	if !(seconds > 0) || seconds > float64(math.MaxInt64/int64(time.Hour)) {
		return defaultHeartbeat
	}
	return time.Duration(seconds * float64(time.Second))
}

// next gives the next event, of whatever type.
func (s *subscription) next() (*scheduler.Event, error) {
	if s.err != nil {
		return nil, s.err
	}
	record, err := s.records.next()
	if err == nil {
		var event *scheduler.Event
		if event, err = s.codec.decode(record); err == nil {
			return event, nil
		}
	}
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause // why it was killed says more than the broken read
	} else if errors.Is(err, io.EOF) {
		err = errStreamEnd
	}
	s.err = err
	s.kill(err)
	s.close()
	return nil, err
}

// close ends the stream for the master too.
func (s *subscription) close() {
	s.kill(ErrClosed)
	_ = s.body.Close() // nothing is left to be read
}
