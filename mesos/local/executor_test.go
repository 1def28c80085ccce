package local_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// runTestExecutor is a small executor of its own making, so that the agent is not tested
// with its own code. Its arguments say how it misbehaves:
//
//	never         never subscribes
//	exit=N        exits with N on SHUTDOWN
//	stubborn      ignores SHUTDOWN
//	mute          sends no updates of its own accord
//	deaf=ID       loses its stream, and the task, when the task arrives for the first time
//	noexecutorid  leaves executor_id out of updates
//
// A MESSAGE "call <json>" makes it send that call to the agent and answer with a MESSAGE
// "<status> <body>"; "update <task> <state>" an update; "exit N" lets it exit; "drop" makes
// it subscribe again; every other MESSAGE is echoed. SIGUSR1 makes it exit with 3.
func runTestExecutor(args []string) int {
	if slices.Contains(args, "never") {
		select {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() { <-signals; os.Exit(3) }()
	e := &testExecutor{args: args, unackedTasks: map[string]any{}, unacked: map[string]any{}}
	for {
		err := e.subscribe()
		fmt.Fprintln(os.Stderr, "stream ended:", err)
		if os.Getenv("MESOS_CHECKPOINT") != "1" {
			return 1
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type testExecutor struct {
	args         []string
	unackedTasks map[string]any
	unacked      map[string]any
	lost         bool // what it is deaf to
}

func (e *testExecutor) has(arg string) bool { return slices.Contains(e.args, arg) }

func (e *testExecutor) call(typ, name string, body any) map[string]any {
	return map[string]any{
		"type": typ, name: body,
		"executor_id":  map[string]any{"value": os.Getenv("MESOS_EXECUTOR_ID")},
		"framework_id": map[string]any{"value": os.Getenv("MESOS_FRAMEWORK_ID")},
	}
}

func (e *testExecutor) post(call any) (*http.Response, error) {
	b, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+os.Getenv("MESOS_AGENT_ENDPOINT")+"/api/v1/executor", bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultClient.Do(req)
}

func (e *testExecutor) send(typ, name string, body any) string {
	resp, err := e.post(e.call(typ, name, body))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, text)
}

func (e *testExecutor) subscribe() error {
	var tasks, updates []any
	for _, t := range e.unackedTasks {
		tasks = append(tasks, t)
	}
	for _, u := range e.unacked {
		updates = append(updates, u)
	}
	resp, err := e.post(e.call("SUBSCRIBE", "subscribe", map[string]any{
		"unacknowledged_tasks": tasks, "unacknowledged_updates": updates}))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	r := bufio.NewReader(resp.Body)
	for {
		record, err := readRecord(r)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", record)
		var event map[string]any
		if err := json.Unmarshal(record, &event); err != nil {
			return err
		}
		if !e.handle(event) {
			return fmt.Errorf("dropped")
		}
	}
}

func (e *testExecutor) handle(event map[string]any) bool {
	switch event["type"] {
	case "LAUNCH":
		task := at(event, "launch", "task")
		id := at(task, "task_id", "value").(string)
		if !e.lost && e.has("deaf="+id) {
			e.lost = true
			return false
		}
		e.unackedTasks[id] = task
		if !e.has("mute") {
			e.update(id, "TASK_STARTING")
			e.update(id, "TASK_RUNNING")
		}
	case "ACKNOWLEDGED":
		delete(e.unackedTasks, at(event, "acknowledged", "task_id", "value").(string))
		delete(e.unacked, at(event, "acknowledged", "uuid").(string))
	case "KILL":
		e.update(at(event, "kill", "task_id", "value").(string), "TASK_KILLED")
	case "SHUTDOWN":
		for _, arg := range e.args {
			if code, ok := strings.CutPrefix(arg, "exit="); ok {
				n, _ := strconv.Atoi(code)
				os.Exit(n)
			}
		}
		if !e.has("stubborn") {
			os.Exit(0)
		}
	case "MESSAGE":
		return e.message(event)
	}
	return true
}

func (e *testExecutor) message(event map[string]any) bool {
	text := string(decode64(at(event, "message", "data").(string)))
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "call":
		resp, err := e.post(json.RawMessage(rest))
		answer := fmt.Sprint(err)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			answer = fmt.Sprintf("%d %s", resp.StatusCode, body)
		}
		e.send("MESSAGE", "message", map[string]any{"data": encode64(answer)})
	case "update":
		id, state, _ := strings.Cut(rest, " ")
		e.update(id, state)
	case "exit":
		n, _ := strconv.Atoi(rest)
		os.Exit(n)
	case "drop":
		return false
	default:
		e.send("MESSAGE", "message", map[string]any{"data": encode64(text)})
	}
	return true
}

func (e *testExecutor) update(task, state string) {
	id := uuid.New()
	status := map[string]any{
		"task_id": map[string]any{"value": task}, "state": state, "source": "SOURCE_EXECUTOR",
		"uuid": encode64(string(id[:])), "timestamp": float64(time.Now().UnixMicro()) / 1e6,
	}
	// What the recorded executors said, so that all that comes of it can be compared.
	switch state {
	case "TASK_RUNNING":
		status["message"], status["healthy"], status["data"] = "running", true, encode64("status data")
		status["labels"] = obj("labels", list(obj("key", "k", "value", "v")))
	case "TASK_KILLED":
		status["message"] = "killed on request"
	}
	if !e.has("noexecutorid") {
		status["executor_id"] = map[string]any{"value": os.Getenv("MESOS_EXECUTOR_ID")}
	}
	update := map[string]any{"status": status}
	e.unacked[encode64(string(id[:]))] = update
	fmt.Fprintln(os.Stderr, "update", task, state, e.send("UPDATE", "update", update))
}
