package show

import (
	"io"
	"strconv"
	"time"
)

// DeadLetter is a message that no worker could work on.
type DeadLetter struct {
	Sequence uint64    `json:"sequence"` // in the dead-letter stream
	Time     time.Time `json:"time"`     // when it was put there, by the server's clock
	Kind     string    `json:"kind"`
	Reason   string    `json:"reason"`
	Error    string    `json:"error"`
	Subject  string    `json:"subject"` // of the original
	// Body is the original's bytes; in JSON, base64.
	Body []byte `json:"body"`
}

// previewRunes is how much of a body a table shows.
const previewRunes = 60

// DeadLetters writes a table of dead letters, as of now.
func DeadLetters(w io.Writer, letters []DeadLetter, now time.Time) {
	var rows [][]string
	for _, l := range letters {
		rows = append(rows, []string{
			strconv.FormatUint(l.Sequence, 10), now.Sub(l.Time).Truncate(time.Second).String(),
			l.Kind, l.Reason, l.Subject, short(l.Error), short(string(l.Body)),
		})
	}
	table(w, []string{"SEQ", "AGE", "KIND", "REASON", "SUBJECT", "ERROR", "BODY"}, rows)
}

// short is the beginning of a text.
func short(text string) string {
	runes := []rune(text[:min(len(text), 4*previewRunes)])
	if len(runes) <= previewRunes && len(text) <= 4*previewRunes {
		return text
	}
	return string(runes[:min(len(runes), previewRunes)]) + "…"
}
