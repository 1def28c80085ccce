// Package local is a small Apache Mesos in one process: a master with the v1 scheduler API
// and agents with the v1 executor API, each on its own IP, that run executors and commands
// as real processes. It is for development and tests; a client talks to it by URL, exactly
// as to a real master.
package local
