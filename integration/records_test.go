package integration

import (
	"encoding/json"

	"github.com/clustersmith/clustersmith/contracts"
)

// record is what the bucket says of a job.
func (w *world) record(job string) contracts.JobRecord {
	w.t.Helper()
	return recordIn[contracts.JobRecord](w, contracts.BucketJobs, job)
}

// clusterRecord is what the bucket says of a cluster.
func (w *world) clusterRecord(cluster string) contracts.ClusterRecord {
	w.t.Helper()
	return recordIn[contracts.ClusterRecord](w, contracts.BucketClusters, cluster)
}

func recordIn[T any](w *world, bucket, key string) (rec T) {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), bucket)
	must(w.t, err)
	e, err := kv.Get(w.t.Context(), key)
	must(w.t, err)
	must(w.t, json.Unmarshal(e.Value(), &rec))
	return rec
}
