package mesos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"pgregory.net/rapid"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// offer reads an offer that is written as JSON without what does not matter.
func offer(t testing.TB, id, agent, ip, rest string) v1.Offer {
	t.Helper()
	text := fmt.Sprintf(`[{"id":{"value":%q},"framework_id":{"value":"f"},"agent_id":{"value":%q},"hostname":"box",
		"url":{"scheme":"http","address":{"ip":%q,"port":5051}},"allocation_info":{"role":"r"},%s}]`, id, agent, ip, rest)
	offers, err := ParseOffers([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return offers[0]
}

// resources writes resources: cpus, mem and one range of ports, with more in each.
func resources(cpus, mem float64, begin, end int, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"name":"cpus","type":"SCALAR","scalar":{"value":%[1]g}%[5]s},
		{"name":"mem","type":"SCALAR","scalar":{"value":%[2]g}%[5]s},
		{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":%[3]d,"end":%[4]d}]}%[5]s}`, cpus, mem, begin, end, more)
}

func reserved(roles ...string) string {
	var stack []string
	for _, role := range roles {
		stack = append(stack, fmt.Sprintf(`{"type":"DYNAMIC","role":%q,"principal":"p"}`, role))
	}
	return `"reservations":[` + strings.Join(stack, ",") + `]`
}

func mustHosts(t testing.TB, offers []v1.Offer, q Query) ([]chunkdist.Host, []Unusable) {
	t.Helper()
	hosts, unusable, err := HostsOf(offers, q)
	if err != nil {
		t.Fatal(err)
	}
	return hosts, unusable
}

func TestHostsMergesPerHostAndPerAgent(t *testing.T) {
	t.Parallel()
	offers := []v1.Offer{
		offer(t, "o1", "a2", "10.0.0.10", `"resources":[`+resources(1, 512, 31000, 31004, "")+`]`),
		offer(t, "o2", "a1", "10.0.0.10", `"resources":[`+resources(2, 1024, 32000, 32004, "")+`]`),
		offer(t, "o3", "a3", "10.0.0.9", `"resources":[`+resources(0.1, 64, 31000, 31000, "")+`]`),
		// More of a1, reserved, adjacent ports.
		offer(t, "o4", "a1", "10.0.0.10", `"resources":[`+resources(0.5, 256, 32005, 32009, reserved("r"))+`]`),
	}
	want := []chunkdist.Host{
		{Name: "10.0.0.9", Agents: []chunkdist.Agent{{ID: "a3", CPUs: 0.1, MemoryMB: 64, Ports: []chunkdist.PortRange{{Begin: 31000, End: 31000}}}}},
		{Name: "10.0.0.10", Agents: []chunkdist.Agent{
			{ID: "a1", CPUs: 2.5, MemoryMB: 1280, Ports: []chunkdist.PortRange{{Begin: 32000, End: 32009}}},
			{ID: "a2", CPUs: 1, MemoryMB: 512, Ports: []chunkdist.PortRange{{Begin: 31000, End: 31004}}},
		}},
	}
	for range 20 {
		rand.Shuffle(len(offers), func(i, j int) { offers[i], offers[j] = offers[j], offers[i] })
		got, unusable := mustHosts(t, offers, Query{Role: "r"})
		if !reflect.DeepEqual(got, want) || unusable != nil {
			t.Fatalf("got %+v, %v; want %+v whatever the order", got, unusable, want)
		}
	}
}

func TestHostsCountsOnlyWhatTheRoleMayUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more   string
		role   string
		usable bool
	}{
		"unreserved":                  {"", "r", true},
		"allocated":                   {`"allocation_info":{"role":"r"}`, "r", true},
		"reserved to the role":        {reserved("r"), "r", true},
		"refined to the role":         {reserved("eng", "eng/r"), "eng/r", true},
		"reserved to an ancestor":     {reserved("eng"), "eng/r", true},
		"refined to another":          {reserved("r", "r/x"), "r", false},
		"reserved to another":         {reserved("other"), "r", false},
		"a role that is only longer":  {reserved("r"), "rx", false},
		"old form, the role's":        {`"role":"r"`, "r", true},
		"old form, another's":         {`"role":"other","reservation":{"principal":"p"}`, "r", false},
		"old form, unreserved":        {`"role":"*"`, "r", true},
		"revocable":                   {`"revocable":{}`, "r", false},
		"shared":                      {`"shared":{}`, "r", false},
		"on a disk":                   {`"disk":{}`, "r", false},
		"of a resource provider":      {`"provider_id":{"value":"p"}`, "r", false},
		"dynamic, old form, the role": {`"role":"r","reservation":{"principal":"p"}`, "r", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := offer(t, "o", "a", "10.0.0.1", `"resources":[`+resources(1, 512, 31000, 31001, c.more)+`]`)
			o.AllocationInfo.Role = &c.role
			hosts, unusable := mustHosts(t, []v1.Offer{o}, Query{Role: c.role})
			if got := len(hosts) == 1; got != c.usable || got == (len(unusable) == 1) {
				t.Errorf("hosts %v, unusable %v; want usable %v", hosts, unusable, c.usable)
			}
		})
	}
}

func TestHostsSaysWhatIsUnusable(t *testing.T) {
	t.Parallel()
	some := `"resources":[` + resources(1, 512, 31000, 31001, "") + `]`
	zone := func(region, zone string) string {
		return fmt.Sprintf(`"domain":{"fault_domain":{"region":{"name":%q},"zone":{"name":%q}}},`, region, zone)
	}
	rack := func(name string) string {
		return fmt.Sprintf(`"attributes":[{"name":"rack","type":"TEXT","text":{"value":%q}}],`, name)
	}
	elsewhere := offer(t, "o", "a", "10.0.0.1", some)
	other := "other"
	elsewhere.AllocationInfo.Role = &other
	for name, c := range map[string]struct {
		offers []v1.Offer
		q      Query
		domain string // of the first host
		reason string // of the first unusable agent
	}{
		"no IP at all":        {[]v1.Offer{offer(t, "o", "a", "", some)}, Query{}, "", "IP address"},
		"the unspecified IP":  {[]v1.Offer{offer(t, "o", "a", "0.0.0.0", some)}, Query{}, "", "IP address"},
		"another role's":      {[]v1.Offer{elsewhere}, Query{}, "", `offered to role "other"`},
		"nothing":             {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", `"resources":[]`)}, Query{}, "", "no cpus, mem or ports"},
		"others' reservation": {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", `"resources":[`+resources(1, 1, 1, 1, reserved("x"))+`]`)}, Query{}, "", "cpus reserved to x"},
		"maintenance":         {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", some+`,"unavailability":{"start":{"nanoseconds":1}}`)}, Query{}, "", "maintenance"},
		"zone":                {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", zone("eu", "a")+some)}, Query{FaultDomain: "zone"}, "eu/a", ""},
		"region":              {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", zone("eu", "a")+some)}, Query{FaultDomain: "region"}, "eu", ""},
		"no zone":             {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", some)}, Query{FaultDomain: "zone"}, "", "no fault domain"},
		"no zone, optional":   {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", some)}, Query{FaultDomain: "zone", DomainOptional: true}, "", ""},
		"attribute":           {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", rack("r1")+some)}, Query{FaultDomain: "attribute:rack"}, "r1", ""},
		"no such attribute":   {[]v1.Offer{offer(t, "o", "a", "10.0.0.1", rack("r1")+some)}, Query{FaultDomain: "attribute:row"}, "", `no attribute "row"`},
		"two racks, one host": {[]v1.Offer{
			offer(t, "o1", "a", "10.0.0.1", rack("r1")+some), offer(t, "o2", "b", "10.0.0.1", rack("r2")+some),
		}, Query{FaultDomain: "attribute:rack"}, "r1", `another agent of this host is in "r1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.q.Role = "r"
			hosts, unusable := mustHosts(t, c.offers, c.q)
			if c.reason == "" {
				if len(hosts) != 1 || hosts[0].Domain != c.domain || len(unusable) != 0 {
					t.Errorf("got %+v, %v; want one host in %q", hosts, unusable, c.domain)
				}
				return
			}
			if len(unusable) != 1 || !strings.Contains(unusable[0].String(), c.reason) {
				t.Errorf("got %v, want one agent with %q", unusable, c.reason)
			}
		})
	}
	for _, bad := range []string{"rack", "attribute:", "Host"} {
		if _, _, err := HostsOf(nil, Query{FaultDomain: bad}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("fault domain %q: %v", bad, err)
		}
	}
}

func TestHostnameThatIsAnIP(t *testing.T) {
	t.Parallel()
	o := offer(t, "o", "a", "", `"resources":[`+resources(1, 512, 31000, 31001, "")+`]`)
	o.URL, o.Hostname = nil, "::ffff:10.0.0.7"
	if hosts, unusable := mustHosts(t, []v1.Offer{o}, Query{Role: "r"}); len(hosts) != 1 || hosts[0].Name != "10.0.0.7" {
		t.Errorf("got %v, %v", hosts, unusable)
	}
}

// The recorded offers of a real master are hosts.
func TestHostsOfRecordedOffers(t *testing.T) {
	t.Parallel()
	for file, events := range recorded(t) {
		for _, text := range events {
			e, err := JSON.decode(text)
			if err != nil {
				t.Fatal(err)
			}
			offers, ok := eventOf(e).(Offers)
			if !ok {
				continue
			}
			for _, o := range offers.Offers {
				hosts, unusable := mustHosts(t, []v1.Offer{o}, Query{Role: o.AllocationInfo.GetRole()})
				if len(hosts) != 1 || hosts[0].Name != o.Hostname || hosts[0].Agents[0].CPUs <= 0 || len(unusable) > 0 {
					t.Errorf("%s: %v is %v, %v", file, o, hosts, unusable)
				}
			}
		}
	}
}

func TestParseOffersNamesThePlace(t *testing.T) {
	t.Parallel()
	agent := `"agent_id":{"value":"a"},"hostname":"h"`
	for text, want := range map[string]string{
		``:                               "unexpected end",
		"[\n  {\"id\": }\n]":             "line 2, column 10",
		`{"offers":{"offers":[]}}`:       ".offers.offers",
		`"x"`:                            "array of offers",
		`[{}]`:                           "[0].agent_id.value: missing",
		`[{"agent_id":{"value":"a"}}]`:   "[0].url.address.ip: missing",
		`[{` + agent + `,"hostname":7}]`: "[0]",
		`[{` + agent + `,"id":{"value":"o"}},{` + agent + `,"id":{"value":"o"}}]`:                                                           `[1].id: "o" is the ID of [0] too`,
		`[{` + agent + `,"resources":[{"type":"SCALAR"}]}]`:                                                                                 "[0].resources[0].name: missing",
		`[{` + agent + `,"resources":[{"name":"cpus","type":"SCALA"}]}]`:                                                                    "[0].resources[0].type: of cpus",
		`[{` + agent + `,"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]}]`:                                             "[0].resources[0].scalar.value: of cpus",
		`[{` + agent + `,"resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":2,"end":1}]}}]}]`:                         "[0].resources[0].ranges.range[0]",
		`[{` + agent + `,"resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":9},{"begin":1,"end":70000}]}}]}]`: "range[1]: of ports: 70000",
	} {
		if _, err := ParseOffers([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// What a recorded OFFERS event holds is an offers file.
func TestParseOffersReadsARecordedEvent(t *testing.T) {
	t.Parallel()
	for _, line := range recorded(t)["15-ports.jsonl"] {
		var event struct {
			Type   string
			Offers struct{ Offers json.RawMessage }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		if event.Type != "OFFERS" {
			continue
		}
		offers, err := ParseOffers(event.Offers.Offers)
		if err != nil || len(offers) == 0 {
			t.Fatalf("%v: %s", err, event.Offers.Offers)
		}
		hosts, _ := mustHosts(t, offers, Query{Role: "golden"})
		if ports := hosts[0].Agents[0].Ports; len(ports) != 3 {
			t.Errorf("ports %v, want the three ranges of the recording", ports)
		}
		return
	}
	t.Fatal("no OFFERS")
}

// Whatever is offered, handing it out gives exactly what was asked for, never more than was
// offered, and no port twice.
func TestStockHandsOutWhatItHas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var offers []v1.Offer
		for i := range rapid.IntRange(1, 4).Draw(rt, "offers") {
			more := rapid.SampledFrom([]string{"", reserved("r"), reserved("x", "r"), reserved("other"), `"revocable":{}`}).Draw(rt, "more")
			begin := 31000 + 10*i
			offers = append(offers, offer(t, fmt.Sprint("o", i), "a", "10.0.0.1", `"resources":[`+resources(
				float64(rapid.IntRange(0, 3000).Draw(rt, "cpus"))/1000, float64(rapid.IntRange(0, 500).Draw(rt, "mem")),
				begin, begin+rapid.IntRange(0, 9).Draw(rt, "ports"), more)+`]`))
		}
		s := stockOf(offers, "r")
		var ports []int
		for _, r := range s.portRanges() {
			for p := r.Begin; p <= r.End; p++ {
				ports = append(ports, p)
			}
		}
		have := s.total(resourceCPUs)
		for used := map[int]bool{}; ; {
			amount := milli(rapid.IntRange(1, 700).Draw(rt, "amount"))
			taken, err := s.takeScalar(resourceCPUs, amount)
			if (err == nil) != (amount <= have) {
				rt.Fatalf("asked for %d of %d: %v", amount, have, err)
			}
			if err != nil {
				return
			}
			have -= amount
			var sum milli
			for _, r := range taken {
				if usable(r, "r") != "" || r.AllocationInfo.GetRole() != "r" {
					rt.Fatalf("handed out %v", r)
				}
				sum += toMilli(r.Scalar.Value)
			}
			if sum != amount || have != s.total(resourceCPUs) {
				rt.Fatalf("asked for %d, got %d; %d left, want %d", amount, sum, s.total(resourceCPUs), have)
			}
			if len(ports) == 0 {
				continue
			}
			port := rapid.SampledFrom(ports).Draw(rt, "port")
			if _, err := s.takePorts(port); (err == nil) == used[port] {
				rt.Fatalf("port %d, taken before: %v: %v", port, used[port], err)
			}
			used[port] = true
		}
	})
}
