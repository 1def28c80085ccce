package contracts

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

var (
	clusterName = regexp.MustCompile(PatternCluster)
	uuidText    = regexp.MustCompile(PatternUUID)
	versionText = regexp.MustCompile(PatternVersion)
	imageText   = regexp.MustCompile(PatternImage)
	domainText  = regexp.MustCompile(PatternFaultDomain)
)

// Validate holds the request to its ranges; it wants the defaults filled in (WithDefaults). The
// error is the *FieldError of the first field that is out of range.
func (r CreateRequest) Validate() error {
	return first(
		checkUUID("id", r.ID),
		checkCluster("cluster", r.Cluster),
		checkRange("masters", r.Masters, MinMasters, MaxMasters),
		checkRange("replicas", r.Replicas, 0, MaxReplicas),
		checkCPUs("node.cpus", r.Node.CPUs),
		checkRange("node.memory_mb", r.Node.MemoryMB, MinMemoryMB, MaxMemoryMB),
		r.Redis.validate(),
		r.Placement.validate(),
		checkDeadline("deadline", r.Deadline),
	)
}

// Validate holds the request to its ranges, as CreateRequest's does.
func (r DestroyRequest) Validate() error {
	return first(checkUUID("id", r.ID), checkCluster("cluster", r.Cluster), checkDeadline("deadline", r.Deadline))
}

// Validate holds the request to its ranges, as CreateRequest's does.
func (r VerifyRequest) Validate() error {
	return first(checkUUID("id", r.ID), checkCluster("cluster", r.Cluster), checkDeadline("deadline", r.Deadline))
}

// Validate holds the request to its ranges, as CreateRequest's does.
func (r CancelRequest) Validate() error {
	return first(checkUUID("id", r.ID), checkUUID("job", r.Job))
}

func (o RedisOptions) validate() error {
	if !versionText.MatchString(o.Version) {
		return refuse("redis.version", "must be major.minor such as %q, not %+.40q", DefaultVersion, o.Version)
	}
	if o.Image != "" && (len(o.Image) > MaxImageLength || !imageText.MatchString(o.Image)) {
		return refuse("redis.image", "must be the name of a Docker image such as redis:7.0 or registry.example/redis:7.0, not %+.80q", o.Image)
	}
	return first(
		checkChoice("redis.flavor", o.Flavor, Flavors),
		checkChoice("redis.persistence", o.Persistence, Persistences),
		checkConfig("redis.config", o.Config),
	)
}

func (p Placement) validate() error {
	if !domainText.MatchString(p.FaultDomain) {
		return refuse("placement.fault_domain", `must be "host", "zone", "region" or "attribute:NAME", not %+.40q`, p.FaultDomain)
	}
	return first(
		checkRole("placement.role", p.Role),
		checkChoice("placement.fault_domain_rule", p.FaultDomainRule, FaultDomainRules),
		checkChoice("placement.link", p.Link, Links),
		checkRange("placement.max_nodes_per_host", p.MaxNodesPerHost, 0, MaxMasters*(1+MaxReplicas)),
		checkHosts("placement.exclude_hosts", p.ExcludeHosts),
	)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkUUID(field, id string) error {
	if u, err := uuid.Parse(id); err != nil || !uuidText.MatchString(id) || u == uuid.Nil {
		return refuse(field, "must be a UUID such as 6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11, not %+.40q", id)
	}
	return nil
}

// CheckCluster refuses what is no cluster's name; the error is a *FieldError.
func CheckCluster(name string) error { return checkCluster("cluster", name) }

func checkCluster(field, name string) error {
	if !clusterName.MatchString(name) {
		return refuse(field, "must be 1 to 63 of a-z, 0-9 and '-', with no '-' at either end, not %+.80q", name)
	}
	return nil
}

func checkRange(field string, n, least, most int) error {
	if n < least || n > most {
		return refuse(field, "must be %d to %d, not %d", least, most, n)
	}
	return nil
}

// checkCPUs refuses what Mesos would round: it counts cores in thousandths.
func checkCPUs(field string, cpus float64) error {
	thousandths := cpus * 1000
	switch {
	case !(cpus > 0 && cpus <= MaxCPUs): // NaN too
		return refuse(field, "must be more than 0 and at most %g, not %g", MaxCPUs, cpus)
	case math.Abs(thousandths-math.Round(thousandths)) > 1e-6 || thousandths < 0.5:
		return refuse(field, "must be a multiple of 0.001, because Mesos counts in thousandths, not %g", cpus)
	}
	return nil
}

func checkDeadline(field string, d Duration) error {
	if v := time.Duration(d); v < MinDeadline || v > MaxDeadline {
		return refuse(field, "must be %v to %v, not %v", MinDeadline, MaxDeadline, v)
	}
	return nil
}

func checkChoice(field, value string, choices []string) error {
	if !slices.Contains(choices, value) {
		return refuse(field, "must be one of %s, not %+.40q", strings.Join(choices, ", "), value)
	}
	return nil
}

func checkHosts(field string, hosts []string) error {
	if len(hosts) > MaxExcludeHosts {
		return refuse(field, "holds %d hosts; at most %d can be excluded", len(hosts), MaxExcludeHosts)
	}
	for i, host := range hosts {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return refuse(fmt.Sprintf("%s[%d]", field, i), "must be an IP address such as 10.0.0.7, not %+.60q", host)
		}
	}
	return nil
}

// checkRole keeps Mesos' own rules for the name of a role.
func checkRole(field, role string) error {
	bad := func(why string) error {
		return refuse(field, "must be a Mesos role such as * or team/cache, not %+.60q: %s", role, why)
	}
	switch {
	case role == "*":
		return nil
	case role == "" || len(role) > MaxRoleLength:
		return bad(fmt.Sprintf("it is not 1 to %d bytes long", MaxRoleLength))
	case !utf8.ValidString(role) || strings.ContainsFunc(role, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\\' || r == utf8.RuneError
	}):
		return bad("it holds a space, a backslash or a control character")
	}
	for part := range strings.SplitSeq(role, "/") {
		switch {
		case part == "":
			return bad("it has an empty part")
		case part == "." || part == ".." || part == "*":
			return bad(fmt.Sprintf("%q cannot be a part", part))
		case part[0] == '-':
			return bad("a part begins with '-'")
		}
	}
	return nil
}
