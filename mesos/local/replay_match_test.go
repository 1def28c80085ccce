package local_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// event waits for what was recorded: one item an offer, else one an event.
func (r *playback) event(s recorded) {
	r.t.Helper()
	p := r.player(s.Who)
	f := p.stream(s.Stream)
	if f == nil {
		r.t.Fatalf("%v %s: stream %d was not opened", s.T, s.Who, s.Stream)
	}
	for _, want := range itemsOf(s.Body, 0) {
		if want.kind == "HEARTBEAT" && s.T-p.subscribed(s) > 1 && !r.part.heartbeats {
			continue
		}
		r.one(s, f, want)
	}
}

// subscribed is when, in the recording, the stream of an event began: its SUBSCRIBED is what says so.
func (p *player) subscribed(s recorded) float64 {
	f := p.stream(s.Stream)
	if strings.Contains(string(s.Body), `"SUBSCRIBED"`) {
		f.began = s.T
	}
	return f.began
}

func (r *playback) one(s recorded, f *feed, want *item) {
	r.t.Helper()
	patience := r.patience(s.T)
	deadline := time.After(patience)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		items, grown, ended := f.now()
		var nearest *item
		var why error
		for _, got := range items {
			if got.matched || got.kind != want.kind {
				continue
			}
			known := r.known.clone()
			known.loose = r.part.loose(s)
			err := known.same(want.body, got.body, "")
			if err == nil {
				known.loose = nil
				r.known = known
				r.matched(s, f, want, got)
				return
			}
			if nearest == nil || subject(got.body) == subject(want.body) && subject(nearest.body) != subject(want.body) {
				nearest, why = got, err
			}
		}
		select {
		case <-grown:
			continue
		case <-second.C:
			if r.again {
				r.round()
			}
			continue
		case <-deadline:
		}
		what := fmt.Sprintf("%s %v %s: recorded\n  %.700s\n", r.part.file, s.T, s.Who, want.raw)
		if nearest == nil {
			r.t.Errorf("%snot here within %v; there is nothing of this kind left (stream: %q)", what, patience, ended)
			return
		}
		r.t.Errorf("%shere, the nearest that is left:\n  %.700s\n%v", what, nearest.raw, why)
		_ = r.known.same(want.body, nearest.body, "") // go on with what is alike
		nearest.matched = true
		return
	}
}

// subject is what an event is about: a task, an agent's host.
func subject(body any) string {
	for _, path := range [][]string{{"update", "status", "task_id", "value"}, {"hostname"}} {
		if v, ok := lookup(body, path...); ok {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// matched looks at time and order: not sooner than half the recorded time, save a round; after what
// came before it about the same thing.
func (r *playback) matched(s recorded, f *feed, want, got *item) {
	r.t.Helper()
	got.matched = true
	recorded, here := seconds(s.T-r.last.then), got.at.Sub(r.last.here)
	if recorded > 2*time.Second && here < recorded/2-time.Second/2 {
		r.t.Errorf("%s %v %s: %v after the last call, recorded %v:\n  %.300s", r.part.file, s.T, s.Who, here, recorded, want.raw)
	}
	for _, other := range f.list()[got.n+1:] {
		if other.matched && ordered(other, got) {
			r.t.Errorf("%s %v %s: recorded after, here before\n  %.300s\n  %.300s", r.part.file, s.T, s.Who, other.raw, got.raw)
		}
	}
}

// ordered says whether the order of two events of a stream is Mesos' word, and not chance: updates of
// a task; the end of an executor and of its tasks; a stream's beginning and its end.
func ordered(a, b *item) bool {
	if a.kind == "UPDATE" && b.kind == "UPDATE" {
		return subject(a.body) == subject(b.body)
	}
	ends := func(x *item) bool { return x.kind == "FAILURE" || x.kind == "UPDATE" }
	edge := func(x *item) bool { return x.kind == "SUBSCRIBED" || x.kind == "ERROR" || x.kind == "SHUTDOWN" }
	return edge(a) || edge(b) || ends(a) && ends(b)
}

// nothingElse fails for every event that was not recorded.
func (r *playback) nothingElse() {
	r.t.Helper()
	for who, p := range r.players {
		for n, f := range p.all() {
			for _, x := range f.list() {
				if !x.matched && x.kind != "HEARTBEAT" && !r.part.extra(x) {
					r.t.Errorf("%s: %s, stream %d: not recorded:\n  %s %.1000s", r.part.file, who, n+1, x.at.Format("05.000"), x.raw)
				}
			}
		}
	}
}

// ids are this run's identifiers by those of the recording.
type ids struct {
	here  map[string]string
	loose map[string]bool // fields whose values are chance in the event that is compared
}

func newIDs() *ids { return &ids{here: map[string]string{}} }

func (k *ids) clone() *ids { return &ids{here: maps.Clone(k.here)} }

// identifier is Mesos' own: of a master, and what is made of it; of a container or a stream.
var identifier = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-[SO]?\d+)?`)

// base64ID is the uuid of an update.
var base64ID = regexp.MustCompile(`[A-Za-z0-9+/]{22}==`)

func (k *ids) translate(s string) string {
	known := func(id string) string {
		if here, ok := k.here[id]; ok {
			return here
		}
		return id
	}
	return base64ID.ReplaceAllStringFunc(identifier.ReplaceAllStringFunc(s, known), known)
}

// chance are the fields whose values differ from run to run.
var chance = map[string]bool{"timestamp": true, "executor_pid": true, "port": true, "nanoseconds": true}

// same compares a recorded value with one of this run, field by field, and learns identifiers.
func (k *ids) same(want, got any, path string) error {
	key := path[strings.LastIndexByte(path, '.')+1:]
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %v, recorded an object", path, got)
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return fmt.Errorf("%s.%s: not in the recording", path, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			g, ok := g[name]
			if !ok {
				return fmt.Errorf("%s.%s: missing", path, name)
			}
			if k.loose[name] || name == "capabilities" && strings.HasSuffix(path, "master_info") {
				continue // chance, or what this master cannot do
			}
			if err := k.same(w[name], g, path+"."+name); err != nil {
				return err
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s: %v, recorded %v", path, got, want)
		}
		if key == "executor_ids" { // in no order
			w, g = sorted(w), sorted(g)
		}
		for i := range w {
			if err := k.same(w[i], g[i], path+"[]"); err != nil {
				return err
			}
		}
	case string:
		g, ok := got.(string)
		if !ok {
			return fmt.Errorf("%s: %v, recorded a string", path, got)
		}
		return k.sameText(w, g, path)
	case float64:
		if g, ok := got.(float64); !ok || g != w && !chance[key] {
			return fmt.Errorf("%s: %v, recorded %v", path, got, want)
		}
	default:
		if got != want {
			return fmt.Errorf("%s: %v, recorded %v", path, got, want)
		}
	}
	return nil
}

// sorted sorts executor IDs.
func sorted(list []any) []any {
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// agentPort is the only part of an address that differs.
var agentPort = regexp.MustCompile(`(127\.0\.0\.\d+):\d+`)

func (k *ids) sameText(want, got, path string) error {
	if want == "<SANDBOX>" && got != "" || strings.Contains(want, "<EXECUTOR_COMMAND>") && strings.Contains(got, stub) {
		return nil
	}
	id := identifier
	if strings.HasSuffix(path, ".uuid") {
		id = base64ID
	}
	shape := func(s string) string { return agentPort.ReplaceAllString(id.ReplaceAllString(s, "<id>"), "$1:<port>") }
	if shape(want) != shape(got) {
		return fmt.Errorf("%s: %.300q, recorded %.300q", path, got, want)
	}
	here := id.FindAllString(got, -1)
	for i, was := range id.FindAllString(want, -1) {
		if known, ok := k.here[was]; ok && known != here[i] {
			return fmt.Errorf("%s: %s, recorded %s, which is %s here", path, here[i], was, known)
		}
		k.here[was] = here[i]
	}
	return nil
}
