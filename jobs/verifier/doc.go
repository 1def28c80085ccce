// Package verifier decides whether a running Redis Cluster is the planned one.
//
// Duties:
//   - Ask every node, many at once, and compare all that it says with the plan (Verify, Pass).
//   - Say cheaply how far a cluster has formed (Quick, Form), so that the whole comparison,
//     which grows with the square of the nodes, is not made in vain.
//   - Prove that each master takes a write and that a replica has it, and leave no key behind.
//   - Where it is asked to, make a planned master that was failed over the master again.
//
// Laws:
//   - A cluster is verified only if, in one pass over all nodes, every check of every node passed,
//     and then the writes. No node vouches for another.
//   - A bad cluster is a Report with OK false. An error means that nothing could be decided: the plan
//     is not usable, or the caller called it off.
//   - One cause, one difference: a check whose premise has already failed on a node is not
//     made there. It counts in Total and not in Passed.
//   - A node that accepts and never answers costs Options.Timeout, never more; so does one that
//     answers byte by byte.
//   - Pass, Quick and Form only read. Verify writes one key for each master, which expires by
//     itself, and deletes it.
//   - Memory is bounded by Options.Parallel views, not by the cluster's nodes squared.
package verifier
