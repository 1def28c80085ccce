package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/nats-io/nats.go/jetstream"
)

// statusCmd shows the records of clusters and jobs.
type statusCmd struct {
	natsFlags
	Cluster string `arg:"" optional:"" help:"Only this cluster, with its nodes."`
	All     bool   `short:"a" help:"Also jobs that have ended."`
	Plan    bool   `help:"Only the cluster's plan, as JSON."`
}

// statusDoc is what status prints with -o json.
type statusDoc struct {
	Clusters []contracts.ClusterRecord `json:"clusters"`
	Jobs     []contracts.JobRecord     `json:"jobs"`
}

func (cmd *statusCmd) Run(e *env) error {
	if err := contracts.CheckCluster(cmd.Cluster); cmd.Cluster != "" && err != nil {
		return badInput("%w", err)
	}
	c, err := cmd.connect()
	if err != nil {
		return err
	}
	defer c.close()
	doc, err := c.records(e.ctx, cmd.Cluster)
	if err != nil {
		return err
	}
	if cmd.Cluster != "" && len(doc.Clusters) == 0 && len(doc.Jobs) == 0 {
		return badInput("there is no cluster %q and no job about it; clustersmith status lists what there is", cmd.Cluster)
	}
	if cmd.Plan {
		return e.printPlan(doc, cmd.Cluster)
	}
	if !cmd.All && cmd.Cluster == "" {
		doc.Jobs = slices.DeleteFunc(doc.Jobs, func(j contracts.JobRecord) bool { return j.Terminal != nil })
	}
	if e.json {
		return e.encode(doc)
	}
	e.printStatus(doc, cmd.Cluster != "", time.Now())
	return nil
}

// printPlan prints the plan of a verified cluster, however large, as clustersmith plan would.
func (e *env) printPlan(doc statusDoc, cluster string) error {
	switch {
	case cluster == "":
		return badInput("--plan needs the name of a cluster")
	case len(doc.Clusters) == 0 || doc.Clusters[0].Plan == nil:
		return badInput("the cluster %q has no plan: it is not there, or not verified", cluster)
	}
	return e.encode(doc.Clusters[0].Plan)
}

func (e *env) printStatus(doc statusDoc, one bool, now time.Time) {
	switch {
	case len(doc.Clusters) > 0:
		show.Clusters(e.out, doc.Clusters)
	case one:
		fmt.Fprintln(e.out, "The cluster is not there now.")
	default:
		fmt.Fprintln(e.out, "There is no cluster. Create one with: clustersmith create --cluster NAME --wait")
	}
	if len(doc.Jobs) > 0 {
		fmt.Fprintln(e.out)
		show.Jobs(e.out, doc.Jobs, now)
	}
	if one && len(doc.Clusters) == 1 && doc.Clusters[0].Plan != nil {
		fmt.Fprintln(e.out)
		show.Nodes(e.out, doc.Clusters[0].Plan)
		show.Connect(e.out, doc.Clusters[0].Plan)
	}
}

// records reads the records of one cluster, or of all where the name is empty: clusters by
// name, jobs by age.
func (c *client) records(ctx context.Context, cluster string) (statusDoc, error) {
	// One token: in the bucket of jobs, longer keys are plans and cancellations.
	clusters, err := readAll[contracts.ClusterRecord](ctx, c, contracts.BucketClusters, cmp.Or(cluster, "*"))
	if err != nil {
		return statusDoc{}, err
	}
	jobs, err := readAll[contracts.JobRecord](ctx, c, contracts.BucketJobs, "*")
	if err != nil {
		return statusDoc{}, err
	}
	jobs = slices.DeleteFunc(jobs, func(j contracts.JobRecord) bool { return cluster != "" && j.Cluster != cluster })
	slices.SortFunc(clusters, func(a, b contracts.ClusterRecord) int { return cmp.Compare(a.Cluster, b.Cluster) })
	slices.SortFunc(jobs, func(a, b contracts.JobRecord) int {
		return cmp.Or(a.Received.Compare(b.Received), cmp.Compare(a.Job, b.Job))
	})
	return statusDoc{clusters, jobs}, nil
}

var errSilent = fmt.Errorf("the server has said nothing for %v", opTimeout)

// readAll reads the newest values of the keys that match a pattern. However many they are, it ends
// only where none comes for opTimeout.
func readAll[T any](ctx context.Context, c *client, bucket, keys string) ([]T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(opTimeout, func() { cancel(errSilent) })
	defer silence.Stop()
	fail := func(err error) error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return c.explain(fmt.Errorf("bucket %s: %w", bucket, err))
	}
	kv, err := c.js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, fail(err)
	}
	watch, err := kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fail(err)
	}
	defer watch.Stop() //nolint:errcheck // it has told all that we asked for
	values := []T{}
	for {
		select {
		case <-ctx.Done():
			return nil, fail(ctx.Err())
		case entry, ok := <-watch.Updates():
			if !ok {
				return nil, fail(errors.New("the connection was closed"))
			}
			if entry == nil {
				return values, nil
			}
			silence.Reset(opTimeout)
			var v T
			if err := json.Unmarshal(entry.Value(), &v); err != nil {
				return nil, unreachable("bucket %s, key %s holds no record: %w; was it written by a newer version?", bucket, entry.Key(), err)
			}
			values = append(values, v)
		}
	}
}
