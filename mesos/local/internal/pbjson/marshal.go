package pbjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// Marshal writes a generated message (a struct or a pointer to one) as JSON.
func Marshal(message any) ([]byte, error) {
	v := reflect.Indirect(reflect.ValueOf(message))
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("pbjson: %T is no message", message)
	}
	return appendMessage(nil, v)
}

func appendMessage(b []byte, v reflect.Value) ([]byte, error) {
	b = append(b, '{')
	first := true
	for _, f := range fieldsOf(v.Type()) {
		value, err := f.json(v.Field(f.index))
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// json is the field's value as JSON, nil where the field is left out.
func (f field) json(v reflect.Value) ([]byte, error) {
	switch {
	case f.isMap:
		return f.mapJSON(v)
	case f.repeated:
		if v.Len() == 0 {
			return nil, nil
		}
		b := []byte{'['}
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendValue(b, v.Index(i), f); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case !f.set(v):
		if f.hasDef {
			return f.defaultJSON(v.Type()), nil
		}
		return nil, nil
	default:
		return appendValue(nil, v, f)
	}
}

// set reports whether the field holds a value. Generated code has no presence for optional
// values that are no pointers: there the zero value counts as unset.
func (f field) set(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice:
		return !v.IsNil()
	case reflect.Struct:
		return true
	default:
		return f.required || !v.IsZero()
	}
}

func (f field) mapJSON(v reflect.Value) ([]byte, error) {
	if v.Len() == 0 {
		return nil, nil
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	b := []byte{'{'}
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendString(b, k.String()); err != nil {
			return nil, err
		}
		b = append(b, ':')
		if b, err = appendValue(b, v.MapIndex(k), field{name: f.name}); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, v reflect.Value, f field) ([]byte, error) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if f.enum != "" {
		name, ok := v.Interface().(fmt.Stringer)
		if !ok {
			return nil, fmt.Errorf("pbjson: enum %s has no names", f.enum)
		}
		return strconv.AppendQuote(b, name.String()), nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return appendMessage(b, v)
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(b, v.Float()), nil
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Slice:
		return append(append(append(b, '"'), base64.StdEncoding.EncodeToString(v.Bytes())...), '"'), nil
	default:
		return nil, fmt.Errorf("pbjson: field %s has the unexpected type %s", f.name, v.Type())
	}
}

// appendString writes a string without the escapes of HTML, which Mesos does not write.
func appendString(b []byte, s string) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("pbjson: %q: %w", s, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func appendFloat(b []byte, x float64) []byte {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if strings.Contains(s, "e") && x > -1e15 && x < 1e15 {
		s = strconv.FormatFloat(x, 'f', -1, 64)
	}
	b = append(b, s...)
	if !strings.ContainsAny(s, ".e") {
		b = append(b, '.', '0')
	}
	return b
}
