package show

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// Clusters writes a table of clusters.
func Clusters(w io.Writer, clusters []contracts.ClusterRecord) {
	var rows [][]string
	for _, c := range clusters {
		nodes, hosts := "-", "-"
		if c.Plan != nil {
			nodes, hosts = strconv.Itoa(len(c.Plan.Nodes)), strconv.Itoa(len(c.Plan.Hosts))
		}
		rows = append(rows, []string{
			c.Cluster, string(c.State), fmt.Sprintf("%dx%d", c.Request.Masters, c.Request.Replicas), nodes, hosts,
			c.Request.Redis.Flavor + " " + c.Request.Redis.Version, verified(c), c.Job,
		})
	}
	table(w, []string{"CLUSTER", "STATE", "SHAPE", "NODES", "HOSTS", "SERVER", "VERIFIED", "JOB"}, rows)
}

func verified(c contracts.ClusterRecord) string {
	if c.Verified == nil {
		return "-"
	}
	return timestamp(*c.Verified)
}

// Jobs writes a table of jobs, as of now.
func Jobs(w io.Writer, jobs []contracts.JobRecord, now time.Time) {
	var rows [][]string
	for _, j := range jobs {
		owner := j.Owner
		if owner == "" || j.Terminal != nil {
			owner = "-"
		}
		end := now
		if j.Terminal != nil {
			end = j.Terminal.Time
		}
		rows = append(rows, []string{
			j.Job, string(j.Kind), j.Cluster, string(j.Phase), strconv.Itoa(j.Attempt), timestamp(j.Received),
			seconds(end.Sub(j.Received)), owner,
		})
	}
	table(w, []string{"JOB", "KIND", "CLUSTER", "PHASE", "ATTEMPT", "RECEIVED", "TIME", "WORKER"}, rows)
}

// Nodes writes a table of the planned nodes.
func Nodes(w io.Writer, plan *contracts.Plan) {
	var rows [][]string
	for _, n := range plan.Nodes {
		master := "-"
		if n.Master != nil {
			master = strconv.Itoa(*n.Master)
		}
		rows = append(rows, []string{
			strconv.Itoa(n.Index), n.Role, fmt.Sprintf("%s:%d@%d", n.Host, n.Port, n.BusPort), master, slots(n.Slots), n.ID,
		})
	}
	table(w, []string{"NODE", "ROLE", "ADDRESS", "MASTER", "SLOTS", "ID"}, rows)
}

func slots(ranges [][2]int) string {
	if len(ranges) == 0 {
		return "-"
	}
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = fmt.Sprintf("%d-%d", r[0], r[1])
	}
	return strings.Join(parts, ",")
}
