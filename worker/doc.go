// Package worker is the queue loop: it takes jobs from NATS JetStream, runs them against Mesos
// and Redis, and tells how they went.
//
// # Duties
//
//   - A free slot first, then one message: a worker never holds more jobs than it works on.
//   - A job that is worked on is kept alive at the server; one that makes no progress is not,
//     and goes to another worker.
//   - Every change of a job is written into its record before it is acted on (package jobs),
//     each time as a compare-and-set on the revision that the owner knows.
//   - Only the holder of a role's lease receives offers in that role; it holds it from SUBSCRIBE
//     to ACCEPT and gives it back before it waits for anything.
//   - An ended job is told in this order: record, result, event, ack. The record is the commit
//     point, because only its write is fenced; everything after it can be done again.
//   - Nothing is acknowledged that has not ended, nothing that cannot be worked on is delivered
//     for ever: such a message goes to the dead letters, with its bytes and the reason.
//
// # Laws
//
//   - A worker that loses a compare-and-set, its lease or its Mesos subscription to another stops
//     acting on that job at once and says nothing more about it.
//   - Acks are not fenced by the server, so the connection buffers nothing while it is down.
//   - A stop is no failure: SIGTERM ends the taking of jobs, then hands back what does not end
//     within the grace period, and no attempt and no crash is counted.
//   - A failed, cancelled or crashed attempt is torn down, and its nodes are known to be gone,
//     before the next one begins or the job ends.
package worker
