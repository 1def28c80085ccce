// Package executor is the Mesos executor that runs the nodes of one cluster on one host.
//
// Duties: stage and start a real redis-server for every task, hold all of them at the start
// barrier until the worker says GO, report what is true about them, restart one that crashed
// in its place, and end them when told to.
//
// The life of a task, node-<index>:
//
//	LAUNCH ─▶ checks, files, start ─▶ both ports bound, stopped ─▶ TASK_STARTING
//	MESSAGE GO ─▶ continued ─▶ answers PING ─▶ TASK_RUNNING
//	process ends ─▶ started again in place; too often while it is new ─▶ TASK_FAILED
//	KILL ─▶ SIGTERM, SIGKILL after the grace ─▶ process gone ─▶ TASK_KILLED
//
// Laws:
//   - A server never outlives the executor, however the executor ends.
//   - Before GO no server runs its event loop, so none asks a peer that is not bound yet.
//   - TASK_STARTING means that both ports are bound, TASK_RUNNING that the server answers, a
//     terminal state that no process of the node is left.
//   - nodes.conf is written once. A restart keeps it and the data; without persistence there is
//     none to keep, and a snapshot that replication left is removed.
//   - A node that has served for ten minutes is never given up: nobody else would start it again.
//     Nor is one that has served at all given up for an obstacle, as a full disk or a taken port.
//   - A server is started only if its program is of the version that was asked for.
//   - A master that may have held data, has replicas and keeps no append-only file stays down for
//     2 × cluster-node-timeout + 2 s, and then until a peer says that a replica was elected (10 ×
//     cluster-node-timeout at most): started at once, it would be back as an empty master, and its
//     replicas would empty themselves after it. Within 2 s of GO it refused all writes, so it is
//     started again at once.
//   - An update is kept until it is acknowledged, and told again on every new subscription.
//   - All state belongs to one goroutine (run); others only send it messages.
package executor
