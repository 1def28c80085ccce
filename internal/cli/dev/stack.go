package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// stack is what was started, in order; it is ended in the reverse order.
type stack struct {
	parts []part
}

type part struct {
	name string
	stop func(context.Context) error
}

func (s *stack) push(name string, stop func(context.Context) error) {
	s.parts = append(s.parts, part{name, stop})
}

// down ends every part, also after one that does not end in time.
func (s *stack) down() error {
	var errs []error
	for i := len(s.parts) - 1; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		if err := s.parts[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("dev: end %s: %w", s.parts[i].name, err))
		}
		cancel()
	}
	s.parts = nil
	return errors.Join(errs...)
}

// dataDir makes the folder for all data. One that was named is kept, and locked against a second
// process.
func dataDir(up *stack, name string) (string, error) {
	if name == "" {
		dir, err := os.MkdirTemp("", "clustersmith-dev-")
		if err != nil {
			return "", fmt.Errorf("dev: %w", err)
		}
		up.push("the temporary folder", func(context.Context) error { return os.RemoveAll(dir) })
		return dir, nil
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return "", usage("--data %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", usage("--data %s: %w", name, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", usage("--data %s: %w", name, err)
	}
	up.push("the lock", func(context.Context) error { return lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", usage("--data %s is in use by another process; choose another folder", name)
	}
	return dir, nil
}
