package worker

import (
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
)

// A job that waits ends with what was short when Mesos last offered anything.
func TestWhatWasShortIsKept(t *testing.T) {
	t.Parallel()
	failure := func(message, nearest string) *jobs.Failure {
		f := &jobs.Failure{Reason: contracts.ReasonInsufficientResources, Message: message}
		if nearest != "" {
			f.Details = &contracts.Details{Nearest: nearest}
		}
		return f
	}
	var now *contracts.Outcome
	for _, c := range []struct {
		failure          *jobs.Failure
		message, nearest string
	}{
		{failure("Nothing.", ""), "Nothing.", ""},
		{failure("Nothing.", ""), "Nothing.", ""},
		{failure("Short of ports.", "2 masters"), "Short of ports.", "2 masters"},
		{failure("Nothing.", ""), "Nothing. Before: Short of ports.", "2 masters"},
		{failure("Nothing.", ""), "Nothing. Before: Short of ports.", "2 masters"},
		{failure("Short of memory.", "1 master"), "Short of memory.", "1 master"},
	} {
		now = short(now, c.failure)
		nearest := ""
		if now.Details != nil {
			nearest = now.Details.Nearest
		}
		if now.Message != c.message || nearest != c.nearest || now.Reason != contracts.ReasonInsufficientResources {
			t.Errorf("%+v, nearest %q", now, nearest)
		}
	}
}
