package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
)

// BenchmarkCreate measures a create from publish to its verified event, in turns with the floor:
// the same number of redis-servers with the same files, started directly behind a barrier,
// until the same verification passes. ratio is the median of the ratios, turn by turn.
func BenchmarkCreate(b *testing.B) {
	for _, size := range []struct{ masters, replicas int }{{3, 1}, {30, 1}} {
		b.Run(fmt.Sprintf("%dx%d", size.masters, size.replicas), func(b *testing.B) {
			w := newWorld(b, agents(6, 16, 16384))
			w.worker()
			var floors, ours, ratios []float64
			for i := 0; b.Loop(); i++ {
				f := floor(b, size.masters, size.replicas)
				req := request(fmt.Sprintf("bench-%d", i), size.masters, size.replicas)
				begin := time.Now()
				w.verified(w.create(req))
				o := time.Since(begin)
				w.destroy(req.Cluster)
				floors, ours = append(floors, f.Seconds()*1000), append(ours, o.Seconds()*1000)
				ratios = append(ratios, o.Seconds()/f.Seconds())
			}
			b.ReportMetric(median(floors), "floor-ms")
			b.ReportMetric(median(ours), "create-ms")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

// floor is the time that the bare servers need.
func floor(b *testing.B, masters, replicas int) time.Duration {
	b.Helper()
	plan := redistest.Plan(b, masters, replicas, 6)
	begin := time.Now()
	c := redistest.Boot(b, plan, redistest.Options{})
	v, err := verifier.New(plan, c.Server.Dialect, verifier.Options{})
	must(b, err)
	defer v.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	report, err := v.Verify(ctx, nil)
	took := time.Since(begin)
	must(b, err)
	if !report.OK {
		b.Fatalf("the bare servers are not verified: %+v", report.Differences)
	}
	for i := range plan.Nodes {
		c.Kill(i)
	}
	return took
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
