package chunkdist

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzPlace decodes a request and hosts from JSON and plans them: whatever they are, the
// answer is a plan that keeps the rules or one of the two kinds of error.
func FuzzPlace(f *testing.F) {
	type input struct {
		Spec  Spec
		Hosts []Host
	}
	for _, in := range []input{
		{Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: Resources{1, 100}}, equalHosts(3, 4)},
		{Spec{Cluster: "c", UID: "u", Masters: 4, Replicas: 1, Node: Resources{1, 100}, Link: LinkRing}, equalHosts(3, 4)},
		{Spec{Masters: 5, Node: Resources{0.1, 1}, BusOffset: 1, DomainRule: Preferred}, equalHosts(4, 6)},
	} {
		data, err := json.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in input
		if json.Unmarshal(data, &in) != nil || in.Spec.Masters > 100 || in.Spec.Replicas > 5 || len(in.Hosts) > 30 {
			return
		}
		plan, err := Place(in.Spec, in.Hosts)
		var no *Infeasible
		var bad *InvalidInput
		switch {
		case errors.As(err, &no):
			if no.Have >= no.Need {
				t.Errorf("%d of %d: %v", no.Have, no.Need, no)
			}
			_ = DrawInfeasible(no)
		case errors.As(err, &bad):
		case err != nil:
			t.Errorf("neither kind of error: %v", err)
		default:
			if err := rulesKept(in.Spec, in.Hosts, plan); err != nil {
				t.Error(err)
			}
			_ = Draw(plan)
		}
	})
}

// FuzzValidate decodes a plan from JSON: whatever it is, Validate ends, and Draw draws what
// Validate lets pass.
func FuzzValidate(f *testing.F) {
	plan, err := Place(Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: Resources{1, 100}}, equalHosts(3, 4))
	if err != nil {
		f.Fatal(err)
	}
	data, err := json.Marshal(plan)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Plan
		if json.Unmarshal(data, &p) == nil && p.Validate() == nil {
			_ = Draw(p)
		}
	})
}
