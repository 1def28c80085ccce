package verifier_test

import (
	"testing"

	"github.com/clustersmith/clustersmith/jobs/verifier"
)

// A node whose counts contradict its own list of nodes fails the counts, and nothing else. Real
// servers count what they list, so this one is scripted.
func TestOnlyTheCountsAreWrong(t *testing.T) {
	t.Parallel()
	s, d := newScript(t, 3)
	s.miscount = 1
	v, err := verifier.New(s.plan, d, verifier.Options{Dial: s.dial})
	if err != nil {
		t.Fatal(err)
	}
	report, err := v.Pass(t.Context())
	v.Close()
	s.wg.Wait()
	if err != nil || report.OK {
		t.Fatalf("%v %+v", err, report)
	}
	for _, c := range report.Checks {
		if failed := c.Passed < c.Total; failed != (c.Name == verifier.CheckCounts) {
			t.Errorf("%s: %d of %d passed", c.Name, c.Passed, c.Total)
		}
	}
	if len(report.Differences) != 1 || report.Differences[0].Check != verifier.CheckCounts || report.Differences[0].Node != 0 {
		t.Errorf("differences %+v", report.Differences)
	}
}
