package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// The example in the README, which uses nothing of ours, run as it stands there but for the
// server's port.
func TestReadmeExampleInPlainBash(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	must(t, err)
	found := regexp.MustCompile("(?s)<!-- example: plain bash -->\n```bash\n(.*?)```").FindSubmatch(readme)
	if found == nil {
		t.Fatal("the README has no plain bash example")
	}
	t.Parallel()
	w := newWorld(t, agents(4, 8, 8192))
	w.worker()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(w.natsURL, "nats://"))
	must(t, err)
	script := strings.Replace(string(found[1]), "127.0.0.1/4222", "127.0.0.1/"+port, 1)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var h history
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		var ev contracts.Event
		must(t, json.Unmarshal(lines.Bytes(), &ev))
		h = append(h, ev)
	}
	h.judge(t)
	plan := w.verified(h)
	if plan.Cluster != "orders" {
		t.Errorf("the cluster is %s", plan.Cluster)
	}
}

// What cannot be worked on is answered once, kept once, and never comes back.
func TestMessagesThatCannotBeWorkedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	bodies := []struct {
		subject, body string
		event         bool // a failed event can be addressed
	}{
		{contracts.SubjectCreate, `not JSON`, false},
		{contracts.SubjectCreate, ``, false},
		{contracts.SubjectCreate, "{\"cluster\":\"\xff\xfe\"}", false},
		{contracts.SubjectCreate, strings.Repeat("[", 5000), false},
		{contracts.SubjectCreate, `{"id":"0b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b","cluster":"named","masters":3}`, true},
		{contracts.SubjectCreate, `{"cluster":"named","masters":"three"}`, true},
		{contracts.SubjectCreate, `{"id":"1b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b","cluster":"named","masters":3,"replicas":1,"node":{"cpus":1,"memory_mb":256},"colour":"red"}`, true},
		{contracts.SubjectDestroy, `{"cluster":"named"}`, true},
		{contracts.SubjectCancel, `{}`, false},
		{"clustersmith.v1.jobs.paint", `{"id":"2b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b","cluster":"named"}`, false},
	}
	events := 0
	for _, b := range bodies {
		if b.event {
			events++
		}
		_, err := w.js.Publish(t.Context(), b.subject, []byte(b.body))
		must(t, err)
	}
	w.verified(w.create(request("between", 3, 0)))
	w.settled()

	dead, err := w.js.Stream(t.Context(), contracts.StreamDead)
	must(t, err)
	if n := dead.CachedInfo().State.Msgs; n != uint64(len(bodies)) {
		t.Errorf("%d dead letters for %d messages", n, len(bodies))
	}
	kept := map[string]bool{}
	for seq := uint64(1); seq <= dead.CachedInfo().State.Msgs; seq++ {
		msg, err := dead.GetMsg(t.Context(), seq)
		must(t, err)
		kept[string(msg.Data)] = true
		if msg.Header.Get("Clustersmith-Reason") == "" || msg.Header.Get("Clustersmith-Error") == "" {
			t.Errorf("dead letter %d says no reason: %v", seq, msg.Header)
		}
	}
	for _, b := range bodies {
		if !kept[b.body] {
			t.Errorf("the bytes of %.60q were not kept", b.body)
		}
	}
	results, err := w.js.Stream(t.Context(), contracts.StreamResults)
	must(t, err)
	if n := int(results.CachedInfo().State.Msgs); n != events+1 {
		t.Errorf("%d results; %d messages could be answered and one cluster was created", n, events)
	}
}

// Every event is kept for those who come late, under the subject that the contract names.
func TestLateSubscriberSeesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	req := request("late", 3, 0)
	first := w.create(req)
	again := w.await(req.ID)
	if fmt.Sprint(ids(first)) != fmt.Sprint(ids(again)) {
		t.Errorf("first %v, later %v", ids(first), ids(again))
	}
	events, err := w.js.Stream(t.Context(), contracts.StreamEvents)
	must(t, err)
	info, err := events.Info(t.Context(), jetstream.WithSubjectFilter(contracts.ClusterEvents("late")))
	must(t, err)
	if info.State.Subjects[contracts.EventSubject("late", req.ID, contracts.EventVerified)] != 1 {
		t.Errorf("subjects %v", info.State.Subjects)
	}
}

func ids(h history) (list []string) {
	for _, ev := range h {
		list = append(list, ev.ID)
	}
	return list
}
