package mesos

import (
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Event is one of the types below: what a Session tells its consumer. Heartbeats, SUBSCRIBED
// and ERROR are the Session's own business.
type Event interface{ event() }

// Offers are new offers. They are void after the next Reconnected.
type Offers struct{ Offers []v1.Offer }

// Rescind takes one offer back.
type Rescind struct{ Offer v1.OfferID }

// InverseOffers ask for resources back, for maintenance.
type InverseOffers struct{ Offers []v1.InverseOffer }

// RescindInverse takes one inverse offer back.
type RescindInverse struct{ Offer v1.OfferID }

// Status is a task's status update. It must be acknowledged (Session.Acknowledge), or the
// agent repeats it and holds the task's next one back.
type Status struct{ v1.TaskStatus }

// Message is what an executor sent.
type Message struct {
	Agent, Executor string
	Data            []byte
}

// Failure says that an executor ended, or, where Executor is empty, that an agent is gone.
type Failure struct {
	Agent, Executor string
	// WaitStatus is the executor's wait status; nil when not known.
	WaitStatus *int32
}

// Reconnected says that the Session is subscribed again: what was known before is doubtful.
type Reconnected struct {
	// Generation counts the subscriptions of a Session: 1 is the one that Subscribe made.
	Generation uint64
	// Master is the base URL of the master that serves it.
	Master string
	// Cause is why the former subscription ended.
	Cause error
}

func (Offers) event()         {}
func (Rescind) event()        {}
func (InverseOffers) event()  {}
func (RescindInverse) event() {}
func (Status) event()         {}
func (Message) event()        {}
func (Failure) event()        {}
func (Reconnected) event()    {}

// eventOf gives the consumer's view of e, or nil where it is not for the consumer.
func eventOf(e *scheduler.Event) Event {
	switch e.Type {
	case scheduler.Event_OFFERS:
		return Offers{e.GetOffers().GetOffers()}
	case scheduler.Event_RESCIND:
		return Rescind{e.GetRescind().GetOfferID()}
	case scheduler.Event_INVERSE_OFFERS:
		return InverseOffers{e.GetInverseOffers().GetInverseOffers()}
	case scheduler.Event_RESCIND_INVERSE_OFFER:
		return RescindInverse{e.GetRescindInverseOffer().GetInverseOfferID()}
	case scheduler.Event_UPDATE:
		return Status{e.GetUpdate().GetStatus()}
	case scheduler.Event_MESSAGE:
		m := e.GetMessage()
		return Message{Agent: m.GetAgentID().Value, Executor: m.GetExecutorID().Value, Data: m.GetData()}
	case scheduler.Event_FAILURE:
		f := e.GetFailure()
		return Failure{Agent: f.GetAgentID().GetValue(), Executor: f.GetExecutorID().GetValue(), WaitStatus: f.Status}
	}
	return nil
}
