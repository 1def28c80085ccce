package bundle

import (
	"fmt"
	"strconv"
	"strings"
)

// MESSAGEs from the worker to an executor. They are best effort: the worker repeats them
// until the tasks' statuses show that they arrived, and the executor takes each any number of times.
const (
	// MessageGo releases the start barrier: every node of the cluster is bound.
	MessageGo = "GO"
)

// Labels of a task, in Mesos' web UI and in Mesos-DNS.
const (
	LabelCluster = "clustersmith.cluster"
	LabelJob     = "clustersmith.job"
	LabelNode    = "clustersmith.node"
	LabelShard   = "clustersmith.shard"
	LabelRole    = "clustersmith.role"
)

// TaskID is the Mesos task ID of a node: node-<index>. It is unique within a framework, and
// every attempt at every cluster is a framework of its own.
func TaskID(index int) string { return "node-" + strconv.Itoa(index) }

// NodeIndex is the inverse of TaskID.
func NodeIndex(taskID string) (int, error) {
	digits, ok := strings.CutPrefix(taskID, "node-")
	if !ok {
		return 0, fmt.Errorf("bundle: task ID %q is not of the form node-<index>", taskID)
	}
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || strconv.Itoa(i) != digits {
		return 0, fmt.Errorf("bundle: task ID %q is not of the form node-<index>", taskID)
	}
	return i, nil
}

// ExecutorID is the Mesos executor ID of the executor that runs a cluster's nodes on an agent.
func ExecutorID(cluster string) string { return "clustersmith-" + cluster }
