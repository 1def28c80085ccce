package cli

import (
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// createCmd publishes a create request.
type createCmd struct {
	natsFlags
	File      string        `short:"f" type:"path" placeholder:"FILE" help:"The request as JSON (- is the standard input); its id may be left out."`
	Wait      bool          `help:"Show progress until the job's end."`
	Timeout   time.Duration `placeholder:"TIME" help:"Longest wait (default the deadline and a minute)."`
	specFlags `group:"The request"`
}

func (cmd *createCmd) Run(e *env) error {
	req, err := e.parse(cmd.File, cmd.specFlags)
	if err != nil {
		return err
	}
	return e.ask(cmd.natsFlags, order{
		subject: contracts.SubjectCreate, id: req.ID, cluster: req.Cluster, request: req, want: contracts.EventVerified,
		wait: cmd.Wait, limit: limit(cmd.Timeout, req.Deadline),
	})
}

// limit is how long to wait for a job with a deadline.
func limit(timeout time.Duration, deadline contracts.Duration) time.Duration {
	if timeout > 0 {
		return timeout
	}
	return time.Duration(deadline) + waitGrace
}

// order is a request that makes a job, and whether to wait for its end.
type order struct {
	subject     string
	id, cluster string
	request     any
	want        contracts.EventType // the terminal event that means success
	wait        bool
	limit       time.Duration
}

// ask publishes a request and, where wanted, follows its job to the end.
func (e *env) ask(flags natsFlags, o order) error {
	c, err := flags.connect()
	if err != nil {
		return err
	}
	defer c.close()
	receipt, err := c.publish(e.ctx, o.subject, o.id, o.cluster, o.request)
	if err != nil {
		return err
	}
	again := ""
	if receipt.Duplicate {
		again = " It was published before; nothing is done twice."
		if err := c.sameAsBefore(e.ctx, receipt, o.request); err != nil {
			return err
		}
	}
	if !o.wait {
		if e.json {
			return e.encode(receipt)
		}
		fmt.Fprintf(e.out, "Job %s is in the queue.%s\nFollow it with: clustersmith watch %s\n", o.id, again, o.cluster)
		return nil
	}
	if !e.json {
		fmt.Fprintf(e.stderr, "Job %s is in the queue.%s\n", o.id, again)
	}
	end, err := e.wait(c, o.id, contracts.EventSubject(o.cluster, o.id, "*"), o.limit)
	if err != nil {
		return err
	}
	return e.finish(end, o.want)
}
