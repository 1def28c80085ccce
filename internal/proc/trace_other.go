//go:build !(linux && (amd64 || arm64))

package proc

import "errors"

const traceable = false

var errEnded = errors.New("the child has ended")

func traceUntil(int, func() bool) error { return ErrNoTrace }
