package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
)

// specFlags are a create request as flags. nil means not given, as does the zero of those that a
// request may leave out.
type specFlags struct {
	ID              string            `placeholder:"UUID" help:"The job's identity; made up when absent."`
	Cluster         string            `placeholder:"NAME" help:"The cluster's name."`
	Masters         *int              `placeholder:"N" help:"Number of masters (default 3)."`
	Replicas        *int              `placeholder:"N" help:"Replicas of each master (default 1)."`
	CPUs            *float64          `name:"cpus" placeholder:"N" help:"Cores of each node (default 0.5)."`
	Memory          *int              `placeholder:"MIB" help:"Memory of each node, in MiB (default 256)."`
	Flavor          string            `placeholder:"NAME" help:"redis (default) or valkey."`
	Version         string            `placeholder:"X.Y" help:"The server's version (default 7.0)."`
	Persistence     string            `placeholder:"KIND" help:"none (default), aof or rdb."`
	Image           string            `placeholder:"NAME" help:"Docker image that the nodes run in, on agents with image support; default none."`
	Config          map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A redis.conf directive; may be repeated."`
	Role            string            `placeholder:"ROLE" help:"The Mesos role whose resources are used (default *)."`
	FaultDomain     string            `placeholder:"KIND" help:"host (default), zone, region or attribute:NAME."`
	FaultDomainRule string            `placeholder:"RULE" help:"required (default) or preferred."`
	Link            string            `placeholder:"KIND" help:"pair (default) or ring."`
	MaxNodesPerHost int               `placeholder:"N" help:"Bound of the nodes on one host."`
	ExcludeHost     []string          `placeholder:"IP" help:"A host that must not be used; may be repeated."`
	Deadline        time.Duration     `placeholder:"TIME" help:"Longest time for the work (default 2m); cleaning up after it comes on top."`
}

func (f specFlags) request() contracts.CreateRequest {
	r := contracts.CreateRequest{
		ID: f.ID, Cluster: f.Cluster, Masters: given(f.Masters, 3), Replicas: given(f.Replicas, 1),
		Node:  contracts.NodeResources{CPUs: given(f.CPUs, 0.5), MemoryMB: given(f.Memory, 256)},
		Redis: contracts.RedisOptions{Flavor: f.Flavor, Version: f.Version, Persistence: f.Persistence, Image: f.Image, Config: f.Config},
		Placement: contracts.Placement{
			Role: f.Role, FaultDomain: f.FaultDomain, FaultDomainRule: f.FaultDomainRule, Link: f.Link,
			MaxNodesPerHost: f.MaxNodesPerHost, ExcludeHosts: f.ExcludeHost,
		},
		Deadline: contracts.Duration(f.Deadline),
	}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	return r
}

func given[T any](flag *T, absent T) T {
	if flag == nil {
		return absent
	}
	return *flag
}

// parse is the request of a file or of flags, checked as a worker checks it.
func (e *env) parse(file string, flags specFlags) (contracts.CreateRequest, error) {
	if file == "" {
		if flags.Cluster == "" {
			return contracts.CreateRequest{}, badInput("what to create? Give -f FILE, or --cluster NAME and as many of the other flags as you like")
		}
		body, err := json.Marshal(flags.request())
		if err != nil {
			return contracts.CreateRequest{}, badInput("%w", err)
		}
		return checked(contracts.ParseCreate(body))
	}
	if !reflect.ValueOf(flags).IsZero() {
		return contracts.CreateRequest{}, badInput("-f FILE holds the whole request: put the other flags' values into the file, or leave -f out")
	}
	body, err := e.readFile(file)
	if err != nil {
		return contracts.CreateRequest{}, err
	}
	req, err := contracts.ParseCreate(body)
	var field *contracts.FieldError
	if errors.As(err, &field) && field.Field == "id" {
		if withID, ok := addID(body); ok {
			req, err = contracts.ParseCreate(withID)
		}
	}
	if err != nil {
		return req, badInput("%s: %w", file, err)
	}
	return req, nil
}

func checked(r contracts.CreateRequest, err error) (contracts.CreateRequest, error) {
	if err != nil {
		return r, badInput("%w", err)
	}
	return r, nil
}

// addID puts a new ID before the first member of an object that has none.
func addID(body []byte) ([]byte, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members["id"] != nil || len(members) == 0 {
		return nil, false
	}
	open := bytes.IndexByte(body, '{')
	id := fmt.Appendf(nil, `{"id":%q,`, uuid.NewString())
	return append(id, body[open+1:]...), true
}

// readFile reads a file; - is the standard input. A terminal or a pipe may give nothing for long:
// an interrupt ends the wait for it.
func (e *env) readFile(name string) ([]byte, error) {
	type content struct {
		body []byte
		err  error
	}
	read := make(chan content, 1)
	stdin := name == "-"
	if stdin {
		name = "the standard input"
	}
	go func() {
		var c content
		if stdin {
			c.body, c.err = io.ReadAll(e.in)
		} else {
			c.body, c.err = os.ReadFile(name)
		}
		read <- c
	}()
	select {
	case <-e.ctx.Done():
		return nil, &exitError{Interrupted, fmt.Errorf("interrupted while reading %s; nothing was asked for", name)}
	case c := <-read:
		if c.err != nil {
			return nil, badInput("%w", c.err)
		}
		return c.body, nil
	}
}
