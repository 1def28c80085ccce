// Package contracts is what crosses processes: the requests, events and records of Clustersmith,
// the names of its subjects, streams and buckets, and the laws that publishers and subscribers
// rely on. It imports the standard library and uuid, so that any service can import it. The same
// contract is in schemas/ (JSON Schema) and in asyncapi.yaml for those who cannot.
//
// # What a publisher does, and may rely on
//
//  1. Publish one JSON object on SubjectCreate, SubjectDestroy, SubjectVerify or SubjectCancel,
//     with the header Nats-Msg-Id set to the request's ID, and wait for the stream's answer. No
//     answer means nothing: publish the same bytes again, as often as it takes.
//  2. The ID is the job's identity: however often a request with one ID arrives, it is one job
//     and has one outcome, for as long as the job's record is kept (30 days from its end).
//     Another request takes another ID. IDs are UUIDs; they are written in lower case
//     everywhere, whatever the case of the request.
//  3. A request is refused, never guessed at: a field that is unknown, doubled, null, of another
//     type or out of range, a whole number written with a fraction or an exponent, and text
//     after the object each end in one failed event with the reason invalid_request and the
//     field's path, where a cluster's name can be read. The request itself, byte for byte, is
//     kept on DeadSubject in StreamDead in any case.
//  4. A create of a cluster that exists is answered by its specification (SameSpec: everything
//     but the ID and the deadline). The same one: a verified event again, and nothing is done.
//     Another one: failed with name_conflict, and the cluster that exists is not touched.
//  5. The deadline runs from the moment that the stream stored the request, by the server's
//     clock. When it is over the job fails with deadline_exceeded, or with the reason that kept
//     it waiting. Cleaning up may take longer than the deadline; the terminal event comes after
//     it.
//  6. After failed and cancelled nothing is left of a create job: no task, process, Mesos
//     framework or record that blocks the name. After destroyed the same holds for the cluster.
//     Only a host that is cut off from Mesos keeps what it has until its agent is back. A failed
//     destroy may leave the cluster in state destroying; another destroy goes on from there.
//  7. A cancel request stops a create job in any phase that is not terminal. It is a wish: the
//     job ends as cancelled, or as whatever it had become before the wish arrived. It has no
//     events of its own.
//
// # What a subscriber may rely on
//
//  1. Events are CloudEvents 1.0 in structured JSON, on EventSubject. An event's ID is
//     <job>.<seq>, and is the header Nats-Msg-Id too. Its type is TypePrefix and the last token
//     of its subject.
//  2. Seq counts a job's events from 1, without a gap, also across the crash of a worker. In the
//     stream they stand in that order.
//  3. Each job has exactly one terminal event (EventType.Terminal), it is the job's last, and it
//     is on ResultSubject in StreamResults too, where the server itself refuses a second one.
//  4. An event may be seen twice: delivery is at least once, and the stream drops repetitions of
//     a message ID for a time only. Whoever must not act twice remembers the ID, or the job's
//     last seq. Two events of one ID say the same.
//  5. Phases follow their order within an attempt; a new attempt begins at accepted again, with
//     a higher attempt number. A phase may be passed over, or be told once or many times.
//  6. A subscriber that comes late replays: StreamEvents keeps 30 days. An ordered consumer that
//     filters JobEvents and ends at the terminal event sees the whole job.
//  7. verified means that every node was asked and agreed with the plan in the event: see
//     Report. Someone may break the cluster in the next second; a verify request asks again.
//  8. The plan is in the field plan up to MaxPlainNodes nodes, and in plan_gzip (base64 of gzip
//     of the same JSON) beyond. ParseEvent gives both as Plan; without Go:
//     jq -r .data.plan_gzip | base64 -d | gunzip.
//
// # How the contract changes
//
//   - v1 only gains: optional fields in requests, fields in events and records. No field changes
//     its name, type or meaning, and none goes away. What cannot be said so is v2: other
//     subjects, another TypePrefix.
//   - Readers of events and records pass over fields that they do not know (ParseEvent does).
//     Requests are the opposite: what a worker does not understand it does not do (the Parse
//     functions).
//   - EventType, Reason and the phases are closed lists in v1: a reader may switch over them,
//     and should still have a default that tells and goes on.
//   - Workers are upgraded before publishers, so that no new field meets an old worker.
//
// # Records
//
// JobRecord, ClusterRecord and LeaseRecord are kept in key-value buckets. They may be read by
// anyone; only workers write them, each time as a compare-and-set.
package contracts

//go:generate go run ./internal/genschema
