package contracts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// FieldError says which field of a request is refused, why, and what would do.
type FieldError struct {
	// Field is a JSON path such as placement.exclude_hosts[2]; empty is the whole request.
	Field   string
	Message string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return "the request " + e.Message
	}
	return e.Field + " " + e.Message
}

func refuse(field, format string, args ...any) error {
	return &FieldError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// decodeStrict decodes one request into out, a pointer to a struct, and refuses whatever
// encoding/json would pass over: unknown and doubled names, names in another case, null,
// missing fields, empty strings, text after the end, bytes that are not UTF-8. It follows the type of out, so
// it goes no deeper than the type does.
func decodeStrict(data []byte, out any) error {
	switch {
	case len(data) > MaxRequestSize:
		return refuse("", "is %d bytes long; at most %d are read", len(data), MaxRequestSize)
	case !utf8.Valid(data):
		return refuse("", "is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, reflect.TypeOf(out).Elem(), "", false); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse("", "has text after its end; send one JSON object in one message")
	}
	if err := json.Unmarshal(data, out); err != nil {
		return refuse("", "does not decode: %v", err)
	}
	return nil
}

var durationType = reflect.TypeFor[Duration]()

// checkValue reads one value from dec and compares its shape with t; empty says that an empty
// string will do.
func checkValue(dec *json.Decoder, t reflect.Type, path string, empty bool) error {
	token, err := dec.Token()
	if err != nil {
		return syntaxError(err)
	}
	switch t.Kind() {
	case reflect.Struct:
		if token != json.Delim('{') {
			return refuse(path, "must be an object, not %s", describe(token))
		}
		return checkStruct(dec, t, path)
	case reflect.Map:
		if token != json.Delim('{') {
			return refuse(path, "must be an object, not %s", describe(token))
		}
		return checkNames(dec, path, true, func(string) (reflect.Type, error) { return t.Elem(), nil })
	case reflect.Slice:
		if token != json.Delim('[') {
			return refuse(path, "must be a list, not %s", describe(token))
		}
		for i := 0; dec.More(); i++ {
			if err := checkValue(dec, t.Elem(), fmt.Sprintf("%s[%d]", path, i), false); err != nil {
				return err
			}
		}
		return closeValue(dec)
	}
	if token == "" && !empty {
		return refuse(path, "is empty; give a value, or leave the field out where it has a default")
	}
	return checkScalar(token, t, path)
}

func checkScalar(token json.Token, t reflect.Type, path string) error {
	switch {
	case t == durationType:
		s, ok := token.(string)
		if d, err := time.ParseDuration(s); !ok || err != nil || d <= 0 {
			return refuse(path, "must be a duration such as \"2m\" or \"1m30s\", not %s", describe(token))
		}
	case t.Kind() == reflect.String:
		if _, ok := token.(string); !ok {
			return refuse(path, "must be a string, not %s", describe(token))
		}
	case t.Kind() == reflect.Bool:
		if _, ok := token.(bool); !ok {
			return refuse(path, "must be true or false, not %s", describe(token))
		}
	case t.Kind() == reflect.Int:
		n, ok := token.(json.Number)
		if _, err := strconv.Atoi(n.String()); !ok || err != nil {
			return refuse(path, "must be a whole number, not %s", describe(token))
		}
	case t.Kind() == reflect.Float64:
		n, ok := token.(json.Number)
		if _, err := n.Float64(); !ok || err != nil {
			return refuse(path, "must be a number, not %s", describe(token))
		}
	default:
		return refuse(path, "has a type %s that requests do not have", t)
	}
	return nil
}

// checkStruct reads the members of an object whose opening brace was read.
func checkStruct(dec *json.Decoder, t reflect.Type, path string) error {
	fields := make(map[string]reflect.Type, t.NumField())
	missing := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
		if options == "" {
			missing = append(missing, name)
		}
	}
	seen := make(map[string]bool, len(fields))
	err := checkNames(dec, path, false, func(name string) (reflect.Type, error) {
		seen[name] = true
		if ft, ok := fields[name]; ok {
			return ft, nil
		}
		return nil, refuse(join(path, name), "is no field of this request; leave it out, or correct its spelling")
	})
	if err != nil {
		return err
	}
	for _, name := range missing {
		if !seen[name] {
			return refuse(join(path, name), "is missing")
		}
	}
	return nil
}

// checkNames reads an object's members up to its end; typeOf says what a member must be, empty
// that its string may be empty.
func checkNames(dec *json.Decoder, path string, empty bool, typeOf func(name string) (reflect.Type, error)) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return syntaxError(err)
		}
		name := token.(string) // the decoder lets nothing else stand for a name
		if seen[name] {
			return refuse(join(path, name), "is there twice; leave one")
		}
		seen[name] = true
		t, err := typeOf(name)
		if err != nil {
			return err
		}
		if err := checkValue(dec, t, join(path, name), empty); err != nil {
			return err
		}
	}
	return closeValue(dec)
}

func closeValue(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return syntaxError(err)
	}
	return nil
}

func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("", "is not complete JSON: it ends too early")
	}
	return refuse("", "is not valid JSON: %v", err)
}

// join appends a member's name to a path. A name that is no plain word is quoted and cut, for
// it comes from a stranger.
func join(path, name string) string {
	if len(name) > MaxConfigKeyLength || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || name == "" {
		name = fmt.Sprintf("%+.40q", name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe names a token for an error, short and printable.
func describe(token json.Token) string {
	switch v := token.(type) {
	case nil:
		return "null (leave the field out instead)"
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return fmt.Sprintf("the string %+.40q", v)
	case json.Number:
		return fmt.Sprintf("%.40s", v.String())
	default:
		return fmt.Sprint(v)
	}
}
