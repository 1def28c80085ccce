// Package mesos is a scheduler client for the Mesos v1 HTTP API, and what turns offers into
// hosts and a plan into launched tasks. It is written in layers; each knows only the one below:
//
//	Deployment    follows the tasks of one plan            deployment.go, nodes.go, resume.go
//	   │ events, calls
//	Session       a framework that stays subscribed        session.go, calls.go, teardown.go
//	   │ reconnects: backoff, leader, a new generation
//	subscription  one event stream, dead after one error   subscription.go, watchdog.go
//	   │ records
//	codec         RecordIO, protobuf or JSON               recordio.go, codec.go, enums.go
//
// Beside them stand two pure parts without any I/O: offers → hosts (HostsOf, ParseOffers) and
// plan → launch operations (Launches).
//
// # Laws
//
// A subscription that has failed once is dead for ever. A Session survives it: it subscribes
// again with the same framework ID and says so with a Reconnected event that carries a new
// generation. Whatever was learnt in an older generation is then doubtful: offers are void,
// and tasks must be reconciled.
//
// A Session ends, with one error that Err keeps, only when it is closed or when going on
// would be wrong: the framework was removed (ErrFrameworkRemoved), another scheduler holds its
// ID (ErrFailedOver), or the master refuses it (ErrInvalidFramework, ErrUnauthorized).
// Everything else (refused connections, 404 and 503 of a master that starts, another leader,
// silence) is waited out.
//
// A call is repeated only when that cannot do harm: always when it was certainly not
// processed, and otherwise only if it is idempotent. ACCEPT is not.
//
// # Why not mesos-go's own client
//
// Types and call constructors are mesos-go's. Its HTTP client is not used: its JSON decoder
// refuses a whole event for one enum value that it does not know (a master of Mesos 1.10 or
// later sends such a one in SUBSCRIBED already), it does not keep the text of HTTP errors, and
// a watchdog over silence needs a hand on the bytes.
package mesos
