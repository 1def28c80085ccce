package mesos

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// threeHosts are offers of three hosts; the first has its resources in two offers.
func threeHosts(t testing.TB) []v1.Offer {
	t.Helper()
	return []v1.Offer{
		offer(t, "o1", "a1", "10.0.0.1", `"resources":[`+resources(0.3, 100, 31000, 31001, reserved("r"))+`]`),
		offer(t, "o2", "a1", "10.0.0.1", `"resources":[`+resources(2, 1024, 31002, 31009, "")+`]`),
		offer(t, "o3", "a2", "10.0.0.2", `"resources":[`+resources(2, 1024, 31000, 31009, "")+`]`),
		offer(t, "o4", "a3", "10.0.0.3", `"resources":[`+resources(2, 1024, 31000, 31009, "")+`]`),
		offer(t, "o5", "a4", "10.0.0.4", `"resources":[`+resources(0.01, 1, 31000, 31009, "")+`]`),
	}
}

func orderOf(t testing.TB, offers []v1.Offer, masters, replicas int) Order {
	t.Helper()
	hosts, _ := mustHosts(t, offers, Query{Role: "r"})
	spec := chunkdist.Spec{
		Cluster: "orders", UID: "uid", Masters: masters, Replicas: replicas,
		Node: chunkdist.Resources{CPUs: 0.5, MemoryMB: 128}, Overhead: chunkdist.Resources{CPUs: 0.1, MemoryMB: 32},
	}
	plan, err := chunkdist.Place(spec, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return Order{
		Framework: "f-1", Role: "r", Node: spec.Node, Overhead: spec.Overhead,
		Bundle:   bundle.Bundle{Plan: plan, Job: "job-1", Attempt: 1, Flavor: "redis", Version: "7.0", MemoryMB: 128},
		Executor: Executor{Command: "/opt/clustersmith-executor", Env: map[string]string{"B": "2", "A": "1"}, ShutdownGrace: 3 * time.Second},
	}
}

func TestLaunches(t *testing.T) {
	t.Parallel()
	offers := threeHosts(t)
	order := orderOf(t, offers, 3, 1)
	launches, rest, err := order.Launches(offers)
	if err != nil {
		t.Fatal(err)
	}
	if len(launches) != 3 || !reflect.DeepEqual(rest, []v1.OfferID{{Value: "o5"}}) {
		t.Fatalf("%d launches, rest %v; want 3 and o5", len(launches), rest)
	}
	agentOf := map[string]string{}
	for _, o := range offers {
		agentOf[o.ID.Value] = o.AgentID.Value
	}
	for _, l := range launches {
		for _, id := range l.Offers {
			if agentOf[id.Value] != l.Agent {
				t.Errorf("the launch of %s names offer %s of %s", l.Agent, id.Value, agentOf[id.Value])
			}
		}
		cpus, mem := milli(0), milli(0)
		ports := map[uint64]bool{}
		for i, task := range l.Tasks {
			n := order.Bundle.Plan.Nodes[mustIndex(t, task.TaskID.Value)]
			if task.AgentID.Value != l.Agent || n.Agent != l.Agent || task.Executor != l.Tasks[0].Executor {
				t.Errorf("task %s on %s, executor shared %v", task.TaskID.Value, task.AgentID.Value, task.Executor == l.Tasks[0].Executor)
			}
			taken := task.Resources
			if i == 0 {
				taken = append(append([]v1.Resource(nil), taken...), task.Executor.Resources...)
			}
			for _, r := range taken {
				if r.AllocationInfo.GetRole() != "r" {
					t.Errorf("%s without its allocation", r.Name)
				}
				switch r.Name {
				case "cpus":
					cpus += toMilli(r.Scalar.Value)
				case "mem":
					mem += toMilli(r.Scalar.Value)
				case "ports":
					for _, span := range r.Ranges.Range {
						ports[span.Begin] = true
					}
				}
			}
			if !ports[uint64(n.Port)] || !ports[uint64(n.BusPort)] {
				t.Errorf("node %d has not got its ports %d and %d", n.Index, n.Port, n.BusPort)
			}
		}
		if n := len(l.Tasks); cpus != milli(500*n+100) || mem != milli(128000*n+32000) || len(ports) != 2*n {
			t.Errorf("%d nodes of %s take %d, %d and %d ports", n, l.Agent, cpus, mem, len(ports))
		}
	}
}

func mustIndex(t testing.TB, task string) int {
	t.Helper()
	i, err := bundle.NodeIndex(task)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// A task keeps the reservations of what it takes.
func TestLaunchesKeepReservations(t *testing.T) {
	t.Parallel()
	offers := threeHosts(t)
	launches, _, err := orderOf(t, offers, 3, 0).Launches(offers)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range launches {
		if l.Agent != "a1" {
			continue
		}
		var seen []string
		task := l.Tasks[0]
		for _, r := range append(append([]v1.Resource(nil), task.Executor.Resources...), task.Resources...) {
			if r.Scalar != nil {
				seen = append(seen, fmt.Sprintf("%s %g %d", r.Name, r.Scalar.Value, len(r.Reservations)))
			}
		}
		// 0.3 cores and 100 MiB are reserved; the executor takes its share first.
		want := []string{"cpus 0.1 1", "mem 32 1", "cpus 0.2 1", "cpus 0.3 0", "mem 68 1", "mem 60 0"}
		if !reflect.DeepEqual(seen, want) {
			t.Errorf("got %v, want %v", seen, want)
		}
		return
	}
	t.Fatal("nothing is launched on a1")
}

func TestTaskDescription(t *testing.T) {
	t.Parallel()
	offers := threeHosts(t)
	order := orderOf(t, offers, 3, 1)
	launches, _, err := order.Launches(offers)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]v1.TaskInfo{}
	for _, l := range launches {
		for _, task := range l.Tasks {
			byID[task.TaskID.Value] = task
		}
	}
	task := byID["node-4"]
	labels := map[string]string{}
	for _, l := range task.Labels.Labels {
		labels[l.Key] = l.GetValue()
	}
	n := order.Bundle.Plan.Nodes[4]
	want := map[string]string{
		bundle.LabelCluster: "orders", bundle.LabelJob: "job-1", bundle.LabelNode: "4",
		bundle.LabelShard: fmt.Sprint(*n.Master), bundle.LabelRole: "replica",
	}
	if !reflect.DeepEqual(labels, want) {
		t.Errorf("labels %v, want %v", labels, want)
	}
	d := task.Discovery
	if d.Visibility != v1.CLUSTER || !reflect.DeepEqual(d.Labels, task.Labels) {
		t.Errorf("discovery is for %v with %v", d.Visibility, d.Labels)
	}
	for i, want := range []struct {
		name string
		port int
	}{{"redis", n.Port}, {"bus", n.BusPort}} {
		if p := d.Ports.Ports[i]; p.GetName() != want.name || int(p.Number) != want.port || p.GetProtocol() != "tcp" {
			t.Errorf("port %v, want %v", p, want)
		}
	}
	if task.Name != "orders-4" {
		t.Errorf("the task is called %q", task.Name)
	}
	if d.GetName() != "orders" || len(d.Ports.Ports) != 2 || d.Ports.Ports[0].GetName() != "redis" || d.Ports.Ports[0].Number != uint32(n.Port) {
		t.Errorf("discovery %v", d)
	}
	e := task.Executor
	if e.Type != v1.ExecutorInfo_CUSTOM || e.ExecutorID.Value != bundle.ExecutorID("orders") || e.FrameworkID.Value != "f-1" ||
		e.ShutdownGracePeriod.Nanoseconds != 3e9 {
		t.Errorf("executor %v", e)
	}
	if got, err := bundle.Decode(e.Data); err != nil || !reflect.DeepEqual(got.Plan, order.Bundle.Plan) {
		t.Errorf("the executor's data is not the bundle: %v", err)
	}
	if e.Container != nil {
		t.Errorf("a container without an image: %v", e.Container)
	}
	order.Executor.Image = "redis:7.0"
	if launches, _, err = order.Launches(offers); err != nil {
		t.Fatal(err)
	}
	in := launches[0].Tasks[0].Executor.Container
	if in == nil || *in.Type != v1.ContainerInfo_MESOS || in.Mesos.Image.GetType() != v1.Image_DOCKER || in.Mesos.Image.Docker.Name != "redis:7.0" {
		t.Errorf("the container of the image is %v", in)
	}
	c := e.Command
	if c.GetShell() || c.GetValue() != "/opt/clustersmith-executor" || !reflect.DeepEqual(c.Arguments, []string{"/opt/clustersmith-executor"}) {
		t.Errorf("command %v", c)
	}
	if v := c.Environment.Variables; len(v) != 2 || v[0].Name != "A" || v[1].GetValue() != "2" {
		t.Errorf("environment %v, want it sorted", v)
	}
}

func TestExecutorCommand(t *testing.T) {
	t.Parallel()
	uri := "https://files.example/clustersmith-executor-3f2a"
	c, err := Executor{Command: uri}.command()
	if err != nil {
		t.Fatal(err)
	}
	if u := c.URIs; len(u) != 1 || u[0].Value != uri || !u[0].GetExecutable() || u[0].GetExtract() ||
		u[0].GetOutputFile() != "clustersmith-executor" || c.GetValue() != "./clustersmith-executor" || c.GetShell() {
		t.Errorf("got %v", c)
	}
	sum := strings.Repeat("0123456789abcdef", 4)
	for uri, want := range map[string]bool{
		"http://h/clustersmith-executor-" + sum:        true,
		"http://h/" + sum:                              true,
		"http://h/e_" + sum + ".bin?x=1":               true,
		"http://h/executor." + sum + "/executor":       false, // another file in a folder of that name
		"http://h/clustersmith-executor-" + sum + "0":  false,
		"http://h/clustersmith-executor-" + sum[:63]:   false,
		"http://h/clustersmith-executor?sha256=" + sum: false,
	} {
		c, err := Executor{Command: uri}.command()
		if err != nil || c.GetShell() != want || strings.Contains(c.GetValue(), sum) != want || (len(c.Arguments) == 0) != want {
			t.Errorf("%s: checked %v, want %v: %v, %v", uri, c.GetShell(), want, c, err)
		}
	}
	for command, want := range map[string]string{
		"/opt/e":          `cd "$MESOS_SANDBOX" || exit 1; exec ./clustersmith-executor`,
		"http://h/e":      `cd "$MESOS_SANDBOX" || exit 1; exec ./clustersmith-executor`,
		"http://h/" + sum: `cd "$MESOS_SANDBOX" || exit 1; ` + checked(sum),
	} {
		c, err := Executor{Command: command, Image: "redis:7.0"}.command()
		if err != nil || !c.GetShell() || c.GetValue() != want || len(c.URIs) != 1 || c.URIs[0].Value != command || !c.URIs[0].GetExecutable() {
			t.Errorf("%s in an image: %v, %v", command, c, err)
		}
	}
	for _, bad := range []string{"", "bin/executor", "./executor", "ftp://h/e", "http://"} {
		if _, err := (Executor{Command: bad}).command(); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestLaunchesRefuseStaleOffers(t *testing.T) {
	t.Parallel()
	all := threeHosts(t)
	order := orderOf(t, all, 3, 1)
	less := func(change func([]v1.Offer)) []v1.Offer {
		offers := threeHosts(t)
		change(offers)
		return offers
	}
	other := "other"
	for name, c := range map[string]struct {
		offers []v1.Offer
		want   string
	}{
		"an agent is gone":  {all[:3], "a3 of host 10.0.0.3"},
		"another role's":    {less(func(o []v1.Offer) { o[3].AllocationInfo.Role = &other }), "a3"},
		"less cpu":          {less(func(o []v1.Offer) { o[2].Resources[0].Scalar.Value = 0.7 }), "cpus are needed"},
		"less memory":       {less(func(o []v1.Offer) { o[2].Resources[1].Scalar.Value = 100 }), "mem are needed"},
		"no executor share": {less(func(o []v1.Offer) { o[2].Resources[0].Scalar.Value = 0.05 }), "executor"},
		"other ports":       {less(func(o []v1.Offer) { o[2].Resources[2].Ranges.Range[0].Begin = 31008 }), "is not offered"},
	} {
		if _, _, err := order.Launches(c.offers); !errors.Is(err, ErrStaleOffers) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want stale offers with %q", name, err, c.want)
		}
	}
	if _, _, err := order.Launches(all); err != nil {
		t.Errorf("the offers were changed: %v", err)
	}
}
