package contracts

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// NewEvent makes the event of a worker: what CloudEvents wants around data. Data must name its
// job and have its Seq.
func NewEvent(worker string, t EventType, data EventData, now time.Time) Event {
	return Event{
		SpecVersion:     SpecVersion,
		ID:              EventID(data.Job, data.Seq),
		Source:          "/clustersmith/workers/" + worker,
		Type:            TypePrefix + string(t),
		Subject:         data.Job,
		Time:            now.UTC(),
		DataContentType: DataContentType,
		Data:            data,
	}
}

// EventID is the ID of a job's event, which is its Nats-Msg-Id too.
func EventID(job string, seq uint64) string { return fmt.Sprintf("%s.%d", job, seq) }

// EventType is the type of the event, without TypePrefix.
func (e Event) EventType() EventType { return EventType(strings.TrimPrefix(e.Type, TypePrefix)) }

// NATSSubject is the subject that the event is published on.
func (e Event) NATSSubject() string {
	return EventSubject(e.Data.Cluster, e.Data.Job, e.EventType())
}

// ParseEvent decodes an event as a subscriber should: fields that it does not know are passed
// over, for v1 may gain some; an event of another version, or without a job, is refused. An
// event type or a phase that it does not know is kept, not refused.
func ParseEvent(data []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	switch {
	case e.SpecVersion != SpecVersion:
		return Event{}, fmt.Errorf("event: specversion is %.20q, not %q", e.SpecVersion, SpecVersion)
	case !strings.HasPrefix(e.Type, TypePrefix) || e.Type == TypePrefix:
		return Event{}, fmt.Errorf("event: type %.80q does not begin with %s", e.Type, TypePrefix)
	case e.Data.Job == "" || e.Data.Job != e.Subject:
		return Event{}, fmt.Errorf("event: data.job %.80q is not the subject %.80q", e.Data.Job, e.Subject)
	case e.Data.Seq == 0:
		return Event{}, fmt.Errorf("event: data.seq is missing")
	}
	return e, nil
}
