package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// What NATS refuses it does not answer: the error is about the right, not about the time.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	b := startBareBroker(t, true, func(o *server.Options) {
		o.NoAuthUser = "admin" // the test itself
		o.Users = []*server.User{{Username: "admin", Password: "a"}, {Username: "guest", Password: "g", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{contracts.SubjectDestroy}},
		}}}
	})
	url := strings.Replace(b.url, "nats://", "nats://guest:g@", 1)
	for args, right := range map[string]string{"status": "$JS.API.STREAM.INFO", "create --cluster orders": contracts.SubjectCreate} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := command(t, t.Context(), append(strings.Fields(args), "--nats", url)...)
			r.want(t, Unreachable, "", right)
			r.want(t, Unreachable, "", "docs/operations.md")
		})
	}
}

// slow is a bucket whose records come one by one, with a pause before each.
type slow struct {
	jetstream.JetStream
	records int
	pause   time.Duration
}

type slowBucket struct {
	jetstream.KeyValue
	slow
}

type slowWatch struct {
	jetstream.KeyWatcher
	updates chan jetstream.KeyValueEntry
}

type slowEntry struct{ jetstream.KeyValueEntry }

func (s slow) KeyValue(context.Context, string) (jetstream.KeyValue, error) {
	return slowBucket{slow: s}, nil
}

func (b slowBucket) Watch(ctx context.Context, _ string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	w := slowWatch{updates: make(chan jetstream.KeyValueEntry, b.records+1)}
	go func() {
		for n := range b.records + 1 {
			var entry jetstream.KeyValueEntry // nil is the end
			if n < b.records {
				entry = slowEntry{}
			}
			select {
			case <-time.After(b.pause):
			case <-ctx.Done():
				return
			}
			w.updates <- entry
		}
	}()
	return w, nil
}

func (w slowWatch) Updates() <-chan jetstream.KeyValueEntry { return w.updates }
func (slowWatch) Stop() error                               { return nil }

func (slowEntry) Key() string { return "key" }
func (slowEntry) Value() []byte {
	body, err := json.Marshal(contracts.JobRecord{Job: job})
	if err != nil {
		panic(err)
	}
	return body
}

// Reading may take as long as there is something to read.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		many := &client{js: slow{records: 20, pause: opTimeout / 2}}
		jobs, err := readAll[contracts.JobRecord](t.Context(), many, contracts.BucketJobs, "*")
		if err != nil || len(jobs) != 20 || jobs[19].Job != job {
			t.Errorf("%d records, %v", len(jobs), err)
		}
		doc, err := many.records(t.Context(), "")
		if err != nil || len(doc.Jobs) != 20 {
			t.Errorf("%d jobs, %v", len(doc.Jobs), err)
		}
		_, err = readAll[contracts.JobRecord](t.Context(), &client{js: slow{records: 2, pause: 2 * opTimeout}}, contracts.BucketJobs, "*")
		if !errors.Is(err, errSilent) {
			t.Errorf("of a server that says nothing: %v", err)
		}
	})
}
