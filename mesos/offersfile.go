package mesos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/clustersmith/clustersmith/mesos/internal/wirejson"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// ParseOffers reads a JSON array of Mesos v1 offers, as in an OFFERS event. Errors name the
// place: line and column of a syntax error, else the offer and the field.
func ParseOffers(text []byte) ([]v1.Offer, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("offers: %w", place(text, err))
	}
	offers := make([]v1.Offer, len(raw))
	seen := map[string]int{}
	for i, one := range raw {
		if err := wirejson.Unmarshal(one, &offers[i]); err != nil {
			return nil, fmt.Errorf("offers: [%d]: %w", i, err)
		}
		if err := checkOffer(offers[i]); err != nil {
			return nil, fmt.Errorf("offers: [%d].%w", i, err)
		}
		id := offers[i].ID.Value
		if first, twice := seen[id]; twice && id != "" {
			return nil, fmt.Errorf("offers: [%d].id: %q is the ID of [%d] too", i, id, first)
		}
		seen[id] = i
	}
	return offers, nil
}

// place adds where in text a JSON error is.
func place(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset := int64(-1)
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		return fmt.Errorf("a JSON array of offers is expected, not a %s (of an OFFERS event it is .offers.offers)", kind.Value)
	}
	if offset < 0 || offset > int64(len(text)) {
		return err
	}
	before := text[:offset]
	return fmt.Errorf("line %d, column %d: %w", bytes.Count(before, []byte("\n"))+1,
		len(before)-(bytes.LastIndexByte(before, '\n')+1), err)
}

func checkOffer(o v1.Offer) error {
	if o.AgentID.Value == "" {
		return errors.New("agent_id.value: missing")
	}
	if o.Hostname == "" && addressIP(o) == "" {
		return errors.New("url.address.ip: missing, and so is hostname")
	}
	for i, r := range o.Resources {
		if err := checkResource(r); err != nil {
			return fmt.Errorf("resources[%d].%w", i, err)
		}
	}
	return nil
}

func checkResource(r v1.Resource) error {
	switch {
	case r.Name == "":
		return errors.New("name: missing")
	case r.Type == nil:
		return fmt.Errorf("type: of %s: missing or unknown", r.Name)
	case *r.Type == v1.SCALAR:
		if v := r.GetScalar().GetValue(); r.Scalar == nil || math.IsNaN(v) || v < 0 || v > 1e12 {
			return fmt.Errorf("scalar.value: of %s: missing, negative or beyond reason", r.Name)
		}
	case *r.Type == v1.RANGES:
		for i, span := range r.GetRanges().GetRange() {
			if span.Begin > span.End {
				return fmt.Errorf("ranges.range[%d]: of %s: %d to %d is not ascending", i, r.Name, span.Begin, span.End)
			}
			if r.Name == resourcePorts && span.End > math.MaxUint16 {
				return fmt.Errorf("ranges.range[%d]: of ports: %d is above %d", i, span.End, math.MaxUint16)
			}
		}
	}
	return nil
}
