package mesos_test

import (
	"fmt"

	"github.com/clustersmith/clustersmith/mesos"
)

// Two offers of one agent are one, and what is reserved to another role does not count.
func ExampleHostsOf() {
	offers, err := mesos.ParseOffers([]byte(`[
	  {"id": {"value": "o1"}, "agent_id": {"value": "s1"}, "hostname": "10.0.0.1", "resources": [
	    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}},
	    {"name": "mem", "type": "SCALAR", "scalar": {"value": 8192}},
	    {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31099}]}}]},
	  {"id": {"value": "o2"}, "agent_id": {"value": "s1"}, "hostname": "10.0.0.1", "resources": [
	    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}, "reservations": [{"type": "STATIC", "role": "caches"}]},
	    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 8}, "reservations": [{"type": "STATIC", "role": "web"}]}]},
	  {"id": {"value": "o3"}, "agent_id": {"value": "s2"}, "hostname": "box-17", "resources": []}
	]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts, unusable, err := mesos.HostsOf(offers, mesos.Query{Role: "caches"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hosts {
		fmt.Printf("%s: %+v\n", h.Name, h.Agents)
	}
	for _, u := range unusable {
		fmt.Println(u)
	}
	// Output:
	// 10.0.0.1: [{ID:s1 CPUs:6 MemoryMB:8192 Ports:[{Begin:31000 End:31099}]}]
	// agent s2 on box-17: nothing that role "caches" may use: no cpus, mem or ports
}
