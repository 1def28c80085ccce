package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// A role that the master does not take is told at once, as what it is: bad input. Nothing waits for
// a deadline, and nothing is left.
func TestRefusedRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096), func(c *local.Config) { c.Roles = []string{"caches"} })
	w.needsLocal()
	w.worker()
	req := request("elsewhere", 3, 0)
	req.Placement.Role = "archive"
	h := w.create(req)
	end := w.failed(h, contracts.ReasonInvalidRequest)
	if end.Data.Details == nil || end.Data.Details.Field != "placement.role" {
		t.Errorf("the field is not named: %+v", end.Data.Details)
	}
	for _, says := range []string{`"archive"`, "Roles { archive } are not present in the master's --roles", "register_frameworks"} {
		if !strings.Contains(end.Data.Message, says) {
			t.Errorf("the message does not say %s: %s", says, end.Data.Message)
		}
	}
	if end.Data.Attempt != 1 || end.Data.Seq != 2 {
		t.Errorf("more than one look at Mesos\n%s", h)
	}
	w.nothingLeft("elsewhere")
	req = request("here", 3, 0)
	req.Placement.Role = "caches"
	w.verified(w.create(req))
	w.destroy("here")
	w.emptied()
}

// Masters that no longer take the workers' credentials cannot keep a job from its end, as long as it
// has launched nothing.
func TestCredentialsThatHaveExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	w.worker()
	w.verified(w.create(request("before", 3, 0)))
	w.mesos.Answer(401, "")
	req := request("without", 3, 0)
	req.Deadline = contracts.Duration(8 * time.Second)
	if end := w.failed(w.create(req), contracts.ReasonDeadlineExceeded); !strings.Contains(end.Data.Message, "CLUSTERSMITH_MESOS_PRINCIPAL") {
		t.Errorf("the message does not name the variable: %s", end.Data.Message)
	}
	w.noRecord("without")
	w.mesos.Answer(0, "")
	w.destroy("before")
	w.emptied()
}
