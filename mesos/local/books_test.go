package local_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever a scheduler does and whatever breaks, no resource is lost or counted twice, and at
// the end everything is free and no process is left.
func TestBooks(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.AllocationInterval = 20 * time.Millisecond
	cfg.ExecutorReregistrationTimeout = 20 * time.Millisecond
	cfg.UpdateRetry = 50 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, obj("failover_timeout", 3600))
	tasks := 0
	for step := range 60 {
		what := r.IntN(10)
		switch what {
		case 0, 1, 2, 3:
			o := lastOffer(s)
			if o == nil {
				break
			}
			commands := []string{"true", "exit 1", "sleep 0.05", "sleep 100"}
			var all []any
			for range 1 + r.IntN(3) {
				tasks++
				id := fmt.Sprint("t", tasks)
				if r.IntN(3) == 0 {
					all = append(all, task(id, o, custom(fmt.Sprint("e", r.IntN(3)))))
				} else {
					all = append(all, task(id, o, shell(commands[r.IntN(len(commands))])))
				}
			}
			s.launchWith(list(at(o, "id")), 0, all...)
		case 4:
			if o := lastOffer(s); o != nil {
				s.decline(0.02, o)
			}
		case 5:
			s.call("KILL", obj("task_id", value(fmt.Sprint("t", 1+r.IntN(tasks+1)))))
		case 6:
			if all := m.Agents()[r.IntN(2)].Executors; len(all) > 0 {
				// It may have ended meanwhile.
				_ = m.KillExecutor(s.id, all[r.IntN(len(all))].Executor, 9)
			}
		case 7:
			ip := cfg.Agents[r.IntN(2)].IP
			must(t, m.CrashAgent(ip))
			must(t, m.CheckBooks(ctxOf(t)))
			must(t, m.RestartAgent(ctxOf(t), ip))
		case 8:
			s.close()
			s = subscribe(t, m, obj("id", value(s.id), "failover_timeout", 3600))
		case 9:
			must(t, m.RescindOffers(ctxOf(t)))
		}
		if err := m.CheckBooks(ctxOf(t)); err != nil {
			t.Fatalf("seed %d, step %d, action %d: %v", seed, step, what, err)
		}
		time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond)
	}
	s.call("TEARDOWN", nil)
	eventually(t, "all agents are back and free", func() bool {
		must(t, m.CheckBooks(ctxOf(t)))
		state := getState(t, m.URL())
		for _, a := range at(state, "slaves").([]any) {
			if at(a, "active") != true || at(a, "used_resources", "cpus") != 0.0 {
				return false
			}
		}
		return len(m.Agents()[0].Executors)+len(m.Agents()[1].Executors) == 0
	})
}

// lastOffer is an offer of the newest OFFERS event; it may be used up already.
func lastOffer(s *scheduler) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.events) - 1; i >= 0; i-- {
		if all, ok := lookup(s.events[i].body, "offers", "offers"); ok {
			return all.([]any)[0].(map[string]any)
		}
	}
	return nil
}

// Scenario 16: many tasks, and large data.
func TestLarge(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for ip, o := range s.offers(0, "127.0.0.2", "127.0.0.3") {
		var all []any
		for i := range 30 {
			c := custom("e-" + ip)
			c["executor"].(map[string]any)["data"] = encode64(string(data[:64<<10]))
			all = append(all, task(fmt.Sprintf("%s-%d", ip, i), o, c))
		}
		s.launch(o, all...)
	}
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		for i := range 30 {
			s.status(0, fmt.Sprintf("%s-%d", ip, i), "TASK_RUNNING")
		}
	}
	from := s.position()
	s.call("RECONCILE", obj("tasks", list()))
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		for i := range 30 {
			s.status(from, fmt.Sprintf("%s-%d", ip, i), "TASK_RUNNING")
		}
	}
	from = s.position()
	s.call("MESSAGE", obj("agent_id", at(s.offers(0, "127.0.0.2")["127.0.0.2"], "agent_id"), "executor_id", value("e-127.0.0.2"), "data", encode64(string(data))))
	e, _ := s.await(from, "echo", is("MESSAGE"))
	if at(e.body, "message", "data") != encode64(string(data)) {
		t.Error("a MESSAGE of 1 MiB came back changed")
	}
	recordingOf(t, "0", "1").all(s)
}
