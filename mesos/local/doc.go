// Package local is a small Apache Mesos in one process: a master with the v1 scheduler API
// and agents with the v1 executor API, each on its own IP, that run executors and commands
// as real processes. It is for development and tests; a client talks to it by URL, exactly
// as to a real master, and knows no difference.
//
// Duties:
//
//   - What goes over the wire (paths, statuses, headers, framing, events, their order, fields
//     and texts) is what a recorded Apache Mesos 1.12 sent; testdata/traces holds the
//     recordings, and the tests make the recorded calls again and compare.
//   - Processes are real: an executor runs in a sandbox directory with the environment that
//     Mesos gives it, and what it leaves behind in its process group ends with it.
//   - Nothing survives: the processes die with this one, SIGKILL included, and Close ends
//     them and waits until they are gone.
//   - Faults are methods (StopMaster, CrashAgent, FreezeAgent …) and real in effect: ports
//     are closed, connections cut or silent, processes killed.
//
// Laws:
//
//   - One loop (a goroutine with an unbounded queue) owns the master's state, and one owns
//     each agent's. They share nothing and only send each other messages, over a link that
//     can be cut. Handlers ask a loop and write its answer; nobody else touches the state.
//   - Every resource of an agent is at any moment either free, in one offer, or used by one
//     task or executor.
//   - An update leaves an agent until it is acknowledged, one a task at a time, in order.
//
// Where to read: mesos.go (start, close), loop.go; the master in master*.go, allocator.go,
// accept.go and validate_task.go; the agents in agent*.go, run.go, fetch.go and process.go;
// the wire in codec.go, stream.go and internal/pbjson; the faults in faults.go.
//
// # Differences from a real Mesos, on purpose
//
//	difference                                   reason
//	-------------------------------------------  ------------------------------------------------------
//	no operator API, no agent API beyond the     clients of the scheduler and executor APIs need none;
//	executor's, no web UI: 404                   GET /state (/frameworks, /health) and POST /teardown are
//	                                             for people and tests
//	LAUNCH_GROUP, DEFAULT executors, containers  tasks run as plain processes; each is refused with
//	are refused                                  TASK_ERROR and a sentence. An executor's image is
//	                                             refused as by an agent without --image_providers
//	RESERVE, CREATE … in ACCEPT are ignored      reservations, dynamic ones too, are configured
//	                                             (AgentConfig.Reserved); there are no volumes
//	no weights or revocable resources; quota     not modelled; REQUEST is accepted and ignored
//	limits bound cpus and mem, guarantee nothing
//	maintenance, draining and deactivation are   the operator API is not there (Mesos.Maintain, Drain,
//	methods; they end with the master's run      Deactivate); a machine is one agent
//	ACKNOWLEDGE_OPERATION_STATUS,                there are no such operations: 501
//	RECONCILE_OPERATIONS, UPDATE_FRAMEWORK
//	schedulers and executors are authenticated,  the agents are this process's own
//	agents are not; no authorization
//	no rate limits of its own (Mesos.Answer)     nothing here is slow
//	master_info announces AGENT_UPDATE alone     draining and quota are not there
//	one master; a restarted one knows nothing    as with --registry=in_memory, the harder case for a
//	                                             client; there is no other leader to redirect to
//	agents find a restarted master 500 ms after  up to 75 s in a real Mesos without ZooKeeper; tests
//	it serves (AgentReregisterDelay)             must not wait that long
//	a reservation is offered to its role only    hierarchical roles are accepted, not modelled
//	a command's executor is the agent itself     the built-in executor of Mesos is a program of its own;
//	                                             executor_pid is the command's process, and no TASK_FAILED
//	                                             of a killed command executor can occur
//	health checks of commands are ignored        not needed here; they would only add RUNNING updates
//	an executor leads a process group            so that all of it can be ended; Mesos has other means
//	CPU, memory and disk are counted, not        isolation needs privileges
//	enforced; User in CommandInfo is ignored
//	the fetcher takes paths, file:// and         archives, caches, HDFS and S3 are not needed
//	http(s)://, and extracts nothing
//	checkpoints are kept in memory               an agent is restarted inside this process; what a real
//	                                             agent would lose in a crash is dropped all the same
//	executors of frameworks without checkpoint   a real executor ends by itself when it loses its agent;
//	are killed when their agent crashes          this does not rely on it
//	a call on an event stream's own connection   net/http answers requests in order; Mesos writes the
//	waits until the stream ends                  response between the chunks, which breaks the stream
//	one dominant share per framework, over all   fairness between roles of one framework does not matter
//	its roles                                    here
//	a bad Accept is refused on every call (406)  Mesos looks at it on SUBSCRIBE alone; a client that
//	                                             works here works there
//	calls after SUBSCRIBE may come from another  nobody here has another's stream ID
//	principal
//	every framework that was removed is refused  Mesos remembers 50 (--max_completed_frameworks)
//	a restarted agent recovers in no time, and   Mesos answers executors 503 meanwhile (Mesos.Answer is
//	answers no pings until it is registered      the master's); they try again as after a broken stream.
//	                                             Pings: only who has no time to lose (AgentPingTimeout)
//	                                             can see it
//	HEARTBEAT calls of executors: 501            none here sends them
//	Drain's TASK_KILLED is the executor's own    Mesos adds REASON_AGENT_DRAINING; mark_gone is not there
//	the texts of an incompatible ExecutorInfo    protobuf's text format of another implementation
//	list the fields in another order
package local
