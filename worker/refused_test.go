package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
)

// What the master says of a framework ends a job only where another attempt would hear the same.
func TestRefused(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		kind   contracts.JobKind
		reason contracts.Reason // empty: tried again
		says   string
	}{
		"Roles { caches } are not present in the master's --roles":                     {contracts.JobCreate, contracts.ReasonInvalidRequest, "placement.role"},
		"'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid": {contracts.JobCreate, contracts.ReasonInvalidRequest, "placement.role"},
		"Not authorized to register framework":                                         {contracts.JobCreate, contracts.ReasonInvalidRequest, "register_frameworks"},
		"Not authorized to register framework in role":                                 {contracts.JobDestroy, contracts.ReasonInternal, "publish the request again"},
		"User 'root' is not allowed to run frameworks without --root_submissions set":  {contracts.JobCreate, contracts.ReasonInternal, "CLUSTERSMITH_MESOS_USER"},
		"Changing framework's principal is not allowed.":                               {contracts.JobDestroy, contracts.ReasonInternal, "CLUSTERSMITH_MESOS_PRINCIPAL"},
		"Authorization failure: could not create ObjectApprovers for a framework":      {contracts.JobCreate, "", ""},
	} {
		r := &run{kind: c.kind, d: &delivery{}, held: &held{}}
		r.d.create.Placement.Role = "caches"
		err := fmt.Errorf("worker: subscribe: %w", &mesos.RefusedError{Text: text})
		f := r.refused(err)
		switch {
		case c.reason == "" && f != nil:
			t.Errorf("%s: ends with %v", text, f)
		case c.reason == "":
		case f == nil:
			t.Errorf("%s: is tried again", text)
		case f.Reason != c.reason || !f.Final || !strings.Contains(f.Message, text) || !strings.Contains(f.Message, c.says) || !errors.Is(f, mesos.ErrInvalidFramework):
			t.Errorf("%s: ends with %v", text, f)
		}
	}
}

// A deadline that is over between two tries, or cuts the next one short, is told with what the last try met.
func TestDeadlineBetweenTries(t *testing.T) {
	t.Parallel()
	const met = "no Mesos master leads"
	r := workedOn(t, newStore(t), newJob())
	v, err := r.interrupted(errors.New(met))
	must(t, err)
	if v.kind != handBack || v.delay <= 0 || r.rec.Owner != "" || r.rec.Waits != 1 {
		t.Errorf("handed back as %+v, record %+v", v, r.rec)
	}
	cut := fmt.Errorf("worker: read a record: %w", context.DeadlineExceeded)
	for err, says := range map[error]string{
		errDeadline:     "phase accepted: " + met + ".",
		cut:             "phase accepted: " + cut.Error() + "; the try before met: " + met + ".",
		errors.New(met): "phase accepted: " + met + ".",
	} {
		if f := r.failure(err); f.Reason != contracts.ReasonDeadlineExceeded || !f.Final || !strings.HasSuffix(f.Message, says) || !errors.Is(f, err) {
			t.Errorf("%v: ends with %v", err, f)
		}
	}
	must(t, r.save(t.Context(), func(rec *contracts.JobRecord) error { return jobs.Advance(rec, contracts.PhasePlanned, 0) }))
	if f := r.failure(errDeadline); strings.Contains(f.Message, met) {
		t.Errorf("what is over is told: %v", f)
	}
}

// Where too little time is left for another try, it is the deadline that ends the job, whether it came
// before or after the error.
func TestNoTimeForAnotherTry(t *testing.T) {
	t.Parallel()
	for deadline, says := range map[time.Duration]string{500 * time.Millisecond: "was all but over", -time.Second: "was over"} {
		r := workedOn(t, newStore(t), newJob())
		r.d.deadline = deadline
		_, done, err := r.settleFailure(t.Context(), t.Context(), errors.New("no Mesos master leads"))
		must(t, err)
		end := r.rec.Pending
		if done || end == nil || end.Reason != contracts.ReasonDeadlineExceeded || !strings.Contains(end.Message, says) || !strings.Contains(end.Message, "leads") {
			t.Errorf("with %v left the job ends with %+v (%v)", deadline, end, done)
		}
	}
}
