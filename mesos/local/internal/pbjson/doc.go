// Package pbjson writes and reads the protobuf messages of mesos-go as JSON in the dialect
// of Apache Mesos.
//
// Duty: byte shapes as Mesos has them. A field that is not set is absent, never null; enums
// are names; bytes are base64; a float always has a point; an optional field with a default
// is written even when it is not set. Reading is as lenient (unknown fields, unknown values
// of optional enums, null, numbers and booleans in strings) and as strict (missing required
// fields) as Mesos is, with its error texts.
//
// The encoding/json tags of mesos-go differ in these points, which is why this package
// exists.
//
// Law: Unmarshal(Marshal(m)) equals m for every message without unknown fields, except for
// defaults that were filled in.
package pbjson
