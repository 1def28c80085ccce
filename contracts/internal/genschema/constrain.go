package main

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/jsonschema-go/jsonschema"
)

func constrainNamed(s *jsonschema.Schema) {
	at(s, "id").Pattern = contracts.PatternUUID
	at(s, "cluster").Pattern = contracts.PatternCluster
	setDefault(at(s, "deadline"), contracts.DefaultDeadline.String())
}

func constrainCancel(s *jsonschema.Schema) {
	at(s, "id").Pattern = contracts.PatternUUID
	at(s, "job").Pattern = contracts.PatternUUID
}

func constrainCreate(s *jsonschema.Schema) {
	constrainNamed(s)
	between(at(s, "masters"), contracts.MinMasters, contracts.MaxMasters)
	between(at(s, "replicas"), 0, contracts.MaxReplicas)
	cpus := at(s, "node.cpus")
	cpus.ExclusiveMinimum, cpus.Maximum = jsonschema.Ptr(0.0), jsonschema.Ptr(contracts.MaxCPUs)
	between(at(s, "node.memory_mb"), contracts.MinMemoryMB, contracts.MaxMemoryMB)

	at(s, "redis.version").Pattern = contracts.PatternVersion
	setDefault(at(s, "redis.version"), contracts.DefaultVersion)
	oneOf(at(s, "redis.flavor"), contracts.Flavors)
	oneOf(at(s, "redis.persistence"), contracts.Persistences)
	image := at(s, "redis.image")
	image.Pattern, image.MaxLength = contracts.PatternImage, jsonschema.Ptr(contracts.MaxImageLength)
	constrainConfig(at(s, "redis.config"))

	role := at(s, "placement.role")
	role.MinLength, role.MaxLength = jsonschema.Ptr(1), jsonschema.Ptr(contracts.MaxRoleLength)
	setDefault(role, contracts.DefaultRole)
	at(s, "placement.fault_domain").Pattern = contracts.PatternFaultDomain
	setDefault(at(s, "placement.fault_domain"), contracts.DefaultFaultDomain)
	oneOf(at(s, "placement.fault_domain_rule"), contracts.FaultDomainRules)
	oneOf(at(s, "placement.link"), contracts.Links)
	between(at(s, "placement.max_nodes_per_host"), 0, contracts.MaxMasters*(1+contracts.MaxReplicas))
	setDefault(at(s, "placement.max_nodes_per_host"), 0)
	at(s, "placement.exclude_hosts").MaxItems = jsonschema.Ptr(contracts.MaxExcludeHosts)
	at(s, "placement.exclude_hosts").Items.AnyOf = []*jsonschema.Schema{{Format: "ipv4"}, {Format: "ipv6"}}
}

// constrainConfig says which directives are not taken, as one pattern that names must not match.
func constrainConfig(config *jsonschema.Schema) {
	config.MaxProperties = jsonschema.Ptr(contracts.MaxConfigKeys)
	var denied []string
	for _, key := range contracts.DeniedKeys() {
		prefix, wild := strings.CutSuffix(key, "*")
		pattern := regexp.QuoteMeta(prefix)
		if wild {
			pattern += ".*"
		}
		denied = append(denied, pattern)
	}
	config.PropertyNames = &jsonschema.Schema{
		Pattern: contracts.PatternConfigKey,
		Not:     &jsonschema.Schema{Pattern: "^(" + strings.Join(denied, "|") + ")$"},
	}
	config.AdditionalProperties.MaxLength = jsonschema.Ptr(contracts.MaxConfigValue)
	config.AdditionalProperties.Pattern = `^[^\x00-\x1f\x7f-\x9f` + "\u2028\u2029\ufffd" + `]*$`
}

func constrainPlan(s *jsonschema.Schema) {
	node := at(s, "nodes").Items
	at(node, "id").Pattern = "^[0-9a-f]{40}$"
	at(node, "role").Enum = []any{"master", "replica"}
	between(at(node, "port"), 1, 65535)
	between(at(node, "bus_port"), 1, 65535)
	between(at(node, "slots").Items.Items, 0, 16383)
}

func constrainEvent(s *jsonschema.Schema) {
	at(s, "specversion").Const = jsonschema.Ptr[any](contracts.SpecVersion)
	at(s, "datacontenttype").Const = jsonschema.Ptr[any](contracts.DataContentType)
	types := at(s, "type")
	for _, t := range contracts.EventTypes {
		types.Enum = append(types.Enum, contracts.TypePrefix+string(t))
	}
	at(s, "data.seq").Minimum = jsonschema.Ptr(1.0)
	at(s, "data.cluster").Pattern = contracts.PatternCluster
	constrainPlan(at(s, "data.plan"))
	s.AllOf = []*jsonschema.Schema{
		requireData(contracts.EventVerified, "report"),
		requireData(contracts.EventFailed, "reason", "message"),
	}
}

// requireData says what the data of one event type must hold.
func requireData(t contracts.EventType, names ...string) *jsonschema.Schema {
	return &jsonschema.Schema{
		If: &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{
			"type": {Const: jsonschema.Ptr[any](contracts.TypePrefix + string(t))},
		}},
		Then: &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"data": {Required: names}}},
	}
}

func between(s *jsonschema.Schema, least, most int) {
	s.Minimum, s.Maximum = jsonschema.Ptr(float64(least)), jsonschema.Ptr(float64(most))
}

func oneOf(s *jsonschema.Schema, values []string) {
	s.Enum = choice(values...).Enum
	setDefault(s, values[0])
}

func setDefault(s *jsonschema.Schema, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // only strings and numbers come here
	}
	s.Default = b
}
