package executor

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// lastLines reads the last lines of a log that are not empty, the newest last, within 4 KiB.
func lastLines(path string, n int) []string {
	const window = 4 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, size-window), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, window))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(text) {
		if s := strings.TrimSpace(strings.ToValidUTF8(string(line), "?")); s != "" {
			lines = append(lines, s)
		}
	}
	return lines[max(0, len(lines)-n):]
}

func lastLine(path string) string {
	if l := lastLines(path, 1); len(l) == 1 {
		return l[0]
	}
	return "its log is empty"
}
