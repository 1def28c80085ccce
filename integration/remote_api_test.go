package integration

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// What an operator asks of a master over HTTP, as the methods of the local Mesos have it.

type object = map[string]any

// Maintain makes the schedule the one of this agent's machine, or empty for a zero start.
func (r *remote) Maintain(ctx context.Context, ip string, start time.Time, duration time.Duration) error {
	windows := []object{}
	if !start.IsZero() {
		windows = append(windows, object{
			"machine_ids": []object{{"hostname": r.hostname(ip), "ip": ip}},
			"unavailability": object{
				"start": object{"nanoseconds": start.UnixNano()}, "duration": object{"nanoseconds": duration.Nanoseconds()},
			},
		})
	}
	return r.post(ctx, "/maintenance/schedule", object{"windows": windows})
}

// InverseAnswers are what frameworks said to an agent's inverse offers, by their IDs.
func (r *remote) InverseAnswers(_ context.Context, ip string) (map[string]local.InverseAnswer, error) {
	var status struct {
		Draining []struct {
			ID struct {
				IP string `json:"ip"`
			} `json:"id"`
			Statuses []struct {
				Status    string `json:"status"`
				Framework struct {
					Value string `json:"value"`
				} `json:"framework_id"`
			} `json:"statuses"`
		} `json:"draining_machines"`
	}
	if err := r.get("/maintenance/status", &status); err != nil {
		return nil, err
	}
	answers := map[string]local.InverseAnswer{}
	for _, m := range status.Draining {
		for _, s := range m.Statuses {
			switch {
			case m.ID.IP != ip:
			case s.Status == "ACCEPT":
				answers[s.Framework.Value] = local.InverseAccepted
			case s.Status == "DECLINE":
				answers[s.Framework.Value] = local.InverseDeclined
			}
		}
	}
	return answers, nil
}

// deactivates says that the master can deactivate agents, unless it tells that it is older than 1.9.
func (r *remote) deactivates() bool {
	var v struct {
		Version string `json:"version"`
	}
	var major, minor int
	if r.get("/version", &v) != nil {
		return true // the call tells what is wrong
	}
	_, err := fmt.Sscanf(v.Version, "%d.%d", &major, &minor)
	return err != nil || major > 1 || major == 1 && minor >= 9
}

// runsImages says that the agents tell of image providers.
func (r *remote) runsImages() bool {
	at, err := url.Parse(r.url)
	if err != nil || len(r.agents) == 0 {
		return false
	}
	at.Host = fmt.Sprintf("%s:%d", r.agents[0].IP, r.agents[0].Port)
	agent := r.web
	agent.url = at.String()
	var said struct {
		Flags struct {
			ImageProviders string `json:"image_providers"`
		} `json:"flags"`
	}
	return agent.get("/flags", &said) == nil && said.Flags.ImageProviders != ""
}

// Deactivate takes an agent out of the offers, or puts it back.
func (r *remote) Deactivate(ctx context.Context, ip string, on bool) error {
	call := "reactivate_agent"
	if on {
		call = "deactivate_agent"
	}
	for _, a := range r.Agents() {
		if a.IP == ip {
			return r.post(ctx, "/api/v1", object{
				"type": map[bool]string{true: "DEACTIVATE_AGENT", false: "REACTIVATE_AGENT"}[on],
				call:   object{"agent_id": object{"value": a.ID}},
			})
		}
	}
	return fmt.Errorf("%w: %s", local.ErrNoSuchAgent, ip)
}
