package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

const job = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"

func TestWrongUsageIsStatus2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"cluster":"a","masters":3,"replicas":1,"node":{"cpus":1,"memory_mb":64},"colour":"red"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"frob", "--help"},
		{"create", "-f FILE"},
		{"create --cluster A", "cluster must be"},
		{"create --cluster a --masters 2", "masters must be 3 to 8192"},
		{"create --cluster a --masters x", "--masters"},
		{"create --cluster a --config port=1", "redis.config.port"},
		{"create --cluster a --deadline 10ms", "deadline must be"},
		{"create --cluster a --id 7", "id must be a UUID"},
		{"create -f " + bad, "colour is no field"},
		{"create -f " + bad + " --masters 4", "leave -f out"},
		{"create -f " + dir + "/none.json", "no such file"},
		{"create --cluster a -o yaml", "--output"},
		{"destroy", "<cluster>"},
		{"destroy A --wait", "cluster must be"},
		{"verify -- -a", "cluster must be"},
		{"cancel a", "clustersmith status"},
		{"create --cluster a --masters 0", "masters must be 3 to 8192"},
		{"create --cluster a --memory 0", "node.memory_mb must be"},
		{"create --cluster a --cpus 0", "node.cpus must be"},
		{"create -f " + bad + " --masters 0", "leave -f out"},
		{"status A", "cluster must be"},
		{"watch a.b", "cluster must be"},
		{"watch --replay *", "cluster must be"},
		{"plan --cluster a --offers testdata/offers.json --masters 800", "node.memory_mb 256 MB is too little"},
		{"plan --cluster a --offers testdata/offers.json --config maxmemory=lots", "redis.config.maxmemory"},
		{"plan --cluster a --mesos http://me:hunter2@127.0.0.1:1", "CLUSTERSMITH_MESOS_SECRET_FILE"},
		{"plan --cluster a", "--offers"},
		{"plan --cluster a --offers testdata/offers.json --mesos http://127.0.0.1:1", "can't be used together"},
		{"plan --cluster a --offers " + bad, "offers"},
		{"plan --cluster a --offers testdata/offers.json --version 3.2", "redis.version"},
		{"plan --cluster a --mesos 127.0.0.1", "http://"},
		{"nodesconf -f " + bad + " --node 0", "clustersmith plan"},
		{"nodesconf -f testdata/offers.json --node 0", "clustersmith plan"},
		{"dev --agents 300", "--agents"},
		{"dev --nats localhost", "--nats"},
		{"dev --agent-resources cpus", "--agent-resources"},
	} {
		r := command(t, t.Context(), strings.Fields(c.args)...)
		r.want(t, BadInput, "", c.says)
		if strings.Contains(r.stderr, "hunter2") {
			t.Errorf("%s: the secret is told", c.args)
		}
	}
}

// A server's URL may hold a password, which no message repeats.
func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"nats://me:hunter2@127.0.0.1:1", "me:hunter2@127.0.0.1:1", "nats://hunter2@127.0.0.1:1", "nats://127.0.0.1:1,nats://me:hunter2@127.0.0.1:2",
		"nats://me:hunter2@127.0.0.1:port", "nats://me:hunter2%@127.0.0.1:1",
	} {
		r := command(t, t.Context(), "status", "--nats", url)
		r.want(t, Unreachable, "", "NATS at ")
		if strings.Contains(r.stderr, "hunter2") || !strings.Contains(r.stderr, "127.0.0.1") {
			t.Errorf("%s: %s", url, r.stderr)
		}
	}
}

// A program that asked for JSON gets JSON, also where its other arguments are wrong.
func TestWrongUsageInJSON(t *testing.T) {
	t.Parallel()
	for args, inJSON := range map[string]bool{
		"status --frob -o json": true, "status -ojson --frob": true, "status --output json --frob": true, "frob --output=json": true,
		"status --frob": false, "status --frob -o text": false, "status -o": false, "status --frob -- -o json": false,
	} {
		r := command(t, t.Context(), strings.Fields(args)...)
		r.want(t, BadInput, "", "clustersmith --help")
		if json.Valid([]byte(r.stderr)) != inJSON {
			t.Errorf("%s: %s", args, r.stderr)
		}
	}
}

// An input that gives nothing does not keep a command from being interrupted.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"create -f -", "plan -f - --mesos http://127.0.0.1:1", "nodesconf -f - --node 0"} {
		in, end := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var out, stderr buffer
		done := make(chan Status, 1)
		go func() { done <- run(ctx, func() {}, strings.Fields(args), in, &out, &stderr) }()
		if _, err := end.Write([]byte("{")); err != nil { // it reads
			t.Fatal(err)
		}
		cancel()
		select {
		case status := <-done:
			result{status, out.String(), stderr.String()}.want(t, Interrupted, "", "interrupted")
		case <-time.After(10 * time.Second):
			t.Errorf("%s goes on", args)
		}
		end.Close()
	}
}

func TestHelpIsDone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"create", "--help"}, {"worker", "--help"}} {
		command(t, t.Context(), args...).want(t, Done, "Usage: clustersmith", "")
	}
	command(t, t.Context(), "--help").want(t, Done, "130 interrupted", "")
}

func TestUnreachableServerIsStatus3(t *testing.T) {
	t.Parallel()
	const nowhere = "nats://127.0.0.1:1"
	for _, args := range []string{"create --cluster a", "watch", "status", "verify a", "destroy a", "cancel " + job} {
		command(t, t.Context(), append(strings.Fields(args), "--nats", nowhere)...).want(t, Unreachable, "", "clustersmith dev")
	}
	command(t, t.Context(), "plan", "--cluster", "a", "--mesos", "http://127.0.0.1:1", "--offer-wait", "100ms").want(t, Unreachable, "", "Mesos at")

	r := command(t, t.Context(), "status", "-o", "json", "--nats", nowhere)
	var doc struct {
		Error  string `json:"error"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal([]byte(r.stderr), &doc); err != nil || doc.Status != 3 || doc.Error == "" || r.out != "" {
		t.Errorf("with -o json: %q, %v", r.stderr, err)
	}
}

func TestServersWithoutStreamsSaySo(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*broker{"JetStream": startBareBroker(t, false), "clustersmith worker": startBareBroker(t, true)} {
		for _, args := range []string{"create --cluster a --wait", "watch", "watch --replay", "status", "verify a"} {
			t.Run(name+"/"+args, func(t *testing.T) {
				t.Parallel()
				command(t, t.Context(), append(strings.Fields(args), "--nats", b.url)...).want(t, Unreachable, "", name)
			})
		}
	}
}

func TestCreatePublishesTheRequest(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	r := command(t, t.Context(), "create", "--nats", b.url, "-o", "json", "--id", strings.ToUpper(job), "--cluster", "orders", "--masters", "5",
		"--replicas", "0", "--cpus", "0.25", "--memory", "512", "--config", "maxmemory-policy=allkeys-lru", "--config", "proc-title-template={title};=x", "--exclude-host", "10.0.0.1", "--deadline", "90s")
	r.want(t, Done, `"sequence": 1`, "")
	var got receipt
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Job != job || got.Cluster != "orders" || got.Duplicate {
		t.Errorf("receipt %+v, %v", got, err)
	}
	// In the queue or in its record, it is what the ID stands for.
	for _, where := range []string{"queue", "record"} {
		again := []string{"create", "--nats", b.url, "--id", job, "--cluster", "orders", "--replicas", "0", "--cpus", "0.25", "--memory", "512",
			"--config", "maxmemory-policy=allkeys-lru", "--config", "proc-title-template={title};=x", "--exclude-host", "10.0.0.1", "--masters"}
		command(t, t.Context(), append(again, "5")...).want(t, Done, "published before", "")
		command(t, t.Context(), append(again, "6", "--wait")...).want(t, BadInput, "", "with another request")
		if where == "queue" {
			queued, err := b.js.Stream(t.Context(), contracts.StreamJobs)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := queued.GetMsg(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			b.put(contracts.BucketJobs, job, contracts.JobRecord{Job: job, Request: msg.Data})
		}
	}

	msg := b.take()
	if msg.Subject() != contracts.SubjectCreate || msg.Headers().Get("Nats-Msg-Id") != job {
		t.Errorf("on %s with headers %v", msg.Subject(), msg.Headers())
	}
	req, err := contracts.ParseCreate(msg.Data())
	if err != nil {
		t.Fatal(err)
	}
	want := contracts.CreateRequest{
		ID: job, Cluster: "orders", Masters: 5, Node: contracts.NodeResources{CPUs: 0.25, MemoryMB: 512},
		Redis:     contracts.RedisOptions{Config: map[string]string{"maxmemory-policy": "allkeys-lru", "proc-title-template": "{title};=x"}},
		Placement: contracts.Placement{ExcludeHosts: []string{"10.0.0.1"}},
	}
	if !contracts.SameSpec(req, want) || time.Duration(req.Deadline) != 90*time.Second {
		t.Errorf("got %+v", req)
	}
}

func TestCreateFromAFileMakesUpAnID(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	const body = ` {"cluster": "orders", "masters": 3, "replicas": 1, "node": {"cpus": 0.5, "memory_mb": 1024}}`
	commandWith(t, t.Context(), body, "create", "--nats", b.url, "-f", "-").want(t, Done, "clustersmith watch orders", "")
	file := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, t.Context(), "create", "--nats", b.url, "-f", file).want(t, Done, "clustersmith watch orders", "")
	ids := map[string]bool{}
	for range 2 {
		req, err := contracts.ParseCreate(b.take().Data())
		if err != nil {
			t.Fatal(err)
		}
		ids[req.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two requests without an id are one job: %v", ids)
	}
}

func TestTheOtherRequests(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	command(t, t.Context(), "destroy", "orders", "--nats", b.url).want(t, Done, "in the queue", "")
	if d, err := contracts.ParseDestroy(b.take().Data()); err != nil || d.Cluster != "orders" {
		t.Errorf("destroy: %+v, %v", d, err)
	}
	cancel := func(flags ...string) result {
		return command(t, t.Context(), append([]string{"cancel", job, "--nats", b.url}, flags...)...)
	}
	cancel().want(t, Done, "asked to stop. No worker knows that job yet.", "")
	msg := b.take()
	if c, err := contracts.ParseCancel(msg.Data()); err != nil || c.Job != job || msg.Subject() != contracts.SubjectCancel {
		t.Errorf("cancel: %+v, %v", c, err)
	}
	cancel("-o", "json").want(t, Done, `"unknown": true`, "")
	for _, kind := range []contracts.JobKind{contracts.JobCreate, contracts.JobVerify} {
		b.put(contracts.BucketJobs, job, contracts.JobRecord{Job: job, Kind: kind, Cluster: "orders", Phase: contracts.PhaseVerifying})
		cancel().want(t, Done, "asked to stop. What becomes of it: clustersmith status -a", "")
	}
}

// What no cancellation can stop is not asked to.
func TestWhatCancelRefuses(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	ended := &contracts.Event{}
	for _, c := range []struct {
		record contracts.JobRecord
		says   string
	}{
		{contracts.JobRecord{Kind: contracts.JobDestroy, Phase: contracts.PhaseDestroying}, "destroys the cluster orders, and a destroy cannot be cancelled"},
		{contracts.JobRecord{Kind: contracts.JobCreate, Phase: contracts.PhaseVerified, Terminal: ended}, "clustersmith destroy orders"},
		{contracts.JobRecord{Kind: contracts.JobCreate, Phase: contracts.PhaseCancelled, Terminal: ended}, "has ended as cancelled"},
		{contracts.JobRecord{Kind: contracts.JobVerify, Phase: contracts.PhaseVerified, Terminal: ended}, "has ended as verified; there is nothing left"},
	} {
		c.record.Job, c.record.Cluster = job, "orders"
		b.put(contracts.BucketJobs, job, c.record)
		command(t, t.Context(), "cancel", job, "--wait", "--nats", b.url).want(t, BadInput, "", c.says)
	}
	stream, err := b.js.Stream(t.Context(), contracts.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d cancellations are in the queue", n)
	}
}

func TestAnInterruptedWaitSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out, stderr buffer
	done := make(chan Status, 1)
	go func() {
		done <- run(ctx, func() {}, []string{"verify", "orders", "--repair", "--nats", b.url}, strings.NewReader(""), &out, &stderr)
	}()
	v, err := contracts.ParseVerify(b.take().Data())
	if err != nil || v.Cluster != "orders" || !v.Repair {
		t.Errorf("verify: %+v, %v", v, err)
	}
	b.emit(contracts.EventAccepted, contracts.EventData{Job: v.ID, Cluster: "orders", Seq: 1, Phase: contracts.PhaseAccepted})
	waitFor(t, func() bool { return strings.Contains(stderr.String(), "accepted") })
	cancel()
	result{<-done, out.String(), stderr.String()}.want(t, Interrupted, "", "clustersmith cancel "+v.ID)
}
