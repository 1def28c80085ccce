package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// startNATS starts a NATS server with JetStream in dir, and returns when it takes connections.
func startNATS(ctx context.Context, up *stack, address, dir string) (*server.Server, error) {
	// The server itself only logs that an address is taken, and goes on without it.
	probe, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dev: NATS: %w; is another one running? --nats HOST:0 takes a free port", err)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("dev: NATS: %w", err)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usage("--nats: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, usage("--nats: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "clustersmith-dev", Host: host, Port: port, JetStream: true, StoreDir: dir,
		NoLog: true, NoSigs: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("dev: NATS: %w", err)
	}
	s.Start()
	up.push("NATS", func(context.Context) error {
		s.Shutdown()
		s.WaitForShutdown()
		return nil
	})
	if !s.ReadyForConnections(startTimeout) {
		return nil, errors.New("dev: NATS does not take connections")
	}
	return s, nil
}
