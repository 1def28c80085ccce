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

// maxTurn bounds a turn, in units of patience.
const maxTurn = 4

// TakeTurn is the turn that a job gets which could not be placed just now, if it gets one.
//
// A job that has waited for patience is first for as long as it has waited, at most for maxTurn
// times patience or until its deadline. Among those, the one whose message came first is first:
// it takes a turn over from one that came later. What can never fit blocks nobody for ever:
// after a turn, everybody is free for as long as the turn was, and the job that had it in vain
// cannot have the next one too, as long as another one asks for it.
func TakeTurn(turn *contracts.TurnRecord, w Waiter, patience time.Duration) (contracts.TurnRecord, bool) {
	if patience <= 0 || w.Waited < patience || w.Left <= 0 {
		return contracts.TurnRecord{}, false
	}
	next := contracts.TurnRecord{
		Job: w.Job, MsgSeq: w.MsgSeq, Since: w.Now, For: contracts.Duration(min(w.Waited, w.Left, maxTurn*patience)),
	}
	if turn == nil || turn.For == 0 {
		return next, true
	}
	length, old := time.Duration(turn.For), age(turn, w.Now)
	switch {
	case old < length: // it is on
		next.Last = turn.Last
		return next, w.MsgSeq < turn.MsgSeq && w.Job != turn.Last
	case turn.Job == w.Job:
		return next, old >= 3*length
	}
	next.Last = turn.Job
	return next, old >= 2*length
}

// EndTurn is what is left of the turn of a job that was placed in it.
func EndTurn(turn contracts.TurnRecord) contracts.TurnRecord {
	turn.For, turn.Last = 0, ""
	return turn
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
