package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// remoteImage is a Docker image with a redis-server of the tests' version, on a Mesos whose agents run
// images.
const remoteImage = "CLUSTERSMITH_TEST_IMAGE"

// Executors and servers run in an image, with everything that a create does, and end with a destroy.
func TestImage(t *testing.T) {
	t.Parallel()
	image := os.Getenv(remoteImage)
	if os.Getenv(remoteURL) == "" || image == "" {
		t.Skip("needs a Mesos whose agents run images: " + remoteURL + ", and " + remoteImage + " to name one that they have")
	}
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	req := request("in-an-image", 3, 1)
	req.Redis.Image = image
	plan := w.verified(w.create(req))
	checkedByRedis(t, plan)
	end := w.destroy("in-an-image").end()
	if (history{}).kind(end) != contracts.EventDestroyed {
		t.Fatalf("%s instead of destroyed: %s", end.Type, end.Data.Message)
	}
	allClosed(t, plan)
	w.noRecord("in-an-image")
	w.settled()
}

// An image on agents that run none: the job fails in words that say which flags are missing.
func TestImageWithoutSupport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	if w.remote != nil && w.remote.runsImages() {
		t.Skip("the agents under test run images")
	}
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
