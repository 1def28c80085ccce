package nodesconf

import (
	"bytes"
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// SlotKind says what a slot token stands for.
type SlotKind int

// The kinds of slot tokens.
const (
	SlotsOwned    SlotKind = iota // 0-5460 or 7
	SlotMigrating                 // [77->-id]
	SlotImporting                 // [93-<-id]
)

// SlotToken is one slot token of a Line: slots First to Last, both ends included. Peer is
// the ID of the node at the other end of a migration.
type SlotToken struct {
	Kind        SlotKind
	First, Last int
	Peer        []byte
}

// NextSlots takes the first token off the Slots of a Line. ok is false at the end.
func NextSlots(slots []byte) (token SlotToken, rest []byte, ok bool, err error) {
	var word []byte
	for len(word) == 0 {
		if len(slots) == 0 {
			return SlotToken{}, nil, false, nil
		}
		word, slots = cut(slots)
	}
	token, good := parseSlots(word)
	if !good {
		return SlotToken{}, nil, false, fmt.Errorf("slots %.60q are not of the form 0-5460, 7, [7->-id] or [7-<-id]", word)
	}
	return token, slots, true, nil
}

func parseSlots(word []byte) (SlotToken, bool) {
	if word[0] == '[' {
		return parseMigration(word)
	}
	first, last, isRange := bytes.Cut(word, []byte{'-'})
	a, ok := parseSlot(first)
	if !ok || !isRange {
		return SlotToken{First: a, Last: a}, ok
	}
	b, ok := parseSlot(last)
	return SlotToken{First: a, Last: b}, ok && a <= b
}

// parseMigration takes [slot->-id] and [slot-<-id].
func parseMigration(word []byte) (SlotToken, bool) {
	i := bytes.IndexByte(word, '-')
	if i < 0 || len(word) != i+3+40+1 || word[i+2] != '-' || word[len(word)-1] != ']' {
		return SlotToken{}, false
	}
	slot, ok := parseSlot(word[1:i])
	t := SlotToken{Kind: SlotMigrating, First: slot, Last: slot, Peer: word[i+3 : i+43]}
	switch word[i+1] {
	case '>':
	case '<':
		t.Kind = SlotImporting
	default:
		return SlotToken{}, false
	}
	return t, ok
}

func parseSlot(s []byte) (int, bool) {
	n, ok := parseUint(s)
	return int(n), ok && n < chunkdist.Slots
}
