package verifier

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// keyTTL is when a key expires that could not be deleted, in seconds.
const keyTTL = 60

// askWrite makes the write check on master i, in one round trip. It is made only on a cluster
// that has passed everything else.
func (v *Verifier) askWrite(ctx context.Context, i int, _ *nodesconf.Comparer) result {
	r := result{asked: true}
	r.pass(writeChecks)
	key := v.key(i)
	acks := min(1, v.plan.Replicas)
	replies, err := v.exchange(ctx, i,
		command{"SET", key, v.plan.UID, "EX", keyTTL},
		command{"WAIT", acks, v.opts.Timeout.Milliseconds() / 2},
		command{"GET", key},
		command{"DEL", key})
	r.answered = err == nil
	if err != nil {
		v.foundText(&r, i, CheckWrite, "a write", err.Error())
		return r
	}
	for n, step := range []struct {
		name string
		good func(any) bool
	}{
		{"SET is taken", func(x any) bool { return x == "OK" }},
		{fmt.Sprintf("%d replica acknowledges", acks), func(x any) bool { k, ok := x.(int64); return ok && k >= int64(acks) }},
		{"GET reads it back", func(x any) bool { b, ok := x.([]byte); return ok && string(b) == v.plan.UID }},
		{"DEL deletes it", func(x any) bool { return x == int64(1) }},
	} {
		if got := replies[n]; got.err != nil || !step.good(got.value) {
			text := fmt.Sprintf("%.100q", got.value)
			if got.err != nil {
				text = got.err.Error()
			} else if k, ok := got.value.(int64); ok {
				text = strconv.FormatInt(k, 10)
			}
			v.foundText(&r, i, CheckWrite, step.name, text)
			break // the following steps fail with it
		}
	}
	return r
}

// key is a key in one of master i's slots. No application has it: it holds the cluster's UID.
func (v *Verifier) key(i int) string {
	prefix := "clustersmith:verify:" + v.plan.UID + ":{"
	for n := 0; ; n++ {
		tag := strconv.Itoa(n)
		slot := int(crc16(tag)) % 16384
		for _, s := range v.plan.Nodes[i].Slots {
			if s[0] <= slot && slot <= s[1] {
				return prefix + tag + "}"
			}
		}
	}
}

// crc16 is the checksum that Redis Cluster maps keys to slots with: polynomial 0x1021, from 0.
func crc16(s string) uint16 {
	var crc uint16
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// String of a command, for messages.
func (c command) String() string {
	words := make([]string, len(c))
	for i, w := range c {
		words[i] = fmt.Sprint(w)
	}
	return strings.Join(words, " ")
}
