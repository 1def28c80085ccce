package contracts

import (
	"strings"
	"time"
)

// TurnRecord says which job is first in a role's line: it has waited for resources for so long
// that jobs which came later hold back. In BucketLeases, under TurnKey. Times are the NATS
// server's: nobody compares two workers' clocks.
type TurnRecord struct {
	Job string `json:"job"`
	// MsgSeq is the stream sequence of the message that carries the job: later ones hold back.
	MsgSeq uint64 `json:"msg_seq"`
	// Since and For are when the turn began and how long it is. After it, as long again, nobody
	// is first. A For of 0 is a turn that has served its purpose.
	Since time.Time `json:"since"`
	For   Duration  `json:"for"`
	// Last is the job that had the turn before, in vain.
	Last string `json:"last,omitempty"`
}

// TurnKey is the key in BucketLeases of the role's TurnRecord.
func TurnKey(role string) string { return "turn." + strings.TrimPrefix(LeaseKey(role), "mesos.") }
