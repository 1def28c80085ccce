package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// buried publishes messages and lets a real worker bury them; the worker is gone afterwards.
func (b *broker) buried(msgs ...*nats.Msg) {
	b.t.Helper()
	for _, m := range msgs {
		if _, err := b.js.PublishMsg(b.t.Context(), m); err != nil {
			b.t.Fatal(err)
		}
	}
	w, err := worker.New(worker.Config{NATSURL: b.url, Masters: []string{"http://127.0.0.1:1"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	// The server tells of each message that a worker has ended.
	said, err := b.js.OrderedConsumer(ctx, contracts.StreamAdvisories, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.t.Fatal(err)
	}
	for range msgs {
		if _, err := said.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
			b.t.Fatalf("the worker buries nothing: %v", err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) letters() []show.DeadLetter {
	b.t.Helper()
	r := command(b.t, b.t.Context(), "dead", "list", "--nats", b.url, "-o", "json")
	var letters []show.DeadLetter
	if err := json.Unmarshal([]byte(r.out), &letters); err != nil || r.status != Done {
		b.t.Fatalf("%+v: %v", r, err)
	}
	return letters
}

func TestADeadLetterGoesBackAsItCame(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	body := []byte("\x1b[31mnot\xff JSON\r\n" + strings.Repeat("x", 500))
	b.buried(&nats.Msg{Subject: contracts.SubjectCreate, Data: body, Header: nats.Header{
		"Traceparent": {"00-1", "00-2"}, "lower-case": {"kept"}, "Nats-Msg-Id": {job}, "Nats-Expected-Last-Sequence": {"0"},
	}})
	command(t, t.Context(), "dead", "list", "--nats", b.url).want(t, Done, "create  invalid_request  "+contracts.SubjectCreate, "")
	command(t, t.Context(), "dead", "list", "--kind", "verify", "--nats", b.url).want(t, Done, "no dead letter", "")
	letters := b.letters()
	if len(letters) != 1 || letters[0].Sequence != 1 || string(letters[0].Body) != string(body) || letters[0].Error == "" {
		t.Fatalf("%+v", letters)
	}

	command(t, t.Context(), "dead", "replay", "1", "--nats", b.url).want(t, Done, "Dead letter 1 is in the queue again", "")
	msg := b.take()
	h := msg.Headers()
	if msg.Subject() != contracts.SubjectCreate || string(msg.Data()) != string(body) {
		t.Errorf("on %s: %q", msg.Subject(), msg.Data())
	}
	if fmt.Sprint(h["Traceparent"]) != "[00-1 00-2]" || fmt.Sprint(h["lower-case"]) != "[kept]" {
		t.Errorf("the original's headers were not kept: %v", h)
	}
	if id := h.Get("Nats-Msg-Id"); id == job || id == "" || h.Get("Nats-Expected-Last-Sequence") != "" {
		t.Errorf("headers for the server were kept: %v", h)
	}
	for name := range h {
		if strings.HasPrefix(name, "Original-") || strings.HasPrefix(name, "Clustersmith-") {
			t.Errorf("a header of the dead letter: %s", name)
		}
	}
	command(t, t.Context(), "dead", "list", "--nats", b.url).want(t, Done, "no dead letter", "")
	command(t, t.Context(), "dead", "replay", "1", "--nats", b.url).want(t, BadInput, "", "no dead letter 1")
}

func TestAllDeadLettersOfAKind(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.buried(nats.NewMsg(contracts.SubjectCreate), nats.NewMsg(contracts.SubjectVerify), nats.NewMsg("clustersmith.v1.jobs.paint"), nats.NewMsg(contracts.SubjectCreate))
	command(t, t.Context(), "dead", "replay", "--all", "--kind", "create", "--nats", b.url, "-o", "json").want(t, Done, `"subject":"`+contracts.SubjectCreate+`"`, "")
	left := map[string]int{}
	for _, l := range b.letters() {
		left[l.Kind]++
	}
	if fmt.Sprint(left) != "map[unknown:1 verify:1]" {
		t.Errorf("left: %v", left)
	}
	command(t, t.Context(), "dead", "replay", "--all", "--nats", b.url).want(t, Done, "clustersmith.v1.jobs.paint", "")
	stream, err := b.js.Stream(t.Context(), contracts.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 4 {
		t.Errorf("%d messages are in the queue again, not 4", n)
	}
}

// An ID is answered once: to queue the request of an ended job again would do nothing.
func TestTheRequestOfAnEndedJobIsNotReplayed(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	refused := nats.NewMsg(contracts.SubjectCreate)
	refused.Data = fmt.Appendf(nil, `{"id":%q,"cluster":"orders","masters":1}`, job)
	b.buried(refused, nats.NewMsg(contracts.SubjectVerify))
	ended, other := uint64(1), uint64(2) // a worker buries several at once, in any order
	if b.letters()[0].Kind != "create" {
		ended, other = other, ended
	}
	command(t, t.Context(), "dead", "replay", fmt.Sprint(ended), "--nats", b.url).want(t, BadInput, "", "ended as failed")
	command(t, t.Context(), "dead", "replay", "--all", "--nats", b.url).want(t, JobFailed, fmt.Sprintf("Dead letter %d is in the queue again", other), "ended as failed")
	if l := b.letters(); len(l) != 1 || l[0].Sequence != ended {
		t.Errorf("left: %+v", l)
	}
}

func TestWhatDeadReplayRefuses(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	if _, err := b.js.Publish(t.Context(), contracts.DeadSubject("create"), []byte("by hand")); err != nil {
		t.Fatal(err)
	}
	for args, says := range map[string]string{
		"dead":                          "list",
		"dead replay":                   "--all",
		"dead replay 1 --all":           "--all",
		"dead replay 1 --kind create":   "--kind goes with --all",
		"dead replay x":                 "seq",
		"dead list --kind paint":        "--kind",
		"dead replay 1 --nats " + b.url: "does not say which request",
		"dead delete":                   "seq",
		"dead delete 7 --nats " + b.url: "no dead letter 7",
	} {
		command(t, t.Context(), strings.Fields(args)...).want(t, BadInput, "", says)
	}
	bare := startBareBroker(t, true)
	for _, args := range []string{"dead list", "dead replay 1", "dead replay --all", "dead delete 1"} {
		command(t, t.Context(), append(strings.Fields(args), "--nats", bare.url)...).want(t, Unreachable, "", "clustersmith worker")
	}
}

// What is no object can have no id; it stays until somebody deletes it.
func TestDeadLetterWithoutID(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	var msgs []*nats.Msg
	for _, body := range []string{"null", "[]", `"x"`, "?"} {
		msgs = append(msgs, &nats.Msg{Subject: contracts.SubjectCreate, Data: []byte(body)})
	}
	b.buried(msgs...)
	r := command(t, t.Context(), "dead", "replay", "--all", "--new-id", "--nats", b.url)
	r.want(t, JobFailed, "", "cannot be given a new id")
	if n := strings.Count(r.stderr, "cannot be given a new id"); n != len(msgs) {
		t.Errorf("%d letters are refused, not %d: %s", n, len(msgs), r.stderr)
	}
	command(t, t.Context(), "dead", "delete", "1", "3", "--nats", b.url).want(t, Done, "Dead letter 3 is deleted.", "")
	command(t, t.Context(), "dead", "delete", "2", "--nats", b.url, "-o", "json").want(t, Done, `{"sequence":2}`, "")
	if l := b.letters(); len(l) != 1 || l[0].Sequence != 4 {
		t.Errorf("left: %+v", l)
	}
}
