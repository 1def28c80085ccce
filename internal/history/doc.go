// Package history judges what happened: it reads everything that is left of a run (the streams and
// buckets, what Mesos shows, the process table, the Redis nodes themselves) and says which laws the
// run broke.
//
// Duties: find every breach, name it, and share no code with what it judges. It imports nothing of
// this module: the names of streams, the shapes of events and records, the RESP client and the
// parser of CLUSTER NODES are its own, so that a mistake in one place cannot excuse the same mistake
// in another.
//
// Collect reads, once the run is over and the queue is empty; Judge is a pure function of what was
// read. The laws, by their names in a Breach:
//
//   - queue: no message is left in the queue.
//   - end: every accepted request, and every job that ever said something, has exactly one terminal
//     event; requests that share an ID share it.
//   - last: nothing comes after the terminal event.
//   - seq: events are numbered 1, 2, 3 … in the order of the stream.
//   - id: an event's message ID is its own ID, <job>.<seq>, and no two events share one; its subject
//     is the one that its data name.
//   - order: attempts never go down, phases never go back within one, elapsed time never shrinks.
//   - result: the result of a job is its terminal event, and jobs without one have none.
//   - record: the record of a job has ended with the same event and has nothing left to say.
//   - dead: what cannot be worked on is a dead letter with its own bytes, and only that is, but for
//     requests that ended as failed, internal.
//   - one: a name belongs to one cluster at a time: between two lives of a name lies a destroy, and
//     Mesos never shows two frameworks of one name at work.
//   - there: a verified cluster that was not destroyed is there: its record, its framework, its
//     processes, and every node sees exactly the plan.
//   - gone: of all else nothing is left: no record, lease, framework, executor or redis-server.
package history
