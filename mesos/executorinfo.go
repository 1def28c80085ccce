package mesos

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// fetchedName is what an executor that is fetched is called in its sandbox.
const fetchedName = "clustersmith-executor"

// Executor says how agents start the executor.
type Executor struct {
	// Command is an absolute path on the agents, or an http(s) URI that the agent's fetcher
	// loads into the sandbox. Where the last part of the URI's path has a SHA-256 in it (64 hex
	// digits by themselves, as in clustersmith-executor-<sum>), what was fetched is checked
	// against it before it is run.
	Command string
	// Image is a Docker image that the executor and its nodes run in; empty: none. The executor
	// itself does not come from it: the agent puts it into the sandbox, a path of its own too.
	Image string
	// Env is added to the executor's environment.
	Env map[string]string
	// ShutdownGrace is how long the executor has to end its nodes before the agent kills
	// it; 0 means the agent's default (5s).
	ShutdownGrace time.Duration
}

// executor is the ExecutorInfo that all tasks share, but for its resources.
func (o Order) executor() (*v1.ExecutorInfo, error) {
	command, err := o.Executor.command()
	if err != nil {
		return nil, err
	}
	data, err := bundle.Encode(o.Bundle)
	if err != nil {
		return nil, err
	}
	cluster := o.Bundle.Plan.Cluster
	name := "clustersmith " + cluster
	info := &v1.ExecutorInfo{
		Type:        v1.ExecutorInfo_CUSTOM,
		ExecutorID:  v1.ExecutorID{Value: bundle.ExecutorID(cluster)},
		FrameworkID: &v1.FrameworkID{Value: o.Framework},
		Name:        &name,
		Command:     command,
		Data:        data,
	}
	if image := o.Executor.Image; image != "" {
		kind, docker := v1.ContainerInfo_MESOS, v1.Image_DOCKER
		info.Container = &v1.ContainerInfo{Type: &kind, Mesos: &v1.ContainerInfo_MesosInfo{
			Image: &v1.Image{Type: &docker, Docker: &v1.Image_Docker{Name: image}},
		}}
	}
	if grace := o.Executor.ShutdownGrace; grace > 0 {
		info.ShutdownGracePeriod = &v1.DurationInfo{Nanoseconds: grace.Nanoseconds()}
	}
	return info, nil
}

// checksum finds a SHA-256 in a name.
var checksum = regexp.MustCompile(`(?:^|[^0-9A-Za-z])([0-9a-f]{64})(?:[^0-9A-Za-z].*)?$`)

// checksumStatus is the exit status of an executor's container whose executor is not what its
// checksum says. (EX_DATAERR; no status of the executor's own.)
const checksumStatus = 65

// checked is a shell's command that runs what was fetched if it has its checksum. The check is
// the shell's business: an executor that is not the right one cannot vouch for itself.
func checked(sum string) string {
	return fmt.Sprintf("echo '%s  %s' | sha256sum -c - || exit %d; exec ./%[2]s", sum, fetchedName, checksumStatus)
}

// inSandbox goes before a command in an image, which may have another working directory.
const inSandbox = `cd "$MESOS_SANDBOX" || exit 1; `

// command runs the executor itself, without a shell where neither a checksum is
// to be checked nor an image is entered.
func (e Executor) command() (*v1.CommandInfo, error) {
	shell := false
	info := &v1.CommandInfo{Shell: &shell}
	value := e.Command
	fetch := func() {
		executable, extract, name := true, false, fetchedName
		info.URIs = []v1.CommandInfo_URI{{Value: e.Command, Executable: &executable, Extract: &extract, OutputFile: &name}}
		value = "./" + fetchedName
	}
	if uri, err := url.Parse(e.Command); err == nil && (uri.Scheme == "http" || uri.Scheme == "https") && uri.Host != "" {
		fetch()
		if sum := checksum.FindStringSubmatch(path.Base(uri.Path)); sum != nil {
			shell, value = true, checked(sum[1])
		}
	} else if !path.IsAbs(e.Command) {
		return nil, fmt.Errorf("mesos: executor %q is neither an absolute path nor an http(s) URI", e.Command)
	} else if e.Image != "" {
		fetch()
	}
	if e.Image != "" {
		if !shell {
			value = "exec " + value
		}
		shell, value = true, inSandbox+value
	}
	info.Value = &value
	if !shell {
		info.Arguments = []string{value}
	}
	if len(e.Env) > 0 {
		info.Environment = &v1.Environment{}
		for _, name := range slices.Sorted(maps.Keys(e.Env)) { // equal orders, equal bytes
			value := e.Env[name]
			info.Environment.Variables = append(info.Environment.Variables, v1.Environment_Variable{Name: name, Value: &value})
		}
	}
	return info, nil
}
