package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"hansard/internal/blob"
	"hansard/internal/live"
	"hansard/internal/metrics"
	"hansard/internal/store"

	"golang.org/x/sync/singleflight"
)

// Exports is what takes requests for exports.
type Exports interface {
	// RequestChannels and RequestUsers check the body of a request and
	// enqueue a task. Errors that are the client's are *wire.Error.
	RequestChannels(ctx context.Context, app store.App, body []byte, idempotencyKey string) (taskID string, err error)
	RequestUsers(ctx context.Context, app store.App, body []byte, idempotencyKey string) (taskID string, err error)
	// UserExport answers the export of one user in the classic dialect.
	UserExport(ctx context.Context, app store.App, userID string) ([]byte, error)
}

// Imports is what takes requests for imports.
type Imports interface {
	// CreateURL makes an address to put a file of that name to, and the path
	// that Create knows it by.
	CreateURL(ctx context.Context, app store.App, filename string) (uploadURL, path string, err error)
	// Create enqueues the import of an uploaded file.
	Create(ctx context.Context, app store.App, path, mode string, mergeCustom bool) (taskID string, err error)
}

// Files serves local files by signed URL; a file store that hands out the
// URLs of another server has none.
type Files interface {
	// ServeGet and ServePut check the signature and serve the file. An error
	// means that nothing was written yet.
	ServeGet(w http.ResponseWriter, r *http.Request, key string) error
	ServePut(w http.ResponseWriter, r *http.Request, key string, maxBytes int64) error
}

// Options are what a server is made of. Store, Blob, Exports and Imports are
// required.
type Options struct {
	Store   store.Store
	Blob    blob.Store
	Exports Exports
	Imports Imports

	// OnEnqueue, if set, is called after a task was enqueued, so that workers
	// in this process need not wait for their next look at the queue.
	OnEnqueue func()

	Version   string        // of this program, shown with failed tasks
	URLTTL    time.Duration // life of a download URL; 0 = 24 h
	Retention time.Duration // life of a finished task; 0 = 60 days

	// RateLimit requests in each RateWindow are allowed per app and export
	// endpoint; 0 = no limit. RateWindow is a minute by default.
	RateLimit  int
	RateWindow time.Duration

	BodyTimeout    time.Duration // for a request's body to arrive; 0 = 20 s
	RequestTimeout time.Duration // for the work on a request; 0 = 30 s
	StallTimeout   time.Duration // between two pieces of a file going up or down; 0 = 30 s
	ShutdownGrace  time.Duration // for requests to end when stopping; 0 = 5 s
	MaxUpload      int64         // bytes of an import file; 0 = 64 GiB

	Metrics *metrics.Metrics // counts requests; nil = nothing does
	// OwnMetrics says that a Monitor serves the metrics, and this server does
	// not.
	OwnMetrics bool
	// Draining, if set, answers whether this process is about to stop: it is
	// not ready then.
	Draining func() bool

	Logger *slog.Logger
	Now    func() time.Time // nil = time.Now
}

// Server answers the HTTP API. Make one with New.
type Server struct {
	opts    Options
	live    *live.Service
	files   Files // nil: this process serves no files
	apps    appCache
	limiter limiter
	checks  singleflight.Group // of readyz
	handler http.Handler
	log     *slog.Logger
	now     func() time.Time
}

// New makes a server; it does not listen yet.
func New(opts Options) *Server {
	s := create(opts)
	s.handler = s.front(s.routes())
	return s
}

// NewMonitor makes a server that has nothing but /metrics, /healthz and /readyz.
// Of the options it needs Store, Blob and Metrics only.
func NewMonitor(opts Options) *Server {
	opts.OwnMetrics = false
	s := create(opts)
	s.handler = s.front(s.monitorRoutes())
	return s
}

func create(opts Options) *Server {
	opts.URLTTL = cmp.Or(opts.URLTTL, 24*time.Hour)
	opts.Retention = cmp.Or(opts.Retention, 60*24*time.Hour)
	opts.RateWindow = cmp.Or(opts.RateWindow, time.Minute)
	opts.BodyTimeout = cmp.Or(opts.BodyTimeout, 20*time.Second)
	opts.RequestTimeout = cmp.Or(opts.RequestTimeout, 30*time.Second)
	opts.StallTimeout = cmp.Or(opts.StallTimeout, 30*time.Second)
	opts.ShutdownGrace = cmp.Or(opts.ShutdownGrace, 5*time.Second)
	opts.MaxUpload = cmp.Or(opts.MaxUpload, 64<<30)
	s := &Server{opts: opts, log: opts.Logger, now: opts.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.live = &live.Service{Store: opts.Store, Now: s.now}
	s.files, _ = opts.Blob.(Files)
	return s
}

// Handler is the whole API as one handler.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests on ln until ctx ends, then lets those that run finish
// for ShutdownGrace and cuts off the rest. It closes ln. An error means that it
// could not go on serving.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	// Requests outlive ctx, so that those that run may finish.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	hs := &http.Server{
		Handler:                      s.handler,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ReadHeaderTimeout:            10 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               64 << 10,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(base, s.opts.ShutdownGrace)
	defer done()
	err := hs.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		cut()
		err = hs.Close()
	}
	if end := <-served; err == nil && !errors.Is(end, http.ErrServerClosed) {
		err = end
	}
	if err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
