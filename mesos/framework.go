package mesos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// Framework describes a framework to the master. Checkpointing is always on, so that tasks
// survive a restart of their agent.
type Framework struct {
	// ID is chosen by us and recorded before the first SUBSCRIBE; empty lets the master choose.
	ID   string
	Name string
	// User runs the executors; empty means the user of this process.
	User string
	// Role is the one role whose resources are offered. Empty means "*".
	Role string
	// FailoverTimeout is how long Mesos keeps the framework while nobody is subscribed.
	FailoverTimeout time.Duration
	// Suppressed subscribes without receiving offers until Revive.
	Suppressed bool
	// WebUI is a link that Mesos shows beside the framework; may be empty.
	WebUI string
	// Guard, where set, is asked before every SUBSCRIBE, reconnects included; its error
	// ends the Session. A worker checks here that the framework is still its own: a
	// SUBSCRIBE takes it away from whoever has it.
	Guard func(context.Context) error
}

func (f Framework) withDefaults() Framework {
	f.Role = cmp.Or(f.Role, "*")
	if f.User == "" {
		f.User = currentUser()
	}
	return f
}

func (f Framework) validate() error {
	switch {
	case f.Name == "":
		return errors.New("mesos: a framework needs a name")
	case f.FailoverTimeout < 0:
		return fmt.Errorf("mesos: failover timeout %s is negative", f.FailoverTimeout)
	}
	return nil
}

// currentUser is the name of the user of this process.
func currentUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "root")
}

// subscribeCall is the SUBSCRIBE of the framework.
func (f Framework) subscribeCall(principal string) *scheduler.Call {
	timeout, checkpoint := f.FailoverTimeout.Seconds(), true
	info := &v1.FrameworkInfo{
		User: f.User, Name: f.Name, Roles: []string{f.Role},
		FailoverTimeout: &timeout, Checkpoint: &checkpoint,
		Capabilities: []v1.FrameworkInfo_Capability{
			{Type: v1.FrameworkInfo_Capability_MULTI_ROLE},
			{Type: v1.FrameworkInfo_Capability_PARTITION_AWARE},
			{Type: v1.FrameworkInfo_Capability_RESERVATION_REFINEMENT},
			{Type: v1.FrameworkInfo_Capability_REGION_AWARE},
		},
	}
	if f.ID != "" {
		info.ID = &v1.FrameworkID{Value: f.ID}
	}
	if principal != "" {
		info.Principal = &principal
	}
	if f.WebUI != "" {
		info.WebUiURL = &f.WebUI
	}
	call := calls.Subscribe(info)
	if f.Suppressed {
		call.Subscribe.SuppressedRoles = []string{f.Role}
	}
	return call
}
