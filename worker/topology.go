package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// ConsumerName is the durable pull consumer on StreamJobs that all workers share.
const ConsumerName = "workers"

// Topology is what the streams and buckets are created with. What exists already is never
// changed: two versions of the worker would otherwise fight over it.
type Topology struct {
	// Replicas of every stream and bucket: 1, or 3 on a NATS cluster.
	Replicas int
	// AckWait is how long the server waits for a worker's sign of life before it gives the
	// job to another.
	AckWait time.Duration
}

const (
	day = 24 * time.Hour
	// dedupWindow is how long JetStream remembers message IDs. A successor republishes the
	// newest event at once when it takes over, which is well within.
	dedupWindow = time.Hour
	// maxRequest bounds a request with its headers, so that a dead letter, which adds headers,
	// always fits into a message.
	maxRequest = 256 << 10
)

func (t Topology) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name: contracts.StreamJobs, Subjects: []string{contracts.SubjectsJobs},
			Description: "Requests to Clustersmith; a worker's ack removes one.",
			Retention:   jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
			Storage: jetstream.FileStorage, Replicas: t.Replicas, Duplicates: 10 * time.Minute, MaxMsgs: 1_000_000,
			MaxMsgSize: maxRequest,
		},
		{
			Name: contracts.StreamEvents, Subjects: []string{contracts.SubjectsEvents},
			Description: "What happens to each job, for dashboards, terminals and services.",
			Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxAge: 30 * day,
			Storage: jetstream.FileStorage, Replicas: t.Replicas, Duplicates: dedupWindow, AllowDirect: true,
		},
		{
			Name: contracts.StreamResults, Subjects: []string{contracts.SubjectsResults},
			Description: "The terminal event of each job; the server refuses a second one.",
			Retention:   jetstream.LimitsPolicy, MaxAge: 30 * day,
			MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
			// No direct get: a replica that lags would deny a result of which the event has been seen.
			Storage: jetstream.FileStorage, Replicas: t.Replicas,
		},
		{
			Name: contracts.StreamDead, Subjects: []string{contracts.SubjectsDead},
			Description: "Messages that could not be worked on, as they came, with the reason in a header.",
			Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxAge: 90 * day,
			Storage: jetstream.FileStorage, Replicas: t.Replicas, Duplicates: dedupWindow, // no direct get, as above
		},
		{
			Name: contracts.StreamAdvisories,
			Subjects: []string{
				"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + contracts.StreamJobs + ".*",
				"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED." + contracts.StreamJobs + ".*",
			},
			Description: "The server's own word on messages of " + contracts.StreamJobs + " that ended without an ack.",
			Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxAge: 90 * day,
			Storage: jetstream.FileStorage, Replicas: t.Replicas,
		},
	}
}

func (t Topology) buckets() []jetstream.KeyValueConfig {
	return []jetstream.KeyValueConfig{
		{
			Bucket: contracts.BucketClusters, Description: "One record per cluster; its existence reserves the name.",
			Storage: jetstream.FileStorage, Replicas: t.Replicas, History: 1,
		},
		{
			Bucket: contracts.BucketJobs, Description: "The durable state of each job, 30 days from its last change.",
			Storage: jetstream.FileStorage, Replicas: t.Replicas, History: 1, TTL: 30 * day,
		},
		{
			Bucket: contracts.BucketLeases, Description: "Who holds the Mesos subscription of which role.",
			Storage: jetstream.FileStorage, Replicas: t.Replicas, History: 1,
		},
	}
}

func (t Topology) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: ConsumerName, Description: "All workers pull their jobs here.",
		AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy, AckWait: t.AckWait,
		// The worker bounds the deliveries itself: handing a job back while it waits for
		// resources counts as a delivery too, a crash is booked in the job's record.
		MaxDeliver: -1, MaxAckPending: -1, MaxWaiting: 10_000,
	}
}

// EnsureTopology creates the streams, buckets and the consumer that are absent.
func EnsureTopology(ctx context.Context, js jetstream.JetStream, t Topology) error {
	for _, cfg := range t.streams() {
		if err := ensureStream(ctx, js, cfg); err != nil {
			return err
		}
	}
	for _, cfg := range t.buckets() {
		_, err := js.KeyValue(ctx, cfg.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = js.CreateKeyValue(ctx, cfg)
			if errors.Is(err, jetstream.ErrBucketExists) {
				err = nil // another worker was faster
			}
		}
		if err != nil {
			return fmt.Errorf("worker: bucket %s: %w", cfg.Bucket, err)
		}
	}
	_, err := js.Consumer(ctx, contracts.StreamJobs, ConsumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = js.CreateConsumer(ctx, contracts.StreamJobs, t.consumer())
		if errors.Is(err, jetstream.ErrConsumerExists) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("worker: consumer %s: %w", ConsumerName, err)
	}
	return nil
}

func ensureStream(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) error {
	_, err := js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, cfg)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("worker: stream %s: %w", cfg.Name, err)
	}
	return nil
}
