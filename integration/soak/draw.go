package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/clustersmith/clustersmith/internal/failpoint"
)

// deck deals each of n cards once, in random order, before it deals any again.
type deck struct {
	*rand.Rand
	n    int
	left []int
}

func (d *deck) deal() int {
	if len(d.left) == 0 {
		d.left = d.Perm(d.n)
	}
	card := d.left[0]
	d.left = d.left[1:]
	return card
}

// generator is the source of everything random in one part of a run.
func generator(seed uint64, part int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(part))) }

// between is a time from a up to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration { return a + rand1(r, b-a) }

func rand1(r *rand.Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(d)))
}

// size is masters and replicas for each.
type size struct{ masters, replicas int }

var sizes = []size{{3, 0}, {3, 1}, {3, 0}, {6, 1}, {3, 1}}

// script is what one lane does with one cluster; see lane.go for what each kind means.
type script struct {
	kind  string
	name  string
	size  size
	ids   [4]string     // of its requests, in the order in which they are made
	delay time.Duration // before a cancel or an early destroy
}

func (s script) String() string {
	return fmt.Sprintf("%-10s %s %dx%d after %v %v", s.kind, s.name, s.size.masters, s.size.replicas, s.delay, s.ids)
}

var scriptKinds = []string{"plain", "cancel", "duplicates", "same", "conflict", "early", "again", "keep"}

// scripts draws a lane's scripts.
type scripts struct {
	*rand.Rand
	lane        int
	kind, sizes deck
	n           int
}

func newScripts(seed uint64, lane int) *scripts {
	r := generator(seed, 1000+lane)
	return &scripts{Rand: r, lane: lane, kind: deck{Rand: r, n: len(scriptKinds)}, sizes: deck{Rand: r, n: len(sizes)}}
}

func (s *scripts) next() script {
	out := script{kind: scriptKinds[s.kind.deal()], size: sizes[s.sizes.deal()], delay: between(s.Rand, 0, 4*time.Second)}
	out.name = fmt.Sprintf("soak-%d-%d", s.lane, s.n%5) // a name comes back while what it was is still fresh
	s.n++
	for i := range out.ids {
		out.ids[i] = newID(s.Rand)
	}
	if out.kind == "keep" {
		out.size = size{3, 0}
	}
	return out
}

// strike is a fault that is dealt.
type strike struct {
	fault  int // in faults
	victim int // which worker, agent …; taken modulo how many there are
	length float64
	pause  time.Duration // before it
	points [workers]failpoint.Point
}

// strikes draws the faults.
type strikes struct {
	*rand.Rand
	deck   deck
	points deck // of failpoint.All
	pause  time.Duration
}

func newStrikes(seed uint64, pause time.Duration) *strikes {
	r := generator(seed, 1)
	return &strikes{Rand: r, deck: deck{Rand: r, n: len(faults)}, points: deck{Rand: r, n: len(failpoint.All)}, pause: pause}
}

func (s *strikes) next() strike {
	out := strike{fault: s.deck.deal(), victim: s.IntN(1 << 20), length: s.Float64(), pause: between(s.Rand, s.pause/10, s.pause)}
	if faults[out.fault].name == dying {
		for i := range out.points {
			out.points[i] = failpoint.All[s.points.deal()]
		}
	}
	return out
}

// poison is a body that no worker can work on.
func poison(r *rand.Rand) []byte {
	noise := make([]byte, 1+r.IntN(20_000))
	for i := range noise {
		noise[i] = byte(r.IntN(256))
	}
	noise[0] = 0xff // no text begins so
	whole := fmt.Sprintf(`{"id":%q,"cluster":"poisoned","masters":%%s}`, newID(r))
	return [][]byte{
		noise, {}, []byte(`{"id":`), []byte(`[]`), []byte(`{"cluster":"..."}`),
		fmt.Appendf(nil, whole, `"three"`), fmt.Appendf(nil, whole, `3,"replicas":-1`), fmt.Appendf(nil, whole, `3,"surprise":true`),
	}[r.IntN(8)]
}

func newID(r *rand.Rand) string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(r.IntN(256))
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}
