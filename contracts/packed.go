package contracts

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// MaxPlainNodes is the largest plan, in nodes, that events and records carry as plain JSON. A
// larger one is in plan_gzip, so that no message outgrows what NATS servers take by default.
const MaxPlainNodes = 500

// maxPacked bounds a packed plan after decompression, in bytes: 8,192 masters with 4 replicas
// are about 10 MB.
const maxPacked = 64 << 20

// PackPlan writes a plan as plan_gzip has it: gzip of the plan's JSON. Equal plans give equal bytes.
func PackPlan(p Plan) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(text); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return packed.Bytes(), nil
}

// UnpackPlan is the inverse of PackPlan.
func UnpackPlan(packed []byte) (Plan, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return Plan{}, fmt.Errorf("packed plan: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(zip, maxPacked+1))
	if err != nil {
		return Plan{}, fmt.Errorf("packed plan: %w", err)
	}
	if len(text) > maxPacked {
		return Plan{}, fmt.Errorf("packed plan: more than %d bytes after decompression", maxPacked)
	}
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return Plan{}, fmt.Errorf("packed plan: %w", err)
	}
	return p, nil
}

// pack moves a plan of more than MaxPlainNodes nodes into its packed form.
func pack(plan **Plan, packed *[]byte) error {
	if *plan == nil || len((*plan).Nodes) <= MaxPlainNodes {
		return nil
	}
	b, err := PackPlan(**plan)
	if err != nil {
		return err
	}
	*plan, *packed = nil, b
	return nil
}

// unpack is the inverse of pack.
func unpack(plan **Plan, packed *[]byte) error {
	if *plan != nil || len(*packed) == 0 {
		return nil
	}
	p, err := UnpackPlan(*packed)
	if err != nil {
		return err
	}
	*plan, *packed = &p, nil
	return nil
}

// encode leaves the escaping of HTML to whoever encodes what this is a part of.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// MarshalJSON writes a large plan as plan_gzip.
func (d EventData) MarshalJSON() ([]byte, error) {
	type plain EventData
	if err := pack(&d.Plan, &d.PlanGzip); err != nil {
		return nil, err
	}
	return encode(plain(d))
}

// UnmarshalJSON reads a plan into Plan, however it was written.
func (d *EventData) UnmarshalJSON(text []byte) error {
	type plain EventData
	if err := json.Unmarshal(text, (*plain)(d)); err != nil {
		return err
	}
	return unpack(&d.Plan, &d.PlanGzip)
}

// MarshalJSON writes a large plan as plan_gzip.
func (c ClusterRecord) MarshalJSON() ([]byte, error) {
	type plain ClusterRecord
	if err := pack(&c.Plan, &c.PlanGzip); err != nil {
		return nil, err
	}
	return encode(plain(c))
}

// UnmarshalJSON reads a plan into Plan, however it was written.
func (c *ClusterRecord) UnmarshalJSON(text []byte) error {
	type plain ClusterRecord
	if err := json.Unmarshal(text, (*plain)(c)); err != nil {
		return err
	}
	return unpack(&c.Plan, &c.PlanGzip)
}
