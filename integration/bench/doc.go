// Command bench measures how long a Redis Cluster takes from nothing to verified, four ways, in
// one run and in turns:
//
//	floor         the servers with the files that executors render, started directly and held at
//	              the same barrier, all let go in one go
//	clustersmith  a request published in NATS, through worker, Mesos and executors
//	redis-cli     `redis-cli --cluster create` on empty servers with the same redis.conf
//	naive         the files of the floor with all config epochs 0, without a barrier
//
// All are judged by the same verification (jobs/verifier); its end is the end of the time.
//
// Laws:
//   - The columns differ in nothing but how the cluster comes to be: the same hosts, ports,
//     redis.conf and persistence. A run in which an executor rendered another redis.conf is an error.
//   - A cell that is not verified within its bound, a multiple of the floor's time in the same
//     round, is given up and told as "> bound", never as a number.
//   - Where the kernel allows it, all runs in a network namespace of its own, whose counter of failed
//     connection attempts belongs to this run alone. Elsewhere they are "not counted".
//   - Every process that a cell starts ends with the cell, and with this program however it ends.
package main
