package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
)

// destroyCmd publishes a destroy request.
type destroyCmd struct {
	natsFlags
	Cluster  string        `arg:"" help:"The cluster's name."`
	Wait     bool          `help:"Show progress until it is gone."`
	Deadline time.Duration `placeholder:"TIME" help:"Longest time for the work (default 2m)."`
	Timeout  time.Duration `placeholder:"TIME" help:"Longest wait (default the deadline and a minute)."`
}

func (cmd *destroyCmd) Run(e *env) error {
	req := contracts.DestroyRequest{ID: uuid.NewString(), Cluster: cmd.Cluster, Deadline: contracts.Duration(cmd.Deadline)}.WithDefaults()
	if err := req.Validate(); err != nil {
		return badInput("%w", err)
	}
	return e.ask(cmd.natsFlags, order{
		subject: contracts.SubjectDestroy, id: req.ID, cluster: req.Cluster, request: req, want: contracts.EventDestroyed,
		wait: cmd.Wait, limit: limit(cmd.Timeout, req.Deadline),
	})
}

// verifyCmd publishes a verify request and waits for its report.
type verifyCmd struct {
	natsFlags
	Cluster  string        `arg:"" help:"The cluster's name."`
	Repair   bool          `help:"Fail planned masters that are healthy replicas over, back to their places."`
	Deadline time.Duration `placeholder:"TIME" help:"Longest time for the work (default 2m)."`
	Timeout  time.Duration `placeholder:"TIME" help:"Longest wait (default the deadline and a minute)."`
}

func (cmd *verifyCmd) Run(e *env) error {
	req := contracts.VerifyRequest{
		ID: uuid.NewString(), Cluster: cmd.Cluster, Repair: cmd.Repair, Deadline: contracts.Duration(cmd.Deadline),
	}.WithDefaults()
	if err := req.Validate(); err != nil {
		return badInput("%w", err)
	}
	return e.ask(cmd.natsFlags, order{
		subject: contracts.SubjectVerify, id: req.ID, cluster: req.Cluster, request: req, want: contracts.EventVerified,
		wait: true, limit: limit(cmd.Timeout, req.Deadline),
	})
}

// cancelCmd publishes a cancel request, unless there is nothing that it could stop.
type cancelCmd struct {
	natsFlags
	Job     string        `arg:"" help:"The job's ID."`
	Wait    bool          `help:"Show progress until the job's end."`
	Timeout time.Duration `default:"3m" placeholder:"TIME" help:"Longest wait."`
}

func (cmd *cancelCmd) Run(e *env) error {
	req := contracts.CancelRequest{ID: uuid.NewString(), Job: strings.ToLower(cmd.Job)}
	if err := req.Validate(); err != nil {
		return badInput("%w; clustersmith status lists the jobs", err)
	}
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	known, err := c.cancellable(e.ctx, req.Job)
	if err != nil {
		return err
	}
	receipt, err := c.publish(e.ctx, contracts.SubjectCancel, req.ID, "", req)
	if err != nil {
		return err
	}
	receipt.Job, receipt.Unknown = req.Job, !known
	said := fmt.Sprintf("Job %s is asked to stop.", req.Job)
	if !known {
		said += " No worker knows that job yet."
	}
	if cmd.Wait {
		if !e.json {
			fmt.Fprintln(e.stderr, said)
		}
		end, err := e.wait(c, req.Job, contracts.JobEvents(req.Job), cmd.Timeout)
		if err != nil {
			return err
		}
		return e.finish(end, contracts.EventCancelled)
	}
	if e.json {
		return e.encode(receipt)
	}
	_, err = fmt.Fprintf(e.out, "%s What becomes of it: clustersmith status -a, or cancel with --wait\n", said)
	return err
}

// cancellable says whether workers know a job, and refuses one that no cancellation stops.
func (c *client) cancellable(ctx context.Context, id string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	job, err := c.job(ctx, id)
	switch {
	case err != nil:
		return false, c.explain(fmt.Errorf("job %s: %w", id, err))
	case job == nil:
		return false, nil
	case job.Kind == contracts.JobDestroy:
		return true, badInput("job %s destroys the cluster %s, and a destroy cannot be cancelled", id, job.Cluster)
	case job.Terminal != nil && job.Phase == contracts.PhaseVerified && job.Kind == contracts.JobCreate:
		return true, badInput("job %s has ended as verified; end its cluster with: clustersmith destroy %s", id, job.Cluster)
	case job.Terminal != nil:
		return true, badInput("job %s has ended as %s; there is nothing left to cancel", id, job.Phase)
	}
	return true, nil
}
