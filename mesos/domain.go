package mesos

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// domainFunc gives what reads the fault domain of an offer's agent. A zone is named with its
// region, since zones of two regions may share a name.
func domainFunc(kind string) (func(v1.Offer) (string, error), error) {
	switch name, isAttribute := strings.CutPrefix(kind, "attribute:"); {
	case kind == "" || kind == "host":
		return func(v1.Offer) (string, error) { return "", nil }, nil
	case kind == "zone":
		return func(o v1.Offer) (string, error) {
			region, zone, err := regionAndZone(o)
			return region + "/" + zone, err
		}, nil
	case kind == "region":
		return func(o v1.Offer) (string, error) {
			region, _, err := regionAndZone(o)
			return region, err
		}, nil
	case isAttribute && name != "":
		return func(o v1.Offer) (string, error) { return attribute(o, name) }, nil
	}
	return nil, fmt.Errorf("mesos: fault domain %q is none of host, zone, region and attribute:NAME", kind)
}

func regionAndZone(o v1.Offer) (region, zone string, err error) {
	d := o.GetDomain().GetFaultDomain()
	if d == nil {
		return "", "", errors.New("the agent has no fault domain (--domain)")
	}
	return d.Region.Name, d.Zone.Name, nil
}

// attribute is the text of an agent attribute.
func attribute(o v1.Offer, name string) (string, error) {
	i := slices.IndexFunc(o.Attributes, func(a v1.Attribute) bool { return a.Name == name })
	if i < 0 {
		return "", fmt.Errorf("the agent has no attribute %q (--attributes)", name)
	}
	switch a := o.Attributes[i]; {
	case a.Text != nil:
		return a.Text.Value, nil
	case a.Scalar != nil:
		return strconv.FormatFloat(a.Scalar.Value, 'g', -1, 64), nil
	default:
		return "", fmt.Errorf("attribute %q is neither a text nor a number", name)
	}
}
