package local

import (
	"maps"
	"slices"
	"strconv"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// attributes are an agent's attributes as texts, sorted by name.
func attributes(m map[string]string) []mesos.Attribute {
	var out []mesos.Attribute
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: m[name]}})
	}
	return out
}

// domain is a fault domain; nil where there is none.
func domain(region, zone string) *mesos.DomainInfo {
	if region == "" && zone == "" {
		return nil
	}
	return &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: region},
		Zone:   mesos.DomainInfo_FaultDomain_ZoneInfo{Name: zone},
	}}
}

// durationString writes a duration as Mesos does: 5secs, 15mins, 1.5mins.
func durationString(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{
		{7 * 24 * time.Hour, "weeks"}, {24 * time.Hour, "days"}, {time.Hour, "hrs"}, {time.Minute, "mins"},
		{time.Second, "secs"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"},
	}
	for _, u := range units {
		if d >= u.size {
			return strconv.FormatFloat(float64(d)/float64(u.size), 'g', 15, 64) + u.name
		}
	}
	return strconv.FormatInt(d.Nanoseconds(), 10) + "ns"
}
