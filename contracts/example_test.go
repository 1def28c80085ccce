package contracts_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// A publisher checks its request as a worker will, and is told which field is wrong.
func ExampleParseCreate() {
	_, err := contracts.ParseCreate([]byte(`{
		"id": "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", "cluster": "orders", "masters": 3, "replicas": 1,
		"node": {"cpus": 0.5, "memory_mb": 1024},
		"redis": {"config": {"include": "/etc/redis.conf"}}}`))
	var field *contracts.FieldError
	if errors.As(err, &field) {
		fmt.Println(field.Field)
	}
	fmt.Println(err)
	// Output:
	// redis.config.include
	// redis.config.include cannot be set: it decides which files the server reads and writes; leave it out
}

// A subscriber reads an event, and finds its subject again.
func ExampleParseEvent() {
	ev, err := contracts.ParseEvent([]byte(`{
		"specversion": "1.0", "id": "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11.4", "source": "/clustersmith/workers/w1",
		"type": "io.clustersmith.v1.progress", "subject": "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11",
		"time": "2026-01-02T03:04:05Z", "datacontenttype": "application/json",
		"data": {"job": "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", "cluster": "orders", "seq": 4, "phase": "starting",
			"attempt": 1, "elapsed_ms": 420, "done": 4, "total": 6, "a_field_of_later_versions": true}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ev.NATSSubject())
	fmt.Println(ev.EventType(), ev.EventType().Terminal(), ev.Data.Phase, ev.Data.Done, "of", ev.Data.Total)
	// Output:
	// clustersmith.v1.events.orders.6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11.progress
	// progress false starting 4 of 6
}

// Defaults are filled in a copy; what differs in nothing but them is the same cluster.
func ExampleSameSpec() {
	short := contracts.CreateRequest{Cluster: "orders", Masters: 3, Replicas: 1, Node: contracts.NodeResources{CPUs: 0.5, MemoryMB: 1024}}
	long := short
	long.Redis.Version, long.Placement.Role, long.Deadline = "7.0", "*", contracts.Duration(10*time.Minute)
	fmt.Println(contracts.SameSpec(short, long))
	long.Masters = 6
	fmt.Println(contracts.SameSpec(short, long))
	// Output:
	// true
	// false
}
