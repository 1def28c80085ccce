package worker

import (
	"slices"

	"github.com/clustersmith/clustersmith/mesos"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// offerSet is the offers that a session holds, in the order in which they came.
type offerSet struct{ list []v1.Offer }

// apply takes an event in; it says whether the offers changed.
func (o *offerSet) apply(ev mesos.Event) bool {
	switch ev := ev.(type) {
	case mesos.Offers:
		o.list = append(o.list, ev.Offers...)
		return len(ev.Offers) > 0
	case mesos.Rescind:
		before := len(o.list)
		o.list = slices.DeleteFunc(o.list, func(offer v1.Offer) bool { return offer.ID == ev.Offer })
		return len(o.list) != before
	case mesos.Reconnected: // the ones before are void
		changed := len(o.list) > 0
		o.list = nil
		return changed
	default:
		return false
	}
}

// lossOf says why an event took offers away.
func lossOf(ev mesos.Event) string {
	if _, rescinded := ev.(mesos.Rescind); rescinded {
		return "rescinded"
	}
	return "reconnect"
}
