package jobs

import (
	"math"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// Waiter is a job that wants resources of a role.
type Waiter struct {
	Job    string
	MsgSeq uint64
	// Waited is how long the job has waited for resources, Left the time until its deadline.
	Waited, Left time.Duration
	// Now is the NATS server's clock.
	Now time.Time
}

// Standing is what a role's line lets a job do.
type Standing int

// The standings.
const (
	// Free: nobody is first, or came after this job; it may try for resources.
	Free Standing = iota
	// First: the line is held back for this job.
	First
	// Behind: the line is held back for a job that came before this one.
	Behind
)

// StandInLine says how a job stands to a role's turn, nil for none, and if it is behind, for how
// long that can last.
func StandInLine(turn *contracts.TurnRecord, w Waiter) (Standing, time.Duration) {
	if turn == nil {
		return Free, 0
	}
	left := time.Duration(turn.For) - age(turn, w.Now)
	switch {
	case left <= 0:
		return Free, 0
	case turn.Job == w.Job:
		return First, 0
	case w.MsgSeq <= turn.MsgSeq:
		return Free, 0
	}
	return Behind, left
}

// TakeTurn is the turn that a job gets which could not be placed just now, if it gets one.
//
// A job that has waited for patience is first for as long as it has waited, at most until its
// deadline. What can never fit therefore blocks nobody for ever: after a turn, everybody is free
// for as long as the turn was, and the one that had it must then let others go first for as long
// again. What needs time to become free is waited for longer with each turn.
func TakeTurn(turn *contracts.TurnRecord, w Waiter, patience time.Duration) (contracts.TurnRecord, bool) {
	if patience <= 0 || w.Waited < patience || w.Left <= 0 {
		return contracts.TurnRecord{}, false
	}
	if turn != nil {
		rest := 2 * time.Duration(turn.For)
		if turn.Job == w.Job {
			rest += time.Duration(turn.For)
		}
		if age(turn, w.Now) < rest {
			return contracts.TurnRecord{}, false
		}
	}
	return contracts.TurnRecord{Job: w.Job, MsgSeq: w.MsgSeq, Since: w.Now, For: contracts.Duration(min(w.Waited, w.Left))}, true
}

// age of a turn. One that begins in the future is as old as can be, unless the difference is
// small: a server whose clock went back must not make a turn of hours.
func age(turn *contracts.TurnRecord, now time.Time) time.Duration {
	d := now.Sub(turn.Since)
	if d < -time.Duration(turn.For) {
		return math.MaxInt64
	}
	return max(d, 0)
}
