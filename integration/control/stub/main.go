// Command stub is an executor for the benchmarks of the control plane. To its agent it is a real
// one: it subscribes, takes the bundle, reports every node bound (TASK_STARTING), waits for GO and
// reports every node running, one status update each. Its nodes are no processes: each is a
// listener of this process on the planned port, which answers what the worker asks, from the plan.
//
// What it does not do: render files, start servers, restart anything, wait out an agent's absence.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// formAfter is how long after GO the nodes say that the cluster is not formed, as Redis does
// for 2 s. Set by -ldflags "-X main.formAfter=2s".
var formAfter = "0s"

func main() {
	log.SetFlags(log.Lmicroseconds)
	wait, err := time.ParseDuration(formAfter)
	if err != nil {
		log.Fatal(err)
	}
	e := &stub{
		url:  "http://" + os.Getenv("MESOS_AGENT_ENDPOINT") + "/api/v1/executor",
		call: executor.Call{FrameworkID: mesos.FrameworkID{Value: os.Getenv("MESOS_FRAMEWORK_ID")}, ExecutorID: mesos.ExecutorID{Value: os.Getenv("MESOS_EXECUTOR_ID")}},
		wait: wait, updates: make(chan mesos.TaskStatus, 1<<16),
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go e.report(ctx)
	if err := e.run(ctx); err != nil {
		log.Fatal(err)
	}
}

// stub is one execution. Its fields belong to run, but for the channel.
type stub struct {
	url     string
	call    executor.Call // what every call has in common
	wait    time.Duration
	updates chan mesos.TaskStatus
	cluster *cluster
	bound   []mesos.TaskID // launched, not told to run
	gone    bool           // GO was heard
}

// run follows the agent's events until it says SHUTDOWN or its stream ends.
func (e *stub) run(ctx context.Context) error {
	call := e.call
	call.Type, call.Subscribe = executor.Call_SUBSCRIBE, &executor.Call_Subscribe{}
	response, err := e.post(ctx, &call, http.StatusOK)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for in := bufio.NewReader(response.Body); ; {
		event, err := next(in)
		if err == io.EOF {
			return nil // the agent is gone, and this with it
		}
		if err != nil {
			return err
		}
		if end, err := e.handle(event); end || err != nil {
			return err
		}
	}
}

func next(in *bufio.Reader) (*executor.Event, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, io.EOF
	}
	size, err := strconv.Atoi(strings.TrimSpace(head))
	if err != nil || size < 0 || size > 16<<20 {
		return nil, fmt.Errorf("a record of size %q", head)
	}
	record := make([]byte, size)
	if _, err := io.ReadFull(in, record); err != nil {
		return nil, io.EOF
	}
	event := new(executor.Event)
	return event, event.Unmarshal(record)
}

func (e *stub) handle(event *executor.Event) (end bool, err error) {
	switch event.Type {
	case executor.Event_SUBSCRIBED:
		b, err := bundle.Decode(event.Subscribed.ExecutorInfo.Data)
		if err != nil {
			return false, err
		}
		e.cluster, err = newCluster(b, e.wait)
		return false, err
	case executor.Event_LAUNCH:
		id := event.Launch.Task.TaskID
		if err := e.cluster.bind(id.Value); err != nil {
			e.update(id, mesos.TASK_FAILED, err.Error())
			return false, nil
		}
		e.update(id, mesos.TASK_STARTING, "")
		if e.bound = append(e.bound, id); e.gone {
			e.release()
		}
	case executor.Event_MESSAGE:
		if string(event.Message.Data) == bundle.MessageGo {
			e.gone = true
			e.release()
		}
	case executor.Event_KILL:
		e.cluster.close(event.Kill.TaskID.Value)
		e.update(event.Kill.TaskID, mesos.TASK_KILLED, "")
	case executor.Event_SHUTDOWN:
		return true, nil
	}
	return false, nil
}

// release lets every bound node run.
func (e *stub) release() {
	e.cluster.release()
	for _, id := range e.bound {
		e.update(id, mesos.TASK_RUNNING, "")
	}
	e.bound = nil
}

func (e *stub) update(id mesos.TaskID, state mesos.TaskState, text string) {
	unique, now := uuid.New(), float64(time.Now().UnixMicro())/1e6
	status := mesos.TaskStatus{
		TaskID: id, State: &state, Source: mesos.SOURCE_EXECUTOR.Enum(), ExecutorID: &e.call.ExecutorID, UUID: unique[:], Timestamp: &now,
	}
	if text != "" {
		status.Message = &text
	}
	e.updates <- status
}

// report sends the updates, in order.
func (e *stub) report(ctx context.Context) {
	for status := range e.updates {
		call := e.call
		call.Type, call.Update = executor.Call_UPDATE, &executor.Call_Update{Status: status}
		response, err := e.post(ctx, &call, http.StatusAccepted)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
	}
}

func (e *stub) post(ctx context.Context, call *executor.Call, want int) (*http.Response, error) {
	body, err := call.Marshal()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Accept", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err == nil && response.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // the status says enough without it
		response.Body.Close()
		err = fmt.Errorf("%s: the agent answers %d %s", call.Type, response.StatusCode, text)
	}
	return response, err
}
