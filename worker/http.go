package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveHTTP serves /metrics, /livez and /readyz until the returned function is called.
//
// /livez says that the process answers; it depends on nothing else, so that an outage of NATS
// restarts no worker. /readyz says that NATS answers, the consumer is there and a Mesos master leads.
func (w *Worker) serveHTTP(ctx context.Context) (stop func(), err error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(out http.ResponseWriter, _ *http.Request) { fmt.Fprintln(out, "ok") })
	mux.HandleFunc("GET /readyz", func(out http.ResponseWriter, req *http.Request) {
		if err := w.ready(req.Context()); err != nil {
			http.Error(out, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(out, "ok")
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.cfg.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("worker: %sHTTP_ADDR: %w", EnvPrefix, err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("metrics and health endpoints ended", "error", err)
		}
	}()
	return func() {
		server.Close() //nolint:errcheck // the process ends next
		<-done
	}, nil
}

// ready says what keeps the worker from doing jobs now.
func (w *Worker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if _, err := w.consumer.Info(ctx); err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	if err := w.mesos.Ping(ctx); err != nil {
		return fmt.Errorf("mesos: %w", err)
	}
	return nil
}
