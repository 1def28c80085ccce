package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
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

// inverseTimeout bounds one answer to inverse offers. Nothing depends on it: Mesos asks again.
const inverseTimeout = 2 * time.Second

// inverse answers inverse offers while a job looks for resources. It runs nothing yet, so it
// agrees to whatever maintenance is planned; that the agent is not used is the planner's side
// of it. (A job that has launched declines: see mesos.DeploymentOptions.)
type inverse struct {
	ctx     context.Context
	cancel  context.CancelFunc
	answers sync.WaitGroup
}

func newInverse(ctx context.Context) *inverse {
	ctx, cancel := context.WithCancel(ctx)
	return &inverse{ctx: ctx, cancel: cancel}
}

// apply answers if ev is for it, beside the caller, who must go on reading events.
func (i *inverse) apply(r *run, session *mesos.Session, ev mesos.Event) {
	asked, ok := ev.(mesos.InverseOffers)
	if !ok {
		return
	}
	ids := make([]v1.OfferID, 0, len(asked.Offers))
	for _, o := range asked.Offers {
		ids = append(ids, o.OfferID)
	}
	i.answers.Go(func() {
		ctx, cancel := context.WithTimeout(i.ctx, inverseTimeout)
		defer cancel()
		if err := session.AcceptInverse(ctx, ids...); err != nil {
			r.log.Warn("inverse offers not answered", "error", err)
		}
	})
}

// close gives up what is under way.
func (i *inverse) close() {
	i.cancel()
	i.answers.Wait()
}

// maxUnusable bounds the agents that a failure names as not usable.
const maxUnusable = 20

// withUnusable adds to a failure which agents were offered and could not be used, and why.
func withUnusable(f *jobs.Failure, agents []mesos.Unusable) *jobs.Failure {
	if len(agents) == 0 || f.Reason != contracts.ReasonInsufficientResources {
		return f
	}
	if f.Details == nil {
		f.Details = &contracts.Details{}
	}
	for _, a := range agents[:min(len(agents), maxUnusable)] {
		f.Details.Shortages = append(f.Details.Shortages, contracts.Shortage{
			Host: a.Host, Dimension: "usable", Need: 1, Message: a.Reason,
		})
	}
	f.Message += fmt.Sprintf(" Of the offered agents %d cannot be used, such as %s: %s.", len(agents), agents[0].Host, agents[0].Reason)
	return f
}
