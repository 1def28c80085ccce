package local

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// master is one run of the master. All its state lives in memory and belongs to its loop: a
// restarted master is a new one that knows nothing, as with --registry=in_memory.
type master struct {
	cfg  Config
	log  *slog.Logger
	loop *loop
	srv  *server
	rand *rand.Rand

	// Owned by loop.
	id         string
	info       *mesos.MasterInfo
	started    time.Time
	frameworks map[string]*framework
	removed    map[string]*framework // completed: torn down or timed out; their IDs are refused for good
	recent     []string              // the last of them, in full
	agents     map[string]*masterAgent
	offers     map[string]*offer
	inverse    []inverseOffer
	unreached  map[string]time.Time // agent ID → when it became unreachable
	activity   map[string]activity  // by agent ID: it outlasts an agent's absence
	nextID     struct{ framework, agent, offer int }
	quiet      bool // heartbeats are switched off
	// beforeAccept, where not nil, is a fault: see Mesos.BeforeAccept.
	beforeAccept func(Accepting) (rescind bool)
	outbox       *outbox
}

// framework is a framework as the master knows it.
type framework struct {
	id         string
	info       *mesos.FrameworkInfo
	stream     *stream // nil while disconnected
	known      bool    // it is not new: it had a stream, or an agent knows it
	suppressed map[string]bool
	filters    []filter
	tasks      map[string]*task // not yet removed, by task ID
	order      []string         // of tasks, oldest first
	completed  []*task
	unreached  map[string]*task // on unreachable agents
	heartbeat  *time.Timer
	expiry     *time.Timer // failover timeout
	registered time.Time
	removedAt  time.Time
}

// task is a task as the master knows it.
type task struct {
	id, name  string
	framework string
	agent     string
	executor  string // empty for a command task
	resources pool
	labels    *mesos.Labels
	discovery *mesos.DiscoveryInfo
	role      string
	state     mesos.TaskState // the latest that the agent knows
	sent      []byte          // uuid of the last update that was passed on
	sentState mesos.TaskState
	status    *mesos.TaskStatus // the latest status that was passed on
	statuses  []mesos.TaskStatus
	freed     bool // its resources went back
}

// offer is an outstanding offer.
type offer struct {
	id        string
	framework string
	agent     string
	role      string
	resources pool // allocated to role
}

// masterAgent is an agent as the master knows it.
type masterAgent struct {
	id        string
	info      *mesos.AgentInfo
	cfg       AgentConfig
	port      int
	link      *link
	connected bool
	total     pool
	free      pool // neither used nor offered, not allocated
	executors map[executorKey]*masterExecutor
	pings     int // unanswered
	// pendingKills wait for an agent that is away.
	pendingKills []pendingKill
	since        time.Time
	late         time.Time                // until when it is not offered (Chaos)
	unavailable  *mesos.Unavailability    // scheduled maintenance; nil: none
	answers      map[string]InverseAnswer // to inverse offers, by framework
}

type executorKey struct{ framework, executor string }

type masterExecutor struct {
	info      mesos.ExecutorInfo
	resources pool
}

func newMaster(cfg Config, srv *server, domain *mesos.DomainInfo) *master {
	id := newID()
	port := uint32(srv.port)
	pid := fmt.Sprintf("master@%s", srv.address())
	version := "1.12.0"
	m := &master{
		cfg: cfg, log: cfg.Logger.With("component", "master"), srv: srv, id: id, loop: newLoop(),
		rand:       rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		started:    time.Now(),
		frameworks: map[string]*framework{}, removed: map[string]*framework{},
		agents: map[string]*masterAgent{}, offers: map[string]*offer{}, unreached: map[string]time.Time{},
		activity: map[string]activity{},
		info: &mesos.MasterInfo{
			ID: id, IP: littleEndianIP(srv.ip), Port: &port, PID: &pid, Hostname: &srv.ip, Version: &version,
			Address: &mesos.Address{Hostname: &srv.ip, IP: &srv.ip, Port: int32(srv.port)},
			Domain:  domain,
			Capabilities: []mesos.MasterInfo_Capability{
				{Type: mesos.MasterInfo_Capability_AGENT_UPDATE},
			},
		},
	}
	m.outbox = newOutbox(m.loop, cfg.chaos)
	if cfg.chaos != nil {
		m.rand = cfg.chaos.generator("allocator")
	}
	m.loop.post(func() { m.tick(); m.pingAgents() })
	return m
}

// tick allocates every AllocationInterval.
func (m *master) tick() {
	m.allocate(nil)
	m.loop.after(m.cfg.AllocationInterval, m.tick)
}

// stop ends the master as SIGKILL would; its server is killed by the caller.
func (m *master) stop() { m.loop.stop() }

func (m *master) newFrameworkID() string {
	for {
		id := fmt.Sprintf("%s-%04d", m.id, m.nextID.framework)
		m.nextID.framework++
		if m.frameworks[id] == nil && m.removed[id] == nil {
			return id
		}
	}
}

func (m *master) newAgentID() string {
	id := m.id + "-S" + strconv.Itoa(m.nextID.agent)
	m.nextID.agent++
	return id
}

func (m *master) newOfferID() string {
	id := m.id + "-O" + strconv.Itoa(m.nextID.offer)
	m.nextID.offer++
	return id
}

// send gives an event to a framework's stream; a disconnected framework misses it.
func (m *master) send(f *framework, event *scheduler.Event) {
	if f.stream != nil {
		m.outbox.send(f.stream, event)
	}
}

// roles are the roles that a framework takes offers in.
func (f *framework) roles() []string {
	if f.capable(mesos.FrameworkInfo_Capability_MULTI_ROLE) {
		return f.info.Roles
	}
	if f.info.Role != nil {
		return []string{*f.info.Role}
	}
	return []string{"*"}
}

func (f *framework) capable(c mesos.FrameworkInfo_Capability_Type) bool {
	for _, have := range f.info.Capabilities {
		if have.Type == c {
			return true
		}
	}
	return false
}

func (f *framework) partitionAware() bool {
	return f.capable(mesos.FrameworkInfo_Capability_PARTITION_AWARE)
}

// ifAware is a state that only PARTITION_AWARE frameworks know; others are told TASK_LOST.
func ifAware(aware bool, state mesos.TaskState) mesos.TaskState {
	if aware {
		return state
	}
	return mesos.TASK_LOST
}

// terminal reports whether a task in this state never runs again.
func terminal(s mesos.TaskState) bool {
	switch s {
	case mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR, mesos.TASK_LOST,
		mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR:
		return true
	default:
		return false
	}
}
