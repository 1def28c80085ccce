package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/clustersmith/clustersmith/internal/cli/show"
)

// Status is what the process exits with.
type Status int

// The statuses; scripts rely on them.
const (
	Done        Status = 0
	JobFailed   Status = 1
	BadInput    Status = 2
	Unreachable Status = 3
	Interrupted Status = 130
)

// statuses is for people; the README has it too.
const statuses = "Exit status: 0 done; 1 the job failed, or there is no plan; 2 wrong usage, or no such cluster or letter; " +
	"3 a server did not answer, a worker could not start, or the job had not ended when the wait was over (it goes on); " +
	"130 interrupted (the job goes on)."

// exitError is an error with the status that it ends the process with. Without an error it
// ends the process silently: what there was to say has been said.
type exitError struct {
	status Status
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func badInput(format string, args ...any) error {
	return &exitError{BadInput, fmt.Errorf(format, args...)}
}

func unreachable(format string, args ...any) error {
	return &exitError{Unreachable, fmt.Errorf(format, args...)}
}

// jobFailed ends the process with status 1; the output has told why.
func jobFailed() error { return &exitError{status: JobFailed} }

// conclude tells err and returns its status.
func conclude(err error, asJSON bool, stderr io.Writer) Status {
	if err == nil {
		return Done
	}
	status := Unreachable // an error without a status came from a server
	var e *exitError
	switch {
	case errors.As(err, &e):
		status = e.status
		if e.err == nil {
			return status
		}
	case errors.Is(err, context.Canceled):
		status = Interrupted
	}
	if asJSON {
		_ = json.NewEncoder(stderr).Encode(map[string]any{"error": err.Error(), "status": status}) // nowhere left to tell
		return status
	}
	fmt.Fprintln(stderr, "clustersmith:", show.Clean(err.Error()))
	return status
}
