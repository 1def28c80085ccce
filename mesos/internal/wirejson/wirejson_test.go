package wirejson

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestMarshalLeavesNullsOut(t *testing.T) {
	t.Parallel()
	type message struct {
		A *int             `json:"a"`
		B []map[string]any `json:"b"`
		E []int            `json:"e"`
	}
	got, err := Marshal(message{B: []map[string]any{{"c": nil, "d": uint64(12345678901234567890)}}, E: []int{}})
	if want := `{"b":[{"d":12345678901234567890}],"e":[]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if _, err := Marshal(func() {}); err == nil {
		t.Error("a function passes")
	}
}

func TestUnmarshalPutsUpWithNews(t *testing.T) {
	t.Parallel()
	var status mesos.TaskStatus
	err := Unmarshal([]byte(`{"task_id":{"value":"t"},"state":"TASK_DREAMING","source":"SOURCE_AGENT","new":[null]}`), &status)
	if err != nil || status.TaskID.Value != "t" || status.State != nil || status.GetSource() != mesos.SOURCE_AGENT {
		t.Errorf("%+v, %v", status, err)
	}
	for _, bad := range []string{"", "{", `{"task_id":7}`, `[]`} {
		if err := Unmarshal([]byte(bad), &mesos.TaskStatus{}); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
