package cli

import (
	"context"
	"errors"
	"time"

	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/worker"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// mesosClient is a client with the credentials that a worker would use.
func mesosClient(cfg worker.Config) (*mesos.Client, error) {
	client, err := worker.MesosClient(cfg, nil, nil)
	if err != nil {
		return nil, badInput("%w", err)
	}
	return client, nil
}

// quiet is how long no offer must have come before the offers are taken to be all.
const quiet = 200 * time.Millisecond

// lookAtOffers subscribes as a framework of its own, declines every offer that it gets at
// once, and goes away.
func lookAtOffers(ctx context.Context, c *mesos.Client, f mesos.Framework, patience time.Duration) (offers []v1.Offer, err error) {
	ping, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := c.Ping(ping); err != nil {
		return nil, err
	}
	ctx, cancel = context.WithTimeout(ctx, patience+opTimeout)
	defer cancel()
	session, err := c.Subscribe(ctx, f)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	defer func() {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
		defer cancel()
		err = errors.Join(err, session.Teardown(leave))
	}()
	for enough := time.NewTimer(patience); ; {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-enough.C:
			return offers, nil
		case ev, ok := <-session.Events():
			if !ok {
				return nil, session.Err()
			}
			got, ok := ev.(mesos.Offers)
			if !ok {
				continue
			}
			ids := make([]v1.OfferID, len(got.Offers))
			for i, o := range got.Offers {
				ids[i] = o.ID
			}
			if err := session.Decline(ctx, time.Minute, ids...); err != nil {
				return nil, err
			}
			offers = append(offers, got.Offers...)
			enough.Reset(quiet)
		}
	}
}
