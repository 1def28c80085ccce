package worker

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
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
	state, err := w.queueState(t.Context())
	must(t, err)
	if state.waiting != 2 || state.unacked != 1 || state.oldest <= 0 || state.dead != 0 {
		t.Errorf("%+v", state)
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
