package contracts

import "embed"

// Schemas holds schemas/*.json: the JSON Schemas (draft 07) of requests, events, plans and
// records. They say everything that JSON Schema can say of the contract; cpus in thousandths, the
// range of the deadline, Mesos' rules for roles and doubled names only the Parse functions check.
//
//go:embed schemas/*.json
var Schemas embed.FS

// AsyncAPI is the contract as an AsyncAPI 3 document, whose references point into schemas/.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte
