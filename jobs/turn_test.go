package jobs

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

func TestStandInLine(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	turn := &contracts.TurnRecord{Job: "a", MsgSeq: 10, Since: t0, For: contracts.Duration(time.Minute)}
	for name, c := range map[string]struct {
		turn *contracts.TurnRecord
		job  string
		seq  uint64
		at   time.Duration
		want Standing
		left time.Duration
	}{
		"no turn":                      {nil, "b", 11, 0, Free, 0},
		"its own turn":                 {turn, "a", 10, 30 * time.Second, First, 0},
		"later than the first":         {turn, "b", 11, 45 * time.Second, Behind, 15 * time.Second},
		"earlier than the first":       {turn, "b", 9, 45 * time.Second, Free, 0},
		"the turn is over":             {turn, "b", 11, time.Minute, Free, 0},
		"its own turn is over":         {turn, "a", 10, time.Minute, Free, 0},
		"a clock a little behind":      {turn, "b", 11, -time.Second, Behind, time.Minute},
		"a clock that went far back":   {turn, "b", 11, -time.Hour, Free, 0},
		"published again as a message": {turn, "a", 12, 0, First, 0},
	} {
		got, left := StandInLine(c.turn, Waiter{Job: c.job, MsgSeq: c.seq, Now: t0.Add(c.at)})
		if got != c.want || left != c.left {
			t.Errorf("%s: %d for %v, not %d for %v", name, got, left, c.want, c.left)
		}
	}
}

func TestTakeTurn(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const s = time.Second
	old := &contracts.TurnRecord{Job: "a", MsgSeq: 20, Since: t0, For: contracts.Duration(30 * s)}
	first := &contracts.TurnRecord{Job: "a", MsgSeq: 10, Since: t0, For: contracts.Duration(30 * s)}
	after := &contracts.TurnRecord{Job: "a", MsgSeq: 20, Since: t0, For: contracts.Duration(30 * s), Last: "b"}
	served := &contracts.TurnRecord{Job: "a", MsgSeq: 20, Since: t0}
	for name, c := range map[string]struct {
		turn             *contracts.TurnRecord
		job              string
		waited, left, at time.Duration
		patience, want   time.Duration
	}{
		"not long enough":                        {nil, "b", 29 * s, 90 * s, 0, 30 * s, 0},
		"for as long as it has waited":           {nil, "b", 40 * s, 90 * s, 0, 30 * s, 40 * s},
		"until its deadline":                     {nil, "b", 40 * s, 5 * s, 0, 30 * s, 5 * s},
		"past its deadline":                      {nil, "b", 40 * s, 0, 0, 30 * s, 0},
		"no patience is off":                     {nil, "b", 40 * s, 90 * s, 0, -1, 0},
		"for some time at most":                  {nil, "b", 900 * s, 900 * s, 0, 30 * s, 120 * s},
		"the turn of an earlier one":             {first, "b", 40 * s, 90 * s, 10 * s, 30 * s, 0},
		"the turn of a later one":                {old, "b", 40 * s, 90 * s, 10 * s, 30 * s, 40 * s},
		"which it had before, in vain":           {after, "b", 40 * s, 90 * s, 10 * s, 30 * s, 0},
		"the last one was placed":                {served, "b", 40 * s, 90 * s, 10 * s, 30 * s, 40 * s},
		"all are free after a turn":              {old, "b", 40 * s, 90 * s, 59 * s, 30 * s, 0},
		"after that":                             {old, "b", 40 * s, 90 * s, 60 * s, 30 * s, 40 * s},
		"the same one lets others first":         {old, "a", 40 * s, 90 * s, 89 * s, 30 * s, 0},
		"the same one again":                     {old, "a", 40 * s, 90 * s, 90 * s, 30 * s, 40 * s},
		"a turn of the future is none of theirs": {old, "b", 40 * s, 90 * s, -time.Hour, 30 * s, 40 * s},
	} {
		now := t0.Add(c.at)
		got, ok := TakeTurn(c.turn, Waiter{Job: c.job, MsgSeq: 12, Waited: c.waited, Left: c.left, Now: now}, c.patience)
		if ok != (c.want > 0) || ok && (time.Duration(got.For) != c.want || got.Job != c.job || got.MsgSeq != 12 || !got.Since.Equal(now)) {
			t.Errorf("%s: %v %+v, not for %v", name, ok, got, c.want)
		}
	}
}

// simJob is a job in the simulated queue.
type simJob struct {
	Waiter
	size, next, since int // next: the second of its next try; since: of its arrival
	life, ends        int
	placedAt          int
}

// simulate runs a role of so much capacity for some seconds: small jobs keep coming, more than
// fit; the jobs of large are there from the beginning. It returns the longest stretch of seconds in which no small
// job was placed.
func simulate(r *rand.Rand, capacity int, large []*simJob, patience time.Duration, seconds int) (blocked int) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var turn *contracts.TurnRecord
	var waiting, running []*simJob
	for _, j := range large { // when it is full
		j.next, j.since = 60, 60
		waiting = append(waiting, j)
	}
	used, seq, lastSmall := 0, uint64(100), 0
	for now := 1; now <= seconds; now++ {
		keep := running[:0]
		for _, j := range running {
			if j.ends <= now {
				used -= j.size
			} else {
				keep = append(keep, j)
			}
		}
		running = keep
		for range 2 + r.IntN(2) {
			seq++
			waiting = append(waiting, &simJob{Waiter: Waiter{Job: fmt.Sprint(seq), MsgSeq: seq}, size: 1 + r.IntN(2), life: 5 + r.IntN(15), next: now, since: now})
		}
		r.Shuffle(len(waiting), func(i, k int) { waiting[i], waiting[k] = waiting[k], waiting[i] })
		var left []*simJob
		for _, j := range waiting {
			j.Now, j.Waited, j.Left = t0.Add(time.Duration(now)*time.Second), time.Duration(now-j.since)*time.Second, time.Hour
			if small := j.size <= 2; small && j.Waited > 20*time.Second {
				continue // its deadline
			}
			if j.next > now {
				left = append(left, j)
				continue
			}
			standing := Free
			if patience > 0 {
				standing, _ = StandInLine(turn, j.Waiter)
			}
			switch {
			case standing != Behind && used+j.size <= capacity:
				used += j.size
				j.placedAt, j.ends = now, now+j.life
				running = append(running, j)
				if standing == First {
					done := EndTurn(*turn)
					turn = &done
				}
				if j.size <= 2 {
					blocked, lastSmall = max(blocked, now-lastSmall), now
				}
				continue
			case standing == First:
				j.next = now + 1
			default:
				j.next = now + 1 + r.IntN(10)
				if next, ok := TakeTurn(turn, j.Waiter, patience); ok && standing == Free {
					turn, j.next = &next, now+1
				}
			}
			left = append(left, j)
		}
		waiting = left
	}
	return max(blocked, seconds-lastSmall)
}

// With patience a large job is placed in bounded time, whatever the small ones are; without, it
// hardly ever is. One that fits nowhere blocks the others for no longer than its turn.
func TestLineIsFair(t *testing.T) {
	t.Parallel()
	const seconds, capacity = 1800, 20
	worst, starved, blockedMost := 0, 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		two := func() []*simJob {
			return []*simJob{
				{Waiter: Waiter{Job: "large", MsgSeq: 1}, size: 14 + r.IntN(7), life: 10},
				{Waiter: Waiter{Job: "also large", MsgSeq: 2}, size: 14 + r.IntN(7), life: 10},
				{Waiter: Waiter{Job: "fits nowhere", MsgSeq: 3}, size: capacity + 1},
			}
		}
		jobs := two()
		blocked := simulate(r, capacity, jobs, 30*time.Second, seconds)
		blockedMost = max(blockedMost, blocked)
		for _, j := range jobs[:2] {
			if j.placedAt == 0 {
				t.Errorf("seed %d: %s (%d of %d) starved for %d s", seed, j.Job, j.size, capacity, seconds)
			}
			worst = max(worst, j.placedAt-j.since)
		}
		if jobs[2].placedAt != 0 {
			t.Fatalf("seed %d: the simulation placed what fits nowhere", seed)
		}
		jobs = two()
		simulate(r, capacity, jobs, -1, seconds)
		if jobs[0].placedAt == 0 && jobs[1].placedAt == 0 {
			starved++
		}
	}
	t.Logf("large jobs were placed within %d s; small ones were held back for %d s at most; without patience %d of 60 times both starved", worst, blockedMost, starved)
	if starved < 50 {
		t.Errorf("without patience both large jobs starved in %d of 60 runs only: the simulation is too easy", starved)
	}
	// Two turns at most follow each other without a pause: a later job's, which an earlier one takes over.
	if blockedMost > 2*maxTurn*30 {
		t.Errorf("small jobs were held back for %d s on end", blockedMost)
	}
}
