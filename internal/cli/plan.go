package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/nodesconf"
	"github.com/clustersmith/clustersmith/worker"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// planCmd plans on offers without creating anything.
type planCmd struct {
	File      string        `short:"f" type:"path" placeholder:"FILE" help:"The request as JSON (- is the standard input); its id may be left out."`
	Offers    string        `type:"path" xor:"source" required:"" placeholder:"FILE" help:"A JSON array of Mesos v1 offers, as in an OFFERS event."`
	Mesos     []string      `xor:"source" required:"" placeholder:"URL" help:"Base URLs of Mesos masters, whose offers are looked at and declined."`
	OfferWait time.Duration `default:"5s" placeholder:"TIME" help:"How long to wait for the first offer."`
	specFlags `group:"The request"`
}

// planFailure is what plan prints with -o json when there is no plan.
type planFailure struct {
	Reason  contracts.Reason   `json:"reason"`
	Message string             `json:"message"`
	Details *contracts.Details `json:"details,omitempty"`
	// Unusable are the agents that no node can be put on, and why.
	Unusable []mesos.Unusable `json:"unusable,omitempty"`
}

func (cmd *planCmd) Run(e *env) error {
	req, err := e.parse(cmd.File, cmd.specFlags)
	if err != nil {
		return err
	}
	cfg, err := worker.ConfigFromEnv()
	if err != nil {
		return badInput("%w", err)
	}
	spec, err := planSpec(req, cfg)
	if err != nil {
		return err
	}
	offers, err := cmd.offers(e, cfg, req)
	if err != nil {
		return err
	}
	hosts, unusable, err := mesos.HostsOf(offers, mesos.Query{
		Role: req.Placement.Role, FaultDomain: req.Placement.FaultDomain, DomainOptional: req.Placement.FaultDomainRule == "preferred",
	})
	if err != nil {
		return badInput("placement: %w", err)
	}
	plan, err := chunkdist.Place(spec, hosts)
	if err != nil {
		return e.noPlan(err, unusable)
	}
	if e.json {
		return e.encode(plan)
	}
	_, err = fmt.Fprint(e.out, chunkdist.Draw(plan))
	return err
}

// planSpec is what a worker with this configuration would ask the planner for.
func planSpec(req contracts.CreateRequest, cfg worker.Config) (chunkdist.Spec, error) {
	if err := jobs.CheckServers(req); err != nil {
		return chunkdist.Spec{}, badInput("%w", err)
	}
	dialect, err := nodesconf.LookupDialect(req.Redis.Flavor, req.Redis.Version)
	if err != nil {
		return chunkdist.Spec{}, badInput("redis.version: %w", err)
	}
	spec := jobs.SpecOf(req, req.ID)
	spec.BusOffset = dialect.BusOffset()
	spec.Overhead = chunkdist.Resources{CPUs: cfg.ExecutorCPUs, MemoryMB: float64(cfg.ExecutorMemMB)}
	return spec, nil
}

// noPlan says why there is none.
func (e *env) noPlan(err error, unusable []mesos.Unusable) error {
	var short *chunkdist.Infeasible
	if !errors.As(err, &short) {
		return badInput("%w", err)
	}
	if e.json {
		f := jobs.PlanFailure(err)
		if err := e.encode(planFailure{f.Reason, f.Message, f.Details, unusable}); err != nil {
			return err
		}
		return jobFailed()
	}
	fmt.Fprint(e.out, chunkdist.DrawInfeasible(short))
	for _, u := range unusable {
		fmt.Fprintln(e.out, "unusable ", show.Clean(u.String()))
	}
	return jobFailed()
}

func (cmd *planCmd) offers(e *env, cfg worker.Config, req contracts.CreateRequest) ([]v1.Offer, error) {
	if cmd.Offers != "" {
		text, err := e.readFile(cmd.Offers)
		if err != nil {
			return nil, err
		}
		offers, err := mesos.ParseOffers(text)
		if err != nil {
			return nil, badInput("%s: %w", cmd.Offers, err)
		}
		return offers, nil
	}
	cfg.Masters = cmd.Mesos
	if err := cfg.Validate(); err != nil {
		return nil, badInput("%w", err)
	}
	client, err := mesosClient(cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	offers, err := lookAtOffers(e.ctx, client, mesos.Framework{
		Name: "clustersmith plan " + req.Cluster, User: cfg.MesosUser, Role: req.Placement.Role,
	}, cmd.OfferWait)
	err = worker.ExplainMesos(cfg, err)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, unreachable("Mesos at %s: %w; is that the base URL of a master, such as http://10.0.0.1:5050?", strings.Join(cmd.Mesos, ", "), err)
	}
	return offers, err
}
