package wirejson

import (
	"reflect"
	"strings"

	"github.com/gogo/protobuf/proto"
)

// dropUnknownEnums takes the enum values out of a JSON tree that the protobuf type t has no
// number for, so that a message of a newer Mesos can still be read. A field without its value
// then reads as absent.
func dropUnknownEnums(tree any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch tree := tree.(type) {
	case map[string]any:
		switch t.Kind() {
		case reflect.Struct:
			dropInMessage(tree, t)
		case reflect.Map:
			for key, value := range tree {
				tree[key] = dropUnknownEnums(value, t.Elem())
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for i, element := range tree {
				tree[i] = dropUnknownEnums(element, t.Elem())
			}
		}
	}
	return tree
}

func dropInMessage(message map[string]any, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, there := message[name]
		if !there {
			continue
		}
		numbers := enumOf(field)
		if numbers == nil {
			message[name] = dropUnknownEnums(value, field.Type)
			continue
		}
		switch value := value.(type) {
		case string:
			if _, known := numbers[value]; !known {
				delete(message, name)
			}
		case []any:
			kept := value[:0]
			for _, element := range value {
				text, isText := element.(string)
				if _, known := numbers[text]; known || !isText {
					kept = append(kept, element)
				}
			}
			message[name] = kept
		}
	}
}

// enumOf gives the values of an enum field by name, or nil where the field is no enum.
func enumOf(field reflect.StructField) map[string]int32 {
	for _, part := range strings.Split(field.Tag.Get("protobuf"), ",") {
		if name, ok := strings.CutPrefix(part, "enum="); ok {
			return proto.EnumValueMap(name)
		}
	}
	return nil
}
