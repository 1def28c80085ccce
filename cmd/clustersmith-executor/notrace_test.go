package main

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutTracing makes the executor one that may not trace its children.
const withoutTracing = "CLUSTERSMITH_TEST_NO_PTRACE"

// forbidTracing makes ptrace(2) fail with EPERM in this process and its children, as hardened
// containers do.
func forbidTracing() {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PTRACE, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
}

// Where tracing is forbidden, clusters come up as well, and the executors say what it costs.
func TestClusterWithoutTracing(t *testing.T) {
	t.Parallel()
	j := launch(t, map[string]string{withoutTracing: "1"})
	j.run()
	if logs := j.logs("stderr"); strings.Count(logs, "stopped late") != len(j.plan.Nodes) {
		t.Errorf("the executors' logs:\n%s", logs)
	}
}
