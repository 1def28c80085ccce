// Package integration holds the end-to-end and fault tests: a real NATS server, real worker and
// executor processes, real redis-servers, and mesos/local or, with CLUSTERSMITH_TEST_MESOS, a
// real Mesos that is there already (remote_test.go).
//
// Law: the tests see what a user sees. They publish on subjects, read events, look at what
// Mesos and the process table show, and ask the redis-servers themselves; they look into no package.
package integration
