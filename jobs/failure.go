package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
)

// Failure is why an attempt, or a whole job, did not succeed. It is an error.
type Failure struct {
	Reason  contracts.Reason
	Message string // a sentence for a person
	Details *contracts.Details
	// Final says that another attempt would end the same way.
	Final bool
	// Hosts and Ports (host:port) are to be left out of the next attempt.
	Hosts, Ports []string
	// Err is the cause, if there is one; Message says what of it a person wants to know.
	Err error
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s", f.Reason, f.Message)
}

func (f *Failure) Unwrap() error { return f.Err }

// AsFailure turns any error into a Failure; what is none is an internal one that another
// attempt may mend.
func AsFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Reason: contracts.ReasonInternal, Message: err.Error(), Err: err}
}

// Sentence makes an error's text a sentence for a person.
func Sentence(err error) string {
	text := strings.TrimSuffix(err.Error(), ".")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Outcome is what a job ends with after the failure.
func (f *Failure) Outcome() *contracts.Outcome {
	return &contracts.Outcome{Type: contracts.EventFailed, Reason: f.Reason, Message: f.Message, Details: f.Details}
}

// Retry says whether another attempt follows a failure: not after a final one, not after
// maxAttempts, and not when less than minLeft of the deadline is left.
func Retry(r contracts.JobRecord, f *Failure, maxAttempts int, left, minLeft time.Duration) bool {
	return !f.Final && r.Attempt < maxAttempts && left >= minLeft
}

// maxShortages bounds the hosts that an event lists: on thousands of hosts they would not fit
// into a message, and the first ones in address order say what it is about.
const maxShortages = 100

// PlanFailure says why the planner found no plan: what was short is a Failure that time may
// mend, what cannot be placed anywhere is a final one.
func PlanFailure(err error) *Failure {
	var short *chunkdist.Infeasible
	if !errors.As(err, &short) {
		return &Failure{Reason: contracts.ReasonInternal, Message: err.Error(), Final: true, Err: err}
	}
	f := &Failure{
		Reason: contracts.ReasonInsufficientResources, Message: Sentence(err), Err: err,
		Details: &contracts.Details{Nearest: short.Nearest},
	}
	for _, s := range short.Shortages[:min(len(short.Shortages), maxShortages)] {
		f.Details.Shortages = append(f.Details.Shortages, contracts.Shortage{
			Host: s.Host, Dimension: s.Dimension, Need: s.Need, Have: s.Have, Message: s.Message,
		})
	}
	return f
}
