package integration

import (
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// An image on agents that run none: the job fails in words that say which flags are missing.
func TestImageWithoutSupport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker(oneAttempt)
	req := request("imaged", 3, 0)
	req.Redis.Image = "redis:7.0"
	end := w.failed(w.create(req), contracts.ReasonLaunchFailed)
	if takenByChaos(end) {
		return
	}
	for _, says := range []string{"Unsupported container image type", "--image_providers"} {
		if !strings.Contains(end.Data.Message, says) {
			t.Errorf("the message does not speak of %q: %s", says, end.Data.Message)
		}
	}
	for _, task := range end.Data.Details.Tasks {
		if task.State != "TASK_FAILED" || task.Reason != "REASON_CONTAINER_LAUNCH_FAILED" {
			t.Errorf("%+v", task)
		}
	}
	w.settled()
	w.nothingLeft("imaged")
}
