package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clustersmith/clustersmith/contracts"
)

// example is one file of testdata/examples: <message>-<what it shows>.json.
type example struct {
	message, name string
	payload       json.RawMessage
}

func readExamples(dir string) ([]example, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var examples []example
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read example: %w", err)
		}
		var compact json.RawMessage
		if err := json.Unmarshal(body, &compact); err != nil {
			return nil, fmt.Errorf("example %s: %w", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		message, _, _ := strings.Cut(name, "-")
		examples = append(examples, example{message, name, compact})
	}
	return examples, nil
}

// message is one message of the contract, in the channel that carries it.
type message struct {
	name, channel, address, stream, summary, action string
}

var messages = []message{
	{"create", "create", contracts.SubjectCreate, contracts.StreamJobs, "Ask for a Redis Cluster.", "receive"},
	{"destroy", "destroy", contracts.SubjectDestroy, contracts.StreamJobs, "Ask for the end of a cluster.", "receive"},
	{"verify", "verify", contracts.SubjectVerify, contracts.StreamJobs, "Ask for a new verification of a cluster against its plan.", "receive"},
	{"cancel", "cancel", contracts.SubjectCancel, contracts.StreamJobs, "Ask that a create job stops and cleans up.", "receive"},
	{"event", "events", contracts.EventSubject("{cluster}", "{job}", "{type}"), contracts.StreamEvents, "What happens to a job.", "send"},
	{"event", "results", contracts.ResultSubject("{job}"), contracts.StreamResults, "The terminal event of a job, once more; the server refuses a second one.", "send"},
}

// asyncAPI is the AsyncAPI 3 document, told from the worker's side: it receives requests and
// sends events.
func asyncAPI(examples []example) object {
	var channels, operations, definitions object
	for _, m := range messages {
		channels = append(channels, member{m.channel, channel(m)})
		operations = append(operations, member{m.action + strings.ToUpper(m.channel[:1]) + m.channel[1:], object{
			{"action", m.action},
			{"channel", object{{"$ref", "#/channels/" + m.channel}}},
			{"summary", m.summary},
		}})
		if !slices.ContainsFunc(definitions, func(d member) bool { return d.name == m.name }) {
			definitions = append(definitions, member{m.name, messageObject(m, examples)})
		}
	}
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "Clustersmith"}, {"version", "1.0.0"},
			{"description", "Publish one message; seconds later a Redis Cluster runs on Mesos, its layout proven to be the planned one. The laws that both sides rely on are in the Go package contracts (doc.go)."},
		}},
		{"defaultContentType", contracts.DataContentType},
		{"servers", object{{"nats", object{
			{"host", "127.0.0.1:4222"}, {"protocol", "nats"}, {"description", "NATS with JetStream."},
		}}}},
		{"channels", channels},
		{"operations", operations},
		{"components", object{{"messages", definitions}}},
		{"x-streams", object{
			{contracts.StreamJobs, object{{"subjects", contracts.SubjectsJobs}, {"retention", "workqueue: a worker's ack removes a request"}}},
			{contracts.StreamEvents, object{{"subjects", contracts.SubjectsEvents}, {"retention", "limits: 30 days"}}},
			{contracts.StreamResults, object{{"subjects", contracts.SubjectsResults}, {"retention", "limits: one message per subject, new ones are refused; 30 days"}}},
			{contracts.StreamDead, object{{"subjects", contracts.SubjectsDead}, {"retention", "limits: requests that could not be worked on, byte for byte; 90 days"}}},
			{contracts.StreamAdvisories, object{{"subjects", "$JS.EVENT.ADVISORY.CONSUMER.{MAX_DELIVERIES,MSG_TERMINATED}." + contracts.StreamJobs + ".*"}, {"retention", "limits: the server's own word on requests that ended without an ack; 90 days"}}},
		}},
		{"x-buckets", object{
			{contracts.BucketClusters, object{{"keys", "the cluster's name"}, {"value", object{{"$ref", "./schemas/cluster-record.json"}}}}},
			{contracts.BucketJobs, object{{"keys", "the job's ID; <job>.cancel and <job>.plan.<attempt>.<fence> hold other values"}, {"value", object{{"$ref", "./schemas/job-record.json"}}}}},
			{contracts.BucketLeases, object{{"keys", "mesos.<role>; turn.<role> holds another value"}, {"value", object{{"$ref", "./schemas/lease-record.json"}}}}},
		}},
	}
}

func channel(m message) object {
	c := object{
		{"address", m.address},
		{"description", m.summary},
		{"messages", object{{m.name, object{{"$ref", "#/components/messages/" + m.name}}}}},
	}
	var parameters object
	for _, p := range []member{
		{"cluster", object{{"description", "The cluster's name."}}},
		{"job", object{{"description", "The ID of the request, in lower case."}}},
		{"type", object{{"description", "The event's type."}, {"enum", list(contracts.EventTypes)}}},
	} {
		if strings.Contains(m.address, "{"+p.name+"}") {
			parameters = append(parameters, p)
		}
	}
	if parameters != nil {
		c = append(c, member{"parameters", parameters})
	}
	return append(c, member{"x-stream", m.stream})
}

func messageObject(m message, examples []example) object {
	contentType, id := contracts.DataContentType, "The request's id; JetStream drops repetitions."
	if m.name == "event" {
		contentType, id = contracts.ContentType, "The event's id, <job>.<seq>."
	}
	o := object{
		{"name", m.name}, {"summary", m.summary}, {"contentType", contentType},
		{"headers", object{{"type", "object"}, {"properties", object{
			{"Nats-Msg-Id", object{{"type", "string"}, {"description", id}}},
		}}}},
		{"payload", object{
			{"schemaFormat", "application/schema+json;version=draft-07"},
			{"schema", object{{"$ref", "./schemas/" + m.name + ".json"}}},
		}},
	}
	var shown []any
	for _, e := range examples {
		if e.message == m.name {
			shown = append(shown, object{{"name", e.name}, {"payload", e.payload}})
		}
	}
	return append(o, member{"examples", shown})
}

func list[T ~string](values []T) []any {
	var l []any
	for _, v := range values {
		l = append(l, string(v))
	}
	return l
}
