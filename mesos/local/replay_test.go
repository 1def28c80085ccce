package local_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// playback sends the calls of a recorded scenario to a local Mesos, of schedulers and of executors, in
// their order and with the pauses between them, and wants the answers and the events that were
// recorded: every one, with every field, and no other.
type playback struct {
	t        *testing.T
	m        *local.Mesos
	dir      string
	part     part
	known    *ids
	players  map[string]*player
	used     map[string]bool // sandboxes of executors that were found
	noMaster bool            // it is down
	again    bool            // another round may be needed
	now      moment          // of the last step that was made
	last     moment          // of the last call or fault
}

// moment is a time, here and in the recording.
type moment struct {
	here time.Time
	then float64
}

// step is a line of a recording, or a fault that the recorder made at that time.
type step struct {
	recorded
	do func(*playback) // of a fault
	// answer is the index of the recorded answer to a call.
	answer int
}

// run plays one part of a recording.
func (p part) run(t *testing.T) {
	cfg := p.config(t)
	r := &playback{t: t, m: start(t, cfg), dir: cfg.Dir, part: p, known: newIDs(), players: map[string]*player{}, used: map[string]bool{}}
	t.Cleanup(r.close)
	for _, ip := range p.absent {
		must(t, r.m.LeaveAgent(ctxOf(t), ip))
	}
	steps := p.steps(t)
	r.now = moment{time.Now(), steps[0].T}
	r.last = r.now
	for i, s := range steps {
		r.play(steps, i, s)
	}
	r.nothingElse()
}

// steps are the part's lines and faults by time, each call with its answer.
func (p part) steps(t *testing.T) []step {
	var steps []step
	for _, line := range trace(t, p.file) {
		if line.T >= p.from && (p.to == 0 || line.T < p.to) && !p.leftOut(line) {
			steps = append(steps, step{recorded: line, answer: -1})
		}
	}
	for _, at := range p.rounds(steps) {
		steps = append(steps, step{recorded: recorded{T: at, Dir: "round"}})
	}
	for _, f := range p.faults {
		steps = append(steps, step{recorded: recorded{T: f.at, Dir: "fault"}, do: f.do})
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		switch {
		case a.T < b.T:
			return -1
		case a.T > b.T || b.Dir == "round" && a.Dir != "round":
			return 1
		case a.Dir == "round" && b.Dir != "round":
			return -1
		}
		return 0
	})
	taken := map[int]bool{}
	for i := range steps {
		if steps[i].Dir != "call" {
			continue
		}
		// Answers come in the order of the calls, save that of a SUBSCRIBE: it is a stream's.
		subscribes := strings.Contains(string(steps[i].Body), `"SUBSCRIBE"`)
		for j := i + 1; j < len(steps); j++ {
			a := steps[j]
			other := a.HTTP.Status == http.StatusOK && !subscribes || a.HTTP.Status == http.StatusAccepted && subscribes
			if a.Dir == "response" && a.Who == steps[i].Who && !taken[j] && !other {
				steps[i].answer, taken[j] = j, true
				break
			}
		}
		if steps[i].answer < 0 {
			t.Fatalf("%s: no answer to the call at %v", p.file, steps[i].T)
		}
	}
	return steps
}

// rounds are the times of the rounds of offers: before all offers but those that came at once, and, where
// quiet ones are wanted, one a second, or a little more.
func (p part) rounds(steps []step) (times []float64) {
	next := math.Floor(steps[0].T) + p.round
	for i, s := range steps {
		if s.Dir != "event" || !says(s.recorded, `"type":"OFFERS"`) || atOnce(steps[:i], s) {
			continue
		}
		for ; p.quiet && next < s.T-0.1; next++ {
			times = append(times, next)
		}
		if s.T-next > -0.03 { // this was the next round
			next = s.T + 1
		}
		times = append(times, s.T)
	}
	return times
}

// atOnce says whether offers came with a new stream or a REVIVE, and not in a round.
func atOnce(before []step, offers step) bool {
	const soon = 0.025
	return slices.ContainsFunc(before, func(s step) bool {
		why := s.Dir == "event" && says(s.recorded, `"type":"SUBSCRIBED"`) || s.Dir == "call" && says(s.recorded, `"type":"REVIVE"`)
		return why && s.Who == offers.Who && offers.T-s.T < soon
	})
}

func (r *playback) play(steps []step, i int, s step) {
	r.t.Helper()
	switch s.Dir {
	case "call":
		r.due(s.T)
		r.call(s.recorded, steps[s.answer].recorded)
		r.last = r.now
	case "fault":
		r.due(s.T)
		s.do(r)
		r.last = r.now
	case "round":
		r.due(s.T)
		r.round()
	case "executor-env":
		r.executorStarted(s.recorded)
	case "event":
		// What is not free yet when a round comes may be free a moment later; offers at once need no round.
		r.again = i > 0 && steps[i-1].Dir == "round"
		r.event(s.recorded)
	case "note":
		r.note(s.recorded)
	}
}

func (r *playback) round() {
	r.t.Helper()
	if !r.noMaster {
		must(r.t, r.m.Round(ctxOf(r.t)))
	}
}

// due waits as long as the recorder did since the last step.
func (r *playback) due(then float64) {
	time.Sleep(time.Until(r.now.here.Add(seconds(then - r.now.then))))
	r.now = moment{time.Now(), then}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

var (
	exits = regexp.MustCompile(`^executor exits with status (\d+)`)
	ended = regexp.MustCompile(`^event stream (\d+) ended: (.*)`)
	// ends are how a stream's end looks to its reader.
	ends = map[string]string{"end of chunked body": "EOF", "connection closed by the server without a last chunk": "unexpected EOF"}
)

// note acts on what a recorded client did without a call, and wants the recorded ends of streams.
func (r *playback) note(s recorded) {
	r.t.Helper()
	var text string
	if json.Unmarshal(s.Body, &text) != nil || s.Who == "observer" {
		return
	}
	p := r.player(s.Who)
	if text == "client closes its event connection" {
		r.due(s.T)
		p.hangUp()
		return
	}
	if m := exits.FindStringSubmatch(text); m != nil {
		r.due(s.T)
		p.exit(m[1])
		return
	}
	m := ended.FindStringSubmatch(text)
	if m == nil {
		return
	}
	n, _ := strconv.Atoi(m[1])
	f := p.stream(n)
	if f == nil {
		r.t.Errorf("%v %s: stream %d was not opened", s.T, s.Who, n)
		return
	}
	how, ours := f.end(r.patience(s.T))
	if !ours && how != ends[m[2]] {
		r.t.Errorf("%v %s: stream %d ended with %q, recorded %q", s.T, s.Who, n, how, m[2])
	}
}

// patience is how long to wait for what was recorded at a time: twice as long as the recorder had
// to, and a round and a busy machine more.
func (r *playback) patience(then float64) time.Duration {
	return 2*seconds(then-r.now.then) + 10*time.Second
}

// call makes a recorded call and wants the recorded answer.
func (r *playback) call(s, answer recorded) {
	r.t.Helper()
	p := r.player(s.Who)
	req, err := http.NewRequest(s.HTTP.Method, p.base()+s.HTTP.Path, strings.NewReader(r.translate(string(s.Body))))
	if err != nil {
		r.t.Fatal(err)
	}
	if p.env != nil || p.process != nil { // an executor makes the uuids of its updates
		for _, id := range base64ID.FindAllString(string(s.Body), -1) {
			r.known.here[id] = id
		}
	}
	for name, v := range s.HTTP.Headers {
		req.Header.Set(name, r.known.translate(v))
	}
	resp, err := p.client.Do(req)
	if err != nil {
		r.t.Fatalf("%v %s: %v", s.T, s.Who, err)
	}
	where := fmt.Sprintf("%s %v %s: answer to %.60s", r.part.file, s.T, s.Who, s.Body)
	if resp.StatusCode != answer.HTTP.Status {
		r.t.Errorf("%s: %d, recorded %d", where, resp.StatusCode, answer.HTTP.Status)
	}
	for _, name := range []string{"Content-Type", "Allow", "Mesos-Stream-Id"} {
		if err := r.known.same(answer.HTTP.Headers[name], resp.Header.Get(name), name); err != nil {
			r.t.Errorf("%s: %v", where, err)
		}
	}
	if resp.StatusCode == http.StatusOK {
		p.open(resp.Body)
		return
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		r.t.Errorf("%s: %v", where, err)
	}
	var want string
	if err := json.Unmarshal(answer.Body, &want); err != nil {
		r.t.Fatal(err)
	}
	if err := r.known.same(want, string(body), "body"); err != nil {
		r.t.Errorf("%s: %v", where, err)
	}
}

// stub stands for the recorded executor: it shows its environment and ends when it is told.
const stub = `cat /proc/$$/environ >environ.new; mkfifo status; mv environ.new environ; read n <status; exit $n`

var command = regexp.MustCompile(`exec <EXECUTOR_COMMAND>[^"]*`)

// translate puts this run's identifiers into a recorded call, and the stub for the executor. What ran
// for a second runs longer: what the recorder did meanwhile must not come too late here.
func (r *playback) translate(call string) string {
	call = strings.ReplaceAll(call, `"sleep 1"`, `"sleep 3"`)
	return command.ReplaceAllLiteralString(r.known.translate(call), stub)
}

// executorStarted waits for the executor's process, and compares its environment.
func (r *playback) executorStarted(s recorded) {
	r.t.Helper()
	p := r.player(s.Who)
	pattern := filepath.Join(r.dir, "*", "slaves", "*", "frameworks", "*", "executors", s.Who, "runs", "*", "environ")
	deadline := time.Now().Add(r.patience(s.T))
	for found := ""; found == ""; time.Sleep(2 * time.Millisecond) {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if !r.used[f] {
				found = f
			}
		}
		if found != "" {
			r.used[found] = true
			p.started(r.t, found)
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%v: %s did not start", s.T, s.Who)
		}
	}
	var want struct{ Environment map[string]string }
	if err := json.Unmarshal(s.Body, &want); err != nil {
		r.t.Fatal(err)
	}
	for name, v := range want.Environment {
		if err := r.known.same(v, p.env[name], name); err != nil {
			r.t.Errorf("%v %s: environment: %v", s.T, s.Who, err)
		}
	}
}

func (r *playback) player(who string) *player {
	if p, ok := r.players[who]; ok {
		return p
	}
	p := &player{r: r, who: who, client: &http.Client{Transport: &http.Transport{}}}
	if process, _, ok := strings.Cut(who, " ("); ok {
		p.process = r.player(process)
	}
	r.players[who] = p
	return p
}

func (r *playback) close() {
	for _, p := range r.players {
		p.close()
	}
}

// framework is the ID of the first scheduler's framework.
func (r *playback) framework() string {
	for _, x := range r.player("scheduler-1").stream(1).list() {
		if id, ok := lookup(x.body, "subscribed", "framework_id", "value"); ok {
			return id.(string)
		}
	}
	return ""
}

// told says whether the first scheduler was told of a task's state.
func (r *playback) told(task, state string) bool {
	return slices.ContainsFunc(r.player("scheduler-1").stream(1).list(), func(x *item) bool {
		return subject(x.body) == task && strings.Contains(x.raw, state)
	})
}
