package local

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/heldport"
)

// server is one HTTP server on an address that it keeps: it can be killed and started again.
type server struct {
	ip   string
	port int
	held heldport.Port // the address, also while nothing listens on it
	tls  *tls.Config   // nil: plain HTTP
	log  *slog.Logger
	gate gate

	handler  atomic.Pointer[http.Handler]
	detour   atomic.Pointer[http.HandlerFunc] // not nil: answers in place of handler
	http     *http.Server
	done     chan struct{}
	handlers sync.WaitGroup
	listener net.Listener
	media    sync.Map // Content-Type of what was posted → true
}

// listen takes the address, until close; port 0 becomes a free one, kept for later starts.
func (s *server) listen(ctx context.Context) error {
	if !s.held.Addr().IsValid() {
		addr, err := netip.ParseAddr(s.ip)
		if err == nil {
			s.held, err = heldport.Hold(netip.AddrPortFrom(addr.Unmap(), uint16(s.port)))
		}
		if err != nil {
			return fmt.Errorf("local: listen on %s:%d: %w", s.ip, s.port, err)
		}
		s.port = int(s.held.Addr().Port())
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(s.ip, strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("local: listen on %s:%d: %w", s.ip, s.port, err)
	}
	if s.tls != nil {
		l = tls.NewListener(l, s.tls)
	}
	s.listener = l
	return nil
}

// relisten takes the address again after kill. For a moment it may still be taken: a child that
// is just being forked holds a copy of every descriptor until it executes its program.
func (s *server) relisten(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := s.listen(ctx)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		select {
		case <-time.After(time.Millisecond + rand.N(4*time.Millisecond)):
		case <-ctx.Done():
			return err
		}
	}
}

// serve answers with h in a goroutine of its own until kill.
func (s *server) serve(h http.Handler) {
	s.handle(h)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.handlers.Add(1)
			defer s.handlers.Done()
			if r.Method == http.MethodPost {
				s.media.Store(r.Header.Get("Content-Type"), true)
			}
			if s.gate.pass(r.Context()) {
				s.current().ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.http, s.done = srv, make(chan struct{})
	go func(l net.Listener, done chan struct{}) {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	}(s.listener, s.done)
}

// handle answers with h from now on.
func (s *server) handle(h http.Handler) { s.handler.Store(&h) }

// divert answers with h instead, until it is called with nil.
func (s *server) divert(h http.HandlerFunc) {
	if h == nil {
		s.detour.Store(nil)
		return
	}
	s.detour.Store(&h)
}

func (s *server) current() http.Handler {
	if h := s.detour.Load(); h != nil {
		return h
	}
	return *s.handler.Load()
}

// kill closes the listener and every connection at once, as a killed process would, and
// waits for the handlers: they all end with their request's context.
func (s *server) kill() {
	if s.http == nil {
		return
	}
	// Close reports only that the listener was closed before, which changes nothing.
	_ = s.http.Close()
	<-s.done
	s.handlers.Wait()
	s.http = nil
}

// close is kill for good: the address is anybody's again.
func (s *server) close() {
	s.kill()
	s.held.Release()
}

// url is where it is found.
func (s *server) url() string {
	if s.tls != nil {
		return "https://" + s.address()
	}
	return "http://" + s.address()
}

func (s *server) address() string { return net.JoinHostPort(s.ip, strconv.Itoa(s.port)) }
