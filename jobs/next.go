package jobs

import "github.com/clustersmith/clustersmith/contracts"

// Step is what the owner of a create job does now.
type Step int

// The steps, each with what the record then holds.
const (
	// Place: take offers, plan, store the plan, launch. There may be a framework ID from
	// before; nothing was ever launched under it.
	Place Step = iota
	// Adopt: tasks may have been launched. Re-subscribe with the framework ID, reconcile, and
	// go on if every task of the plan is there.
	Adopt
	// CleanUp: tear the framework down and wait until nothing of it is left.
	CleanUp
	// End: the outcome is known and nothing is left; write the terminal event.
	End
	// Publish: the terminal event is in the record; publish it and acknowledge the message.
	Publish
)

func (s Step) String() string {
	return [...]string{"place", "adopt", "clean up", "end", "publish"}[s]
}

// Next says what the owner of a create job does now.
func Next(r contracts.JobRecord) Step {
	switch {
	case r.Terminal != nil:
		return Publish
	case r.Cleanup:
		return CleanUp
	case r.Pending != nil:
		return End
	case r.PlanKey != "":
		return Adopt
	default:
		return Place
	}
}
