package contracts

import (
	"bytes"
	"encoding/json"
	"strings"
)

// ParseCreate decodes a create request strictly, fills in its defaults, brings it into its
// canonical form (WithDefaults) and validates it. The error is a *FieldError.
func ParseCreate(data []byte) (CreateRequest, error) {
	var r CreateRequest
	if err := decodeStrict(data, &r); err != nil {
		return CreateRequest{}, err
	}
	r = r.WithDefaults()
	if err := r.Validate(); err != nil {
		return CreateRequest{}, err
	}
	return r, nil
}

// ParseDestroy does for a destroy request what ParseCreate does for a create request.
func ParseDestroy(data []byte) (DestroyRequest, error) {
	var r DestroyRequest
	if err := decodeStrict(data, &r); err != nil {
		return DestroyRequest{}, err
	}
	r = r.WithDefaults()
	if err := r.Validate(); err != nil {
		return DestroyRequest{}, err
	}
	return r, nil
}

// ParseVerify does for a verify request what ParseCreate does for a create request.
func ParseVerify(data []byte) (VerifyRequest, error) {
	var r VerifyRequest
	if err := decodeStrict(data, &r); err != nil {
		return VerifyRequest{}, err
	}
	r = r.WithDefaults()
	if err := r.Validate(); err != nil {
		return VerifyRequest{}, err
	}
	return r, nil
}

// ParseCancel does for a cancel request what ParseCreate does for a create request.
func ParseCancel(data []byte) (CancelRequest, error) {
	var r CancelRequest
	if err := decodeStrict(data, &r); err != nil {
		return CancelRequest{}, err
	}
	r.ID, r.Job = strings.ToLower(r.ID), strings.ToLower(r.Job)
	if err := r.Validate(); err != nil {
		return CancelRequest{}, err
	}
	return r, nil
}

// Sniff reads the ID and the cluster's name from a request that Parse refused, as far as they
// can be read and are valid, so that the refusal can be addressed; else they are empty. It reads
// up to the first byte that is not JSON. A field that is there twice is not read.
func Sniff(data []byte) (id, cluster string) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return "", ""
	}
	found := map[string][]string{}
	for {
		name, err := dec.Token()
		if err != nil || name == json.Delim('}') {
			break
		}
		value, err := skipValue(dec)
		if err != nil {
			break
		}
		if name == "id" || name == "cluster" {
			s, _ := value.(string)
			found[name.(string)] = append(found[name.(string)], s)
		}
	}
	if ids := found["id"]; len(ids) == 1 && checkUUID("id", ids[0]) == nil {
		id = strings.ToLower(ids[0])
	}
	if names := found["cluster"]; len(names) == 1 && checkCluster("cluster", names[0]) == nil {
		cluster = names[0]
	}
	return id, cluster
}

// skipValue reads one value, however deep, and returns its first token.
func skipValue(dec *json.Decoder) (json.Token, error) {
	first, err := dec.Token()
	if err != nil {
		return nil, err
	}
	for depth := nesting(first); depth > 0; {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		depth += nesting(token)
	}
	return first, nil
}

func nesting(token json.Token) int {
	switch token {
	case json.Delim('{'), json.Delim('['):
		return 1
	case json.Delim('}'), json.Delim(']'):
		return -1
	}
	return 0
}
