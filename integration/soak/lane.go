package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
)

const (
	deadline = 60 * time.Second
	// patience is how long a lane waits for the end of one job: its deadline, and the cleaning up.
	patience = deadline + 120*time.Second
)

// lane makes requests one script after the other until stop is closed. It leaves at most one
// cluster living, whose name it returns.
func (w *world) lane(ctx context.Context, n int, stop <-chan struct{}) (kept string, err error) {
	draw := newScripts(w.seed, n)
	id := generator(w.seed, 2000+n) // of the destroys between the scripts
	for {
		select {
		case <-stop:
			return kept, nil
		case <-ctx.Done():
			return kept, context.Cause(ctx)
		default:
		}
		s := draw.next()
		if kept != "" && (s.kind == "keep" || s.name == kept) {
			if err := w.destroy(ctx, newID(id), kept); err != nil {
				return kept, err
			}
			kept = ""
		}
		w.act("lane %d: %s", n, s)
		if err := w.play(ctx, s); err != nil {
			return kept, err
		}
		if s.kind == "keep" {
			kept = s.name
		}
	}
}

// play does what a script says. Between its requests it waits for as long as they take; how they
// end is the judge's business.
func (w *world) play(ctx context.Context, s script) error {
	first := s.create(0, s.size)
	switch s.kind {
	case "plain": // create, verify, destroy
		if err := w.do(ctx, first); err != nil {
			return err
		}
		if err := w.do(ctx, request("verify", s.ids[1], map[string]any{"cluster": s.name, "deadline": "30s"})); err != nil {
			return err
		}
	case "keep":
		return w.do(ctx, first)
	case "cancel": // while it is being created, or just afterwards
		if err := w.ask(ctx, first); err != nil {
			return err
		}
		if err := sleep(ctx, s.delay); err != nil {
			return err
		}
		if err := w.ask(ctx, request("cancel", s.ids[1], map[string]any{"job": s.ids[0]})); err != nil {
			return err
		}
		if err := w.await(ctx, s.ids[0]); err != nil {
			return err
		}
	case "duplicates": // one request, published three times
		for i := range 3 {
			if err := w.publish(ctx, fmt.Sprintf("%s-%d", first.ID, i), first); err != nil {
				return err
			}
		}
		if err := w.await(ctx, first.ID); err != nil {
			return err
		}
	case "same", "conflict": // two requests for one name, with one specification or with two
		other := s.create(1, s.size)
		if s.kind == "conflict" {
			other = s.create(1, size{s.size.masters, 1 - min(s.size.replicas, 1)})
		}
		if err := w.do(ctx, first, other); err != nil {
			return err
		}
	case "early": // destroyed while it is being created
		if err := w.ask(ctx, first); err != nil {
			return err
		}
		if err := sleep(ctx, s.delay); err != nil {
			return err
		}
	case "again": // created again while it is being destroyed
		if err := w.do(ctx, first); err != nil {
			return err
		}
		if err := w.do(ctx, request("destroy", s.ids[1], map[string]any{"cluster": s.name}), s.create(2, s.size)); err != nil {
			return err
		}
	}
	if err := w.destroy(ctx, s.ids[3], s.name); err != nil {
		return err
	}
	if s.kind == "early" {
		return w.await(ctx, first.ID)
	}
	return nil
}

func (s script) create(id int, z size) history.Request {
	return request("create", s.ids[id], map[string]any{
		"cluster": s.name, "masters": z.masters, "replicas": z.replicas, "deadline": deadline.String(),
		"node": map[string]any{"cpus": 0.1, "memory_mb": 128},
	})
}

func request(kind, id string, fields map[string]any) history.Request {
	fields["id"] = id
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err) // of a map of texts and numbers
	}
	cluster, _ := fields["cluster"].(string)
	return history.Request{Kind: kind, ID: id, Cluster: cluster, Body: body}
}

func (w *world) ask(ctx context.Context, r history.Request) error { return w.publish(ctx, r.ID, r) }

// do makes requests at once and waits until all have ended.
func (w *world) do(ctx context.Context, requests ...history.Request) error {
	for _, r := range requests {
		if err := w.ask(ctx, r); err != nil {
			return err
		}
	}
	for _, r := range requests {
		if err := w.await(ctx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) destroy(ctx context.Context, id, cluster string) error {
	return w.do(ctx, request("destroy", id, map[string]any{"cluster": cluster, "deadline": deadline.String()}))
}

// await waits until a job has ended. One that does not is no error here: the judge says so.
func (w *world) await(ctx context.Context, job string) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := w.tail.ended(limited, job); err != nil && ctx.Err() == nil {
		w.trouble("job %s has not ended after %v", job, patience)
	}
	return ctx.Err()
}
