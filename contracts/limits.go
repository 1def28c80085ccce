package contracts

import "time"

// The ranges that requests are held to.
const (
	MinMasters  = 3 // fewer cannot keep a majority when one is lost
	MaxMasters  = 8192
	MaxReplicas = 4

	MaxCPUs     = 64.0
	MinMemoryMB = 64
	MaxMemoryMB = 1 << 20

	MinDeadline     = time.Second
	MaxDeadline     = 24 * time.Hour
	DefaultDeadline = 2 * time.Minute

	MaxExcludeHosts    = 4096
	MaxConfigKeys      = 256
	MaxConfigKeyLength = 64
	MaxConfigValue     = 1024 // bytes
	MaxRoleLength      = 255

	// MaxImageLength is the longest name of an image, in bytes.
	MaxImageLength = 255
	// MaxRequestSize is the longest request, in bytes. It leaves room for headers in
	// StreamJobs and in the dead letter that a request may become.
	MaxRequestSize = 160 << 10
)

// The patterns that names are held to. They are RE2 and ECMA-262 at once, so the schemas
// carry them as they are.
const (
	PatternUUID        = `^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`
	PatternCluster     = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`
	PatternVersion     = `^(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)$`
	PatternConfigKey   = `^[a-z0-9][a-z0-9-]{0,63}$`
	PatternFaultDomain = `^(host|zone|region|attribute:[A-Za-z0-9_/.-]{1,128})$`
	PatternImage       = `^[a-z0-9]+([._:/-]+[A-Za-z0-9_]+)*(@sha256:[0-9a-f]{64})?$`
	PatternDuration    = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
)

// The values of the request's choices; the first of each is the default.
var (
	Flavors          = []string{"redis", "valkey"}
	Persistences     = []string{"none", "aof", "rdb"}
	FaultDomainRules = []string{"required", "preferred"}
	Links            = []string{"pair", "ring"}
)

// Defaults of optional fields that are no choice.
const (
	DefaultVersion     = "7.0"
	DefaultRole        = "*"
	DefaultFaultDomain = "host"
)
