// Package wirejson reads and writes the types of mesos-go in the JSON that Apache Mesos speaks.
//
// mesos-go alone refuses a message with an enum value that it does not know, which a newer Mesos
// sends, and writes null for what is empty, which a Mesos refuses.
package wirejson

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Unmarshal is json.Unmarshal into a mesos-go type that puts up with enum values which
// mesos-go does not know: they are left out, as unknown fields are. The first try is the quick one.
func Unmarshal(text []byte, into any) error {
	first := json.Unmarshal(text, into)
	if first == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return first
	}
	target := reflect.ValueOf(into).Elem()
	target.SetZero()
	known, err := json.Marshal(dropUnknownEnums(tree, target.Type()))
	if err != nil {
		return first
	}
	return json.Unmarshal(known, into)
}

// Marshal is json.Marshal of a mesos-go type without the object members that are null.
func Marshal(message any) ([]byte, error) {
	text, err := json.Marshal(message)
	if err != nil || !bytes.Contains(text, []byte("null")) {
		return text, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	dropNulls(tree)
	return json.Marshal(tree)
}

func dropNulls(tree any) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, member := range tree {
			if member == nil {
				delete(tree, key)
				continue
			}
			dropNulls(member)
		}
	case []any:
		for _, element := range tree {
			dropNulls(element)
		}
	}
}
