package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// badMessage is one message of the flood, with what must become of it if the server takes it.
type badMessage struct {
	*nats.Msg
	class string
	// judged says that the message may be a request after all; the judge finds out.
	judged bool
	// id is the job whose failed event the message must get; empty: nobody can be told.
	id string
	// alone says that the terminal event is the job's only one: nothing of it was begun.
	alone bool
}

// floodgen makes messages that no service should send, always the same ones for a seed.
type floodgen struct {
	*rand.Rand
	standing contracts.CreateRequest // a cluster that is there
}

func (g *floodgen) uuid() string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(g.IntN(256))
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}

// valid is a request that would be worked on, cheaply: it asks for a cluster that is there
// already, with another specification, or for the end of one that is not.
func (g *floodgen) valid() (subject string, fields map[string]any) {
	switch g.IntN(4) {
	case 0:
		return contracts.SubjectDestroy, map[string]any{"id": g.uuid(), "cluster": "nobody", "deadline": "9s"}
	case 1:
		return contracts.SubjectVerify, map[string]any{"id": g.uuid(), "cluster": "nobody", "deadline": "9s"}
	}
	return contracts.SubjectCreate, map[string]any{
		"id": g.uuid(), "cluster": g.standing.Cluster, "masters": 6, "replicas": 1, "deadline": "9s",
		"node": map[string]any{"cpus": 0.5, "memory_mb": 60000}, // a flip that makes it a free name fits nowhere
	}
}

func (g *floodgen) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return b
}

// wrong is a JSON value that no field of a request takes.
func (g *floodgen) wrong() any {
	return []any{
		[]any{}, []any{map[string]any{}}, true, nil, -1.5e300, json.Number("1e400"), json.Number(strings.Repeat("9", 400)),
		map[string]any{"a": nil}, "", strings.Repeat("é", 600), "\u0000",
	}[g.IntN(11)]
}

// floodClasses are the ways to be wrong. Each gets a valid request to begin with.
var floodClasses = []struct {
	name   string
	weight int
	make   func(g *floodgen, m *badMessage, fields map[string]any)
}{
	{"noise", 10, func(g *floodgen, m *badMessage, _ map[string]any) { m.Data, m.id = g.bytes(1+g.IntN(2000)), "" }},
	{"empty", 4, func(_ *floodgen, m *badMessage, _ map[string]any) { m.Data, m.id = nil, "" }},
	{"wrong type", 12, func(g *floodgen, m *badMessage, f map[string]any) {
		names := []string{"id", "cluster", "deadline"}
		if m.Subject == contracts.SubjectCreate {
			names = append(names, "masters", "replicas", "node")
		}
		name := names[g.IntN(len(names))]
		f[name] = g.wrong()
		m.encode(f)
		if name == "id" {
			m.id = "any" // it gets one from the worker
		} else if name == "cluster" {
			m.id = ""
		}
	}},
	{"nested", 6, func(g *floodgen, m *badMessage, f map[string]any) {
		depth := 10 + g.IntN(20_000)
		m.Data, m.id = []byte([]string{strings.Repeat("[", depth), strings.Repeat(`{"a":`, depth),
			strings.Repeat("[", depth) + strings.Repeat("]", depth)}[g.IntN(3)]), ""
	}},
	{"large", 1, func(g *floodgen, m *badMessage, f map[string]any) {
		f["comment"] = strings.Repeat("x", 150_000+g.IntN(900_000)) // the stream takes 256 KiB
		m.encode(f)
	}},
	{"not UTF-8", 6, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Data = bytes.Replace(m.Data, []byte(`9s`), []byte("9s\xff\xc0"), 1)
	}},
	{"doubled", 6, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Data = append(bytes.TrimSuffix(m.Data, []byte("}")), `,"deadline":"1s"}`...)
	}},
	{"doubled identity", 3, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Data, m.id = append(bytes.TrimSuffix(m.Data, []byte("}")), `,"cluster":"other"}`...), ""
	}},
	{"truncated", 10, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Data = m.Data[:g.IntN(len(m.Data)-1)+1]
		m.id = "perhaps" // told if id and cluster were there already
	}},
	{"NUL", 6, func(g *floodgen, m *badMessage, _ map[string]any) {
		at := g.IntN(len(m.Data) + 1)
		m.Data, m.id = slicesInsert(m.Data, at, 0), "perhaps"
	}},
	{"unknown field", 8, func(g *floodgen, m *badMessage, f map[string]any) {
		f[[]string{"colour", "Id", "MASTERS", "", "node.cpus", "__proto__"}[g.IntN(6)]] = g.IntN(9)
		m.encode(f)
	}},
	{"unknown subject", 6, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Subject, m.id = "clustersmith.v1.jobs."+[]string{"paint", "create.x", "Create", "create.create.create", "ü", strings.Repeat("z.", 100) + "z"}[g.IntN(6)], ""
	}},
	{"two in one", 3, func(_ *floodgen, m *badMessage, _ map[string]any) { m.Data = append(m.Data, m.Data...) }},
	{"odd headers", 10, func(g *floodgen, m *badMessage, f map[string]any) {
		f["colour"] = "red"
		m.encode(f)
		m.Header = []nats.Header{
			{"Nats-Msg-Id": {"the same for all"}}, {"Nats-Msg-Id": {strings.Repeat("m", 30_000)}}, {"Nats-Msg-Id": {""}},
			{"Nats-Expected-Last-Sequence": {"0"}}, {"Nats-Expected-Last-Msg-Id": {"nobody's"}}, {"Nats-Expected-Stream": {"OTHER"}},
			{"Nats-TTL": {"1s"}}, {"Nats-Rollup": {"all"}}, {"Nats-Expected-Last-Subject-Sequence": {"x"}},
			{"Clustersmith-Reason": {"forged"}, "Clustersmith-Sequence": {"1"}, "Original-X": {"a", "b"}},
			{"Traceparent": {"00-1", "00-2"}, "lower-case": {""}, "ünicode": {"ü€"}}, {"Content-Type": {strings.Repeat("h", 50_000)}},
		}[g.IntN(12)]
	}},
	{"used id", 2, func(g *floodgen, m *badMessage, f map[string]any) {
		f["id"] = g.standing.ID
		m.encode(f)
		m.id = ""
	}},
	{"bit flip", 20, func(g *floodgen, m *badMessage, _ map[string]any) {
		for range 1 + g.IntN(2) {
			m.Data[g.IntN(len(m.Data))] ^= 1 << g.IntN(8)
		}
		m.judged = true
	}},
	{"cancel", 4, func(g *floodgen, m *badMessage, _ map[string]any) {
		m.Subject, m.id = contracts.SubjectCancel, ""
		m.encode(map[string]any{"id": g.uuid(), "job": []any{g.uuid() + "0", 7, nil, ""}[g.IntN(4)]})
	}},
}

func slicesInsert(b []byte, at int, c byte) []byte {
	return append(append(append([]byte{}, b[:at]...), c), b[at:]...)
}

func (m *badMessage) encode(fields map[string]any) {
	body, err := json.Marshal(fields)
	if err != nil {
		panic(fmt.Sprintf("a value of the flood has no JSON: %v", err)) // a mistake of the test's own
	}
	m.Data = body
}

// next is the flood's next message.
func (g *floodgen) next() badMessage {
	total := 0
	for _, c := range floodClasses {
		total += c.weight
	}
	pick := g.IntN(total)
	for _, c := range floodClasses {
		if pick -= c.weight; pick < 0 {
			subject, fields := g.valid()
			m := badMessage{Msg: &nats.Msg{Subject: subject}, class: c.name, id: fields["id"].(string), alone: true}
			m.encode(fields)
			c.make(g, &m, fields)
			return m
		}
	}
	panic("unreachable: the weights sum up to the total")
}
