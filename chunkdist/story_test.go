package chunkdist

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the stories say now into testdata/stories")

// TestStories runs the commands of testdata/stories/*.txt and compares what they draw:
//
//	hosts n=3 cpus=8 mem=8192 ports=31000-31999 [from=1] [racks=3] [agents=1]
//	host NAME [domain=] [cpus=] [mem=] [ports=] [agents=]
//	clear
//	place masters=3 replicas=1 [cpus=1] [mem=1024] [link=ring] [domains=preferred] [bus=10000] [max=] [exclude=]
//	append n=2 [as place]
//	replace lost=10.0.0.1 [as place]
//
// Hosts collect until clear. append and replace go on from the last plan. Lines that start
// with # tell the story.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(data))
			if got == string(data) {
				return
			}
			if !*rewrite {
				t.Fatalf("the story has changed; if that is right, run go test -run Stories -rewrite and read the diff.\n%s", got)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// tell runs a story and returns it with what its commands draw now, between ---- and ====.
func tell(t *testing.T, story string) string {
	var out strings.Builder
	var hosts []Host
	var plan Plan
	drawing := false
	for line := range strings.Lines(story) {
		line = strings.TrimRight(line, "\n")
		if line == "----" || drawing {
			drawing = line != "===="
			continue
		}
		out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		switch a := argsOf(words[1:]); words[0] {
		case "clear":
			hosts = nil
		case "host":
			hosts = append(hosts, a.host(t, words[1], a["domain"]))
		case "hosts":
			from := a.number(t, "from", 1)
			for i := range a.number(t, "n", 0) {
				domain := ""
				if racks := a.number(t, "racks", 0); racks > 0 {
					domain = fmt.Sprintf("rack%d", i%racks+1)
				}
				hosts = append(hosts, a.host(t, fmt.Sprintf("10.0.0.%d", from+i), domain))
			}
		default:
			var err error
			var next Plan
			switch words[0] {
			case "place":
				next, err = Place(a.spec(t), hosts)
			case "append":
				next, err = Append(a.spec(t), plan, hosts, a.number(t, "n", 1))
			case "replace":
				next, err = Replace(a.spec(t), plan, strings.Split(a["lost"], ","), hosts)
			default:
				t.Fatalf("unknown command %q", line)
			}
			drawn := ""
			var no *Infeasible
			switch {
			case errors.As(err, &no):
				drawn = DrawInfeasible(no) + "\n" + no.Error() + "\n"
			case err != nil:
				drawn = err.Error() + "\n"
			default:
				plan, drawn = next, Draw(next)
			}
			out.WriteString("----\n" + drawn + "====\n")
		}
	}
	return out.String()
}

type args map[string]string

func argsOf(words []string) args {
	a := make(args)
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			a[k] = v
		}
	}
	return a
}

func (a args) number(t *testing.T, name string, none int) int {
	return int(a.figure(t, name, float64(none)))
}

func (a args) figure(t *testing.T, name string, none float64) float64 {
	if a[name] == "" {
		return none
	}
	x, err := strconv.ParseFloat(a[name], 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// host returns a host with so many agents that each have the resources.
func (a args) host(t *testing.T, name, domain string) Host {
	h := Host{Name: name, Domain: domain}
	ports := a["ports"]
	if ports == "" {
		ports = "31000-31999"
	}
	for i := range a.number(t, "agents", 1) {
		agent := Agent{ID: fmt.Sprintf("%s/%d", name, i), CPUs: a.figure(t, "cpus", 8), MemoryMB: a.figure(t, "mem", 8192)}
		for _, r := range strings.Split(ports, ",") {
			var p PortRange
			if _, err := fmt.Sscanf(r, "%d-%d", &p.Begin, &p.End); err != nil {
				t.Fatal(err)
			}
			agent.Ports = append(agent.Ports, p)
		}
		h.Agents = append(h.Agents, agent)
	}
	return h
}

func (a args) spec(t *testing.T) Spec {
	s := Spec{Cluster: "orders", UID: "u", Masters: a.number(t, "masters", 3), Replicas: a.number(t, "replicas", 1),
		Node:     Resources{a.figure(t, "cpus", 1), a.figure(t, "mem", 1024)},
		Overhead: Resources{0.1, 32}, BusOffset: a.number(t, "bus", 0), MaxNodesPerHost: a.number(t, "max", 0)}
	if a["exclude"] != "" {
		s.ExcludeHosts = strings.Split(a["exclude"], ",")
	}
	if a["link"] == "ring" {
		s.Link = LinkRing
	}
	if a["domains"] == "preferred" {
		s.DomainRule = Preferred
	}
	return s
}
