package integration

import (
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// natsFaults are about the queue, the records and the events.
var natsFaults = []fault{
	{
		name: "NATS is killed and restarted", phases: append([]contracts.Phase{contracts.PhaseDestroying}, every...), outside: true,
		hit: func(w *world) { w.killNATS(0) },
	},
	{
		name: "NATS is dead for 5 s", phases: []contracts.Phase{contracts.PhaseForming, contracts.PhaseDestroying}, outside: true,
		hit: func(w *world) { w.killNATS(5 * time.Second) },
	},
	{
		name: "NATS is out of reach for 20 s", phases: []contracts.Phase{contracts.PhaseAccepted, contracts.PhaseLaunching, contracts.PhaseForming},
		prepare: func(w *world) {
			w.between = newRelay(w.t, strings.TrimPrefix(w.natsURL, "nats://"))
			w.natsURL = "nats://" + w.between.address() // of the workers; the test itself stays connected
		},
		hit: func(w *world) {
			w.between.hold(true)
			w.later(20*time.Second, func() error { w.between.hold(false); return nil })
		},
	},
}
