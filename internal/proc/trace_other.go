//go:build !(linux && (amd64 || arm64))

package proc

const traceable = false

func traceUntil(int, func() bool) error { return ErrNoTrace }
