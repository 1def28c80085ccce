package worker

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
)

// refused is what a job ends with whose framework the master does not take for what it is, since
// another attempt would be refused as well; nil for any other error. The words are those of
// Master::validateFramework, of validation::framework::validateUpdate and of ActionObject in
// Apache Mesos.
func (r *run) refused(err error) *jobs.Failure {
	var no *mesos.RefusedError
	if !errors.As(err, &no) {
		return nil
	}
	f := &jobs.Failure{Reason: contracts.ReasonInternal, Final: true, Err: err}
	role := cmp.Or(r.d.create.Placement.Role, "*")
	switch {
	case strings.Contains(no.Text, "allowed to run frameworks"):
		f.Message = fmt.Sprintf("Mesos refuses the user that the tasks run as: %s. Workers name another in %sMESOS_USER.", no.Text, EnvPrefix)
	case strings.Contains(no.Text, "framework's principal"):
		f.Message = fmt.Sprintf("Mesos keeps the framework %s for the principal that it was made with: %s. Have workers use that one (%sMESOS_PRINCIPAL), "+
			"or end the framework by hand (POST /teardown to the master), then publish the request again.", jobs.FrameworkName(r.rec.Cluster), no.Text, EnvPrefix)
	case !strings.Contains(strings.ToLower(no.Text), "role") && !strings.HasPrefix(no.Text, "Not authorized to"):
		return nil
	case r.kind == contracts.JobCreate:
		f.Reason, f.Details = contracts.ReasonInvalidRequest, &contracts.Details{Field: "placement.role"}
		f.Message = fmt.Sprintf("Mesos refuses the role %q: %s. Ask for another in placement.role, or have the masters allow this one (--roles; in ACLs register_frameworks).", role, no.Text)
	default:
		f.Message = fmt.Sprintf("Mesos refuses the role %q of the cluster: %s. Have the masters allow it (--roles; in ACLs register_frameworks), then publish the request again.", role, no.Text)
	}
	return f
}
