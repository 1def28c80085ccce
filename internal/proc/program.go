package proc

import (
	"os"
	"syscall"
)

// WriteProgram writes a file that is to be executed, as os.WriteFile does. It may be executed at
// once: a child that another goroutine forks meanwhile would keep the file open for writing until
// its own execve(2), and the program's would fail for so long with ETXTBSY.
func WriteProgram(path string, content []byte, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, mode)
}
