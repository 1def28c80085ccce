package pbjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
)

// SyntaxError is a body that is no JSON; its text is the one of Mesos.
type SyntaxError struct{ near string }

func (e *SyntaxError) Error() string { return "syntax error at line 1 near: " + e.near }

// ConvertError is JSON that is no such message; its text is the one of Mesos.
type ConvertError struct{ msg string }

func (e *ConvertError) Error() string { return e.msg }

func convertErrorf(format string, args ...any) error {
	return &ConvertError{msg: fmt.Sprintf(format, args...)}
}

// Fields are the names that the top level of a message had, and a valid value for.
type Fields map[string]bool

// Unmarshal reads a message (a pointer to a generated struct) from JSON. It returns which
// fields of the top level were given, because generated enums have no presence. Its errors
// are a *SyntaxError or a *ConvertError.
func Unmarshal(data []byte, message any) (Fields, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, &SyntaxError{}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &SyntaxError{}
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, convertErrorf("Expecting a JSON object")
	}
	r := &reader{}
	given, err := r.message(object, reflect.ValueOf(message).Elem(), "")
	if err != nil {
		return nil, err
	}
	if len(r.missing) > 0 {
		return nil, convertErrorf("Missing required fields: %s", strings.Join(r.missing, ", "))
	}
	return given, nil
}

type reader struct{ missing []string }

func (r *reader) message(object map[string]any, v reflect.Value, path string) (Fields, error) {
	given := Fields{}
	fields := fieldsOf(v.Type())
	// Missing fields are listed as protobuf does: a message's own ones first.
	for _, f := range fields {
		if value, ok := object[f.name]; f.required && (!ok || value == nil) {
			r.missing = append(r.missing, path+f.name)
		}
	}
	for _, f := range fields {
		value, ok := object[f.name]
		if !ok || value == nil {
			continue
		}
		set, err := r.field(f, value, v.Field(f.index), path)
		if err != nil {
			return nil, err
		}
		given[f.name] = set
	}
	return given, nil
}

func (r *reader) field(f field, value any, v reflect.Value, path string) (bool, error) {
	if f.isMap {
		return true, r.mapField(f, value, v, path)
	}
	list, isList := value.([]any)
	if isList && !f.repeated {
		return false, convertErrorf("Not expecting a JSON array for field '%s'", f.name)
	}
	if !f.repeated {
		return r.value(f, value, v, path+f.name+".")
	}
	if !isList {
		list = []any{value}
	}
	out := reflect.MakeSlice(v.Type(), 0, len(list))
	for i, element := range list {
		if element == nil {
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		set, err := r.value(f, element, item, fmt.Sprintf("%s%s[%d].", path, f.name, i))
		if err != nil {
			return false, err
		}
		if set {
			out = reflect.Append(out, item)
		}
	}
	v.Set(out)
	return true, nil
}

func (r *reader) mapField(f field, value any, v reflect.Value, path string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return convertErrorf("Not expecting a JSON %s for field '%s'", kindOf(value), f.name)
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := reflect.MakeMap(v.Type())
	for _, k := range keys {
		item := reflect.New(v.Type().Elem()).Elem()
		if _, err := r.value(field{name: f.name}, object[k], item, path+f.name+"."); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k), item)
	}
	v.Set(out)
	return nil
}

// value stores one JSON value; it reports false where the value is one to ignore.
func (r *reader) value(f field, value any, v reflect.Value, path string) (bool, error) {
	target := v
	if v.Kind() == reflect.Pointer {
		target = reflect.New(v.Type().Elem()).Elem()
	}
	set, err := r.scalar(f, value, target, path)
	if err != nil || !set {
		return false, err
	}
	if v.Kind() == reflect.Pointer {
		v.Set(target.Addr())
	}
	return true, nil
}

func (r *reader) scalar(f field, value any, v reflect.Value, path string) (bool, error) {
	unexpected := func() (bool, error) {
		return false, convertErrorf("Not expecting a JSON %s for field '%s'", kindOf(value), f.name)
	}
	if v.Kind() == reflect.Struct {
		object, ok := value.(map[string]any)
		if !ok {
			return unexpected()
		}
		_, err := r.message(object, v, path)
		return true, err
	}
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch {
	case f.enum != "":
		if !isText {
			return unexpected()
		}
		n, ok := proto.EnumValueMap(f.enum)[text]
		if !ok && f.required {
			return false, convertErrorf("Failed to find enum for '%s'", text)
		}
		v.SetInt(int64(n))
		return ok, nil
	case v.Kind() == reflect.Bool:
		switch {
		case text == "true" || value == true:
			v.SetBool(true)
		case text == "false" || value == false:
			v.SetBool(false)
		default:
			return unexpected()
		}
	case v.Kind() == reflect.String:
		if !isText {
			return unexpected()
		}
		v.SetString(text)
	case v.Kind() == reflect.Slice:
		if !isText {
			return unexpected()
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return false, convertErrorf("Failed to base64 decode bytes field '%s': %s", f.name, base64Problem(text))
		}
		v.SetBytes(data)
	case isNumber:
		return true, setNumber(f, string(number), v)
	case isText:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return false, convertErrorf("Failed to parse '%s' as a JSON number for field '%s': syntax error at line 1 near: %s", text, f.name, text)
		}
		return true, setNumber(f, text, v)
	default:
		return unexpected()
	}
	return true, nil
}

func setNumber(f field, text string, v reflect.Value) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return convertErrorf("Failed to parse '%s' as a JSON number for field '%s'", text, f.name)
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		v.SetFloat(x)
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			n = int64(x)
		}
		v.SetInt(n)
	case reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			n = uint64(int64(x))
		}
		v.SetUint(n)
	default:
		return convertErrorf("Not expecting a JSON number for field '%s'", f.name)
	}
	return nil
}

func base64Problem(text string) string {
	for _, c := range text {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", c) {
			return fmt.Sprintf("Invalid character '%c'", c)
		}
	}
	return "Invalid length"
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	default:
		return "null"
	}
}
