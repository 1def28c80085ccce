package proc

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Programs are written and run while others fork all the time.
func TestWriteProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const writers, each = 4, 50
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				path := filepath.Join(dir, strconv.Itoa(w*each+i))
				if err := WriteProgram(path, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
					t.Error(err)
					return
				}
				if err := exec.Command(path).Run(); err != nil {
					t.Errorf("what was just written: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}
