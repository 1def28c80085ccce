package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/follow"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/nats-io/nats.go/jetstream"
)

// watchCmd follows jobs until it is interrupted.
type watchCmd struct {
	natsFlags
	Cluster string `arg:"" optional:"" help:"Only this cluster."`
	Replay  bool   `help:"Begin with the oldest event that is kept, not with the jobs that run now."`
}

func (cmd *watchCmd) Run(e *env) error {
	if err := contracts.CheckCluster(cmd.Cluster); cmd.Cluster != "" && err != nil {
		return badInput("%w", err)
	}
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	shown := e.watcher()
	defer shown.Close()
	// First the stream's end, then the records: what happens in between is in both, and is told apart by seq.
	f := follow.Follower{JS: c.js, Subject: contracts.ClusterEvents(cmd.Cluster), Trouble: func(err error) {
		shown.Note(fmt.Sprintf("No events reach us (%v); trying again until they do.", c.cause(err)))
	}}
	known := map[string]uint64{}
	if !cmd.Replay {
		stream, err := c.js.Stream(e.ctx, contracts.StreamEvents)
		if err != nil {
			return c.explain(fmt.Errorf("stream %s: %w", contracts.StreamEvents, err))
		}
		f.From = stream.CachedInfo().State.LastSeq + 1
		if known, err = e.running(c, cmd.Cluster, shown); err != nil {
			return err
		}
	}
	err = f.Run(e.ctx, func(ev contracts.Event) bool {
		if ev.Data.Seq > known[ev.Data.Job] {
			shown.Event(ev)
		}
		return false
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil // the only way to end it
	case errors.Is(err, follow.ErrNoStream):
		return c.explain(jetstream.ErrStreamNotFound)
	}
	return c.explain(err)
}

// running shows where the jobs that run now stand, and returns the seq that each has reached.
func (e *env) running(c *client, cluster string, shown reporter) (map[string]uint64, error) {
	doc, err := c.records(e.ctx, cluster)
	if err != nil {
		return nil, err
	}
	known := map[string]uint64{}
	for _, j := range doc.Jobs {
		if j.Terminal != nil {
			continue // a record ends before its last event is published: that may be yet to come
		}
		known[j.Job] = j.Seq
		if len(j.Outbox) > 0 {
			shown.Event(j.Outbox[len(j.Outbox)-1])
		}
	}
	return known, nil
}

// watcher is the reporter of watch, whose output is its result.
func (e *env) watcher() reporter {
	switch {
	case e.json:
		return jsonLines{e}
	case isTerminal(e.out):
		return show.NewBoard(e.out)
	}
	return show.NewLines(e.out, true)
}

// jsonLines writes each event as a line of JSON.
type jsonLines struct{ e *env }

func (j jsonLines) Event(ev contracts.Event) {
	if err := j.e.encodeLine(ev); err != nil {
		j.Note(err.Error())
	}
}
func (j jsonLines) Note(text string) { fmt.Fprintln(j.e.stderr, show.Clean(text)) }
func (jsonLines) Close()             {}
