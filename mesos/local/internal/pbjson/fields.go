package pbjson

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// field is what the struct tag of a generated message says about one field.
type field struct {
	index    int
	name     string // as in the .proto file, and so in JSON
	required bool
	repeated bool
	enum     string // full name of the enum's type; empty when it is none
	def      string // default value as the tag spells it; meaningful if hasDef
	hasDef   bool
	isMap    bool
}

var fieldCache sync.Map // reflect.Type → []field

// fieldsOf returns the fields of a generated struct in the order of the .proto file.
func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldCache.Load(t); ok {
		return f.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("protobuf")
		if !ok {
			continue
		}
		fields = append(fields, parseTag(i, tag, t.Field(i)))
	}
	fieldCache.Store(t, fields)
	return fields
}

func parseTag(index int, tag string, sf reflect.StructField) field {
	f := field{index: index}
	_, f.isMap = sf.Tag.Lookup("protobuf_key")
	// The default comes last and may hold commas itself.
	if head, def, ok := strings.Cut(tag, ",def="); ok {
		tag, f.def, f.hasDef = head, def, true
	}
	for i, part := range strings.Split(tag, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case i == 2:
			f.required, f.repeated = part == "req", part == "rep"
		case key == "name":
			f.name = value
		case key == "enum":
			f.enum = value
		}
	}
	// Mesos omits the defaults of deprecated fields; "role" is the only such name.
	if f.name == "role" || f.required {
		f.hasDef = false
	}
	return f
}

// defaultJSON is the default of an optional field as JSON text.
func (f field) defaultJSON(t reflect.Type) []byte {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(f.def == "1")
	case reflect.Int32, reflect.Int64:
		n, _ := strconv.ParseInt(f.def, 10, 64)
		v.SetInt(n)
	case reflect.Uint32, reflect.Uint64:
		n, _ := strconv.ParseUint(f.def, 10, 64)
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		x, _ := strconv.ParseFloat(f.def, 64)
		v.SetFloat(x)
	case reflect.String:
		v.SetString(f.def)
	default:
		return nil
	}
	b, err := appendValue(nil, v, f)
	if err != nil {
		return nil
	}
	return b
}
