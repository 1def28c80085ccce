package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// launchOne is the least that a scheduler does: subscribe, take the first offer, launch. It
// keeps the stream open.
func launchOne(ctx context.Context, m *local.Mesos) error {
	post := func(streamID string, call any) (*http.Response, error) {
		b, err := json.Marshal(call)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL()+"/api/v1/scheduler", strings.NewReader(string(b)))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		if streamID != "" {
			req.Header.Set("Mesos-Stream-Id", streamID)
		}
		return http.DefaultClient.Do(req)
	}
	resp, err := post("", obj("type", "SUBSCRIBE", "subscribe", obj("framework_info", frameworkInfo(nil))))
	if err != nil {
		return err
	}
	r := bufio.NewReader(resp.Body)
	for {
		record, err := readRecord(r)
		if err != nil {
			return err
		}
		var e map[string]any
		if err := json.Unmarshal(record, &e); err != nil {
			return err
		}
		if e["type"] != "OFFERS" {
			continue
		}
		offer := at(e, "offers", "offers").([]any)[0].(map[string]any)
		answer, err := post(resp.Header.Get("Mesos-Stream-Id"), obj("type", "ACCEPT", "framework_id", at(offer, "framework_id"), "accept", obj(
			"offer_ids", list(at(offer, "id")), "operations", list(obj("type", "LAUNCH", "launch", obj(
				"task_infos", list(task("t", offer, shell("exec sleep 1000")))))))))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			b, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("ACCEPT: %d %s", answer.StatusCode, b)
		}
		return nil
	}
}
