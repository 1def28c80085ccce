package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errFenced says that another worker has the job now: the one that gets it stops at once and
// touches nothing.
var errFenced = errors.New("worker: another worker owns the job")

// store keeps records in the key-value buckets. Every write is a compare-and-set.
type store struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	jobs     jetstream.KeyValue
	clusters jetstream.KeyValue
	leases   jetstream.KeyValue
	log      *slog.Logger
}

func openStore(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, log *slog.Logger) (*store, error) {
	s := &store{nc: nc, js: js, log: log}
	for name, kv := range map[string]*jetstream.KeyValue{
		contracts.BucketJobs: &s.jobs, contracts.BucketClusters: &s.clusters, contracts.BucketLeases: &s.leases,
	} {
		b, err := js.KeyValue(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("worker: open bucket %s: %w", name, err)
		}
		*kv = b
	}
	return s, nil
}

// held is a job record as its owner knows it, and the revision that its next write replaces.
type held struct {
	rec contracts.JobRecord
	rev uint64
}

// opTimeout bounds one request to NATS; retries are bounded by the caller's context.
const opTimeout = 3 * time.Second

// save applies change to a copy of the record and writes it. It tries until the write is known
// to have happened, errFenced is known, or ctx is over. h is what is stored, as far as is known.
func (s *store) save(ctx context.Context, h *held, change func(*contracts.JobRecord) error) error {
	next, value, err := changed(h.rec, change)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		rev, err := update(ctx, s.jobs, next.Job, value, h.rev)
		var there *held
		if conflict(err) {
			there, err = s.job(ctx, next.Job)
		}
		switch {
		case err == nil && there == nil:
			h.rec, h.rev = next, rev
			return nil
		case err == nil && sameWrite(there.rec, next): // an earlier try had arrived, its answer was lost
			h.rec, h.rev = next, there.rev
			return nil
		case err == nil && next.Fence == h.rec.Fence && there.rec.Fence == next.Fence && there.rec.Owner == h.rec.Owner && there.rec.Write >= h.rec.Write:
			// A write of ours that had been given up has arrived: this one comes after it.
			h.rec, h.rev = there.rec, there.rev
			if h.rec.Terminal != nil {
				return errEnded
			}
			if next, value, err = changed(h.rec, change); err != nil {
				return err
			}
			continue
		case err == nil:
			return errFenced
		case errors.Is(err, jetstream.ErrKeyNotFound): // the server lost it, or somebody removed it
			return fmt.Errorf("%w: the record of job %s is gone", errFenced, next.Job)
		}
		s.log.Warn("job record not written, trying again", "job", next.Job, "error", err)
		if err := sleep(ctx, pause(n, 50*time.Millisecond, 2*time.Second)); err != nil {
			h.rec.Write = next.Write // it may arrive yet: the next write must not pass for it
			return fmt.Errorf("worker: write the record of job %s: %w", next.Job, err)
		}
	}
}

// errEnded says that a write of the job's end, which had been given up, has arrived after all. The
// record has it.
var errEnded = errors.New("worker: the job has ended already")

// changed is a record after a change, and as it is stored.
func changed(rec contracts.JobRecord, change func(*contracts.JobRecord) error) (contracts.JobRecord, []byte, error) {
	if err := change(&rec); err != nil {
		return rec, nil, err
	}
	rec.Write++
	value, err := json.Marshal(rec)
	if err != nil {
		return rec, nil, fmt.Errorf("worker: encode the record of job %s: %w", rec.Job, err)
	}
	return rec, value, nil
}

// conflict says that a compare-and-set met another revision. The server has two codes for it, one
// of them on replicated buckets only, and not every path of the client maps both.
func conflict(err error) bool {
	return errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) || taken(err)
}

func update(ctx context.Context, kv jetstream.KeyValue, key string, value []byte, rev uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return kv.Update(ctx, key, value, rev)
}

// sameWrite says that a stored record is exactly the write that want is.
func sameWrite(got, want contracts.JobRecord) bool {
	return got.Owner == want.Owner && got.Fence == want.Fence && got.Write == want.Write
}

// entry is where a value was found.
type entry struct {
	rev     uint64
	created time.Time // by the server's clock
}

// errUnreadable says that what is stored under a key is not what workers store there.
var errUnreadable = errors.New("no valid record")

// read decodes the newest value of a key; see newest.
func (s *store) read(ctx context.Context, kv jetstream.KeyValue, key string, into any) (entry, error) {
	value, e, err := s.newest(ctx, kv, key)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return entry{}, fmt.Errorf("worker: %s/%s: %w: %w", kv.Bucket(), key, errUnreadable, err)
	}
	return e, nil
}

// newest is the newest value of a key, as the bucket's leader has it: KeyValue.Get may be
// answered by a replica that lags. A key that is absent or deleted is jetstream.ErrKeyNotFound.
func (s *store) newest(ctx context.Context, kv jetstream.KeyValue, key string) (value []byte, e entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	bucket := kv.Bucket()
	query, err := json.Marshal(map[string]string{"last_by_subj": "$KV." + bucket + "." + key})
	if err != nil {
		return nil, entry{}, err
	}
	reply, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET.KV_"+bucket, query)
	if err != nil {
		return nil, entry{}, fmt.Errorf("worker: read %s/%s: %w", bucket, key, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq  uint64    `json:"seq"`
			Hdrs []byte    `json:"hdrs"`
			Data []byte    `json:"data"`
			Time time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, entry{}, fmt.Errorf("worker: read %s/%s: %w", bucket, key, err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, entry{}, jetstream.ErrKeyNotFound
	case answer.Error != nil:
		return nil, entry{}, fmt.Errorf("worker: read %s/%s: %w", bucket, key, answer.Error)
	case answer.Message == nil:
		return nil, entry{}, fmt.Errorf("worker: read %s/%s: an answer with neither message nor error", bucket, key)
	}
	m := answer.Message
	if len(m.Hdrs) > 0 {
		h, err := nats.DecodeHeadersMsg(m.Hdrs)
		if err != nil {
			return nil, entry{}, fmt.Errorf("worker: read %s/%s: %w", bucket, key, err)
		}
		if op := h.Get("KV-Operation"); op == "DEL" || op == "PURGE" || h.Get("Nats-Marker-Reason") != "" {
			return nil, entry{rev: m.Seq, created: m.Time}, jetstream.ErrKeyNotFound
		}
	}
	return m.Data, entry{rev: m.Seq, created: m.Time}, nil
}

// serverTime is when a revision of a job's record was stored: the server's clock, as of the
// write. Deadlines count by it, so that a worker whose clock is wrong keeps them all the same.
func (s *store) serverTime(ctx context.Context, job string) (time.Time, error) {
	var ignored contracts.JobRecord
	e, err := s.read(ctx, s.jobs, job, &ignored)
	return e.created, err
}

// create stores a new job's record with worker as its owner. If there is one already, it is
// returned with created false.
func (s *store) create(ctx context.Context, rec contracts.JobRecord, worker string) (h *held, created bool, err error) {
	jobs.Claim(&rec, worker)
	rec.Write++
	value, err := json.Marshal(rec)
	if err != nil {
		return nil, false, fmt.Errorf("worker: encode the record of job %s: %w", rec.Job, err)
	}
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	rev, err := s.jobs.Create(opCtx, rec.Job, value)
	if err == nil {
		return &held{rec: rec, rev: rev}, true, nil
	}
	if !conflict(err) {
		return nil, false, fmt.Errorf("worker: create the record of job %s: %w", rec.Job, err)
	}
	h, err = s.job(ctx, rec.Job)
	return h, false, err
}

// job reads a job's record.
func (s *store) job(ctx context.Context, id string) (*held, error) {
	h := &held{}
	e, err := s.read(ctx, s.jobs, id, &h.rec)
	if err != nil {
		return nil, err
	}
	h.rev = e.rev
	return h, nil
}

// cancelled says whether the cancellation of a job was asked for.
func (s *store) cancelled(ctx context.Context, job string) (bool, error) {
	var c contracts.CancelRequest
	_, err := s.read(ctx, s.jobs, contracts.JobCancelKey(job), &c)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}
