package worker

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// Names and help texts follow Prometheus' conventions, and the queue is seen as it is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s, nc, js := newNATS(t)
	w, err := New(Config{NATSURL: s.ClientURL()}, quiet())
	must(t, err)
	w.nc, w.js = nc, js
	for range 3 {
		_, err := js.Publish(t.Context(), contracts.SubjectCreate, nil)
		must(t, err)
	}
	consumer, err := js.Consumer(t.Context(), contracts.StreamJobs, ConsumerName)
	must(t, err)
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(5*time.Second))
	must(t, err)
	if <-batch.Messages() == nil {
		t.Fatal(batch.Error())
	}
	for limit := within(t, 20*time.Second); ; { // a consumer counts a message some time after its ack
		state, err := w.queueState(t.Context())
		must(t, err)
		if state.waiting == 2 && state.unacked == 1 && state.oldest > 0 && state.dead == 0 {
			break
		}
		if sleep(limit, 5*time.Millisecond) != nil {
			t.Fatalf("%+v", state)
		}
	}
	m := w.metrics
	m.jobs.WithLabelValues("create", "verified", "").Inc()
	m.phases.WithLabelValues("create", "forming").Observe(1)
	m.dead.WithLabelValues("create", "internal").Inc()
	m.offers.WithLabelValues(offerAccepted, "planned").Inc()
	m.attempts.WithLabelValues("launch_failed").Inc()
	m.handBacks.WithLabelValues(whyDrain).Inc()
	families, err := m.registry.Gather()
	must(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	known, rows := map[string]bool{}, ""
	for _, f := range families {
		known[f.GetName()] = true
		if !strings.HasPrefix(f.GetName(), "clustersmith_") {
			continue // Go's and the process' own
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		rows += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	documented(t, rows)
	for _, file := range []string{"../deploy/grafana-dashboard.json", "../deploy/prometheus-alerts.yaml"} {
		text, err := os.ReadFile(file)
		must(t, err)
		names := regexp.MustCompile(`clustersmith_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range names {
			if !known[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s names %s, which there is not", file, name)
			}
		}
	}
}

// increase() and rate() do not see the first step of a series that begins with it, so that every
// counter that an alert counts by has all its series from the start.
func TestAlertsSeeFirstSteps(t *testing.T) {
	t.Parallel()
	families, err := newMetrics().registry.Gather()
	must(t, err)
	series := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			series[f.GetName()]++
			for _, l := range m.GetLabel() {
				series[fmt.Sprintf("%s{%s=%q", f.GetName(), l.GetName(), l.GetValue())]++
			}
		}
	}
	text, err := os.ReadFile("../deploy/prometheus-alerts.yaml")
	must(t, err)
	counters := regexp.MustCompile(`(?:increase|rate)\(([a-z_]+(?:\{[a-z_]+="[^"]*")?)`).FindAllStringSubmatch(string(text), -1)
	if len(counters) == 0 {
		t.Fatal("no alert counts anything")
	}
	for _, c := range counters {
		if series[c[1]] == 0 {
			t.Errorf("there is no series of %s before its first step", c[1])
		}
	}
	for _, reason := range contracts.Reasons {
		if n := series[fmt.Sprintf("clustersmith_jobs_total{reason=%q", reason)]; n != 3 {
			t.Errorf("%d kinds of jobs begin with a series for %s, instead of 3", n, reason)
		}
	}
}

// A job that waits is counted until its pause is over.
func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting()
		w.add(contracts.PhaseWaitingResources, time.Second)
		w.add(contracts.PhaseWaitingResources, 3*time.Second)
		w.add(contracts.PhaseAccepted, 2*time.Second)
		for at, want := range [][2]int{{2, 1}, {1, 1}, {1, 0}, {0, 0}} {
			if got := [2]int{w.count(forResources), w.count(forName)}; got != want {
				t.Errorf("after %d s %v wait for resources and for names, instead of %v", at, got, want)
			}
			time.Sleep(time.Second)
		}
	})
}

var rewrite = flag.Bool("update", false, "write the table of metrics in docs/operations.md again")

// documented checks the table of metrics in docs/operations.md.
func documented(t *testing.T, rows string) {
	t.Helper()
	table := "| metric | type | labels | what it counts |\n|---|---|---|---|\n" + rows
	const file, begin, end = "../docs/operations.md", "<!-- metrics -->\n", "<!-- /metrics -->"
	text, err := os.ReadFile(file)
	must(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	is, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the metrics", file)
	}
	if is == table {
		return
	}
	if *rewrite {
		must(t, os.WriteFile(file, []byte(before+begin+table+end+after), 0o644))
		return
	}
	t.Errorf("%s has another table of metrics; go test ./worker -run TestMetrics -update writes it again:\n%s", file, table)
}
