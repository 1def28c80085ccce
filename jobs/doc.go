// Package jobs is the state machine of a job: what its record says, what comes next, and
// what each event tells. It is pure: records and times go in, records come out. The worker
// gives it a queue, a store and a Mesos.
//
// # Duties
//
//   - Every change of a job is a change of its contracts.JobRecord. The worker writes the
//     record as a compare-and-set before it acts on it, so whoever reads the record after a
//     crash knows at least as much as the one that died had done.
//   - Next reads a record and says what its owner does now. It does not care whether the
//     owner has just written it or has taken it over.
//   - Every event takes its number from the record (Emit), and stays in the record's outbox
//     until the next write; a successor publishes the outbox again, and the stream drops what
//     it has by its message ID. So the numbers have no gap and no number has two events.
//
// # Laws
//
//   - A phase never goes back within an attempt; a new attempt goes back to accepted.
//   - The terminal event is written into the record once (Finish); from then on the record
//     only serves to publish it. A record with a terminal event never changes its mind.
//   - A framework ID is used for one attempt and never again: Mesos refuses a removed ID
//     for good.
package jobs
