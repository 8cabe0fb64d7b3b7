package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hansard/client"
	"hansard/internal/config"

	"github.com/spf13/cobra"
)

// localHost is the name of a server that exists within this process only.
const localHost = "local.invalid"

// localFlags are the flags of commands that can do without a server.
type localFlags struct {
	on     bool
	loader *config.Loader
	named  func() bool // a store was named: --data or --database
}

func (l *localFlags) bind(c *cobra.Command) {
	c.PersistentFlags().BoolVar(&l.on, "local", false, "no server: straight from the store in --data or --database")
	holder := &cobra.Command{Use: c.Name()}
	l.loader = bindSettings(holder, "data", "database", "storage")
	c.PersistentFlags().AddFlagSet(holder.Flags())
	l.named = func() bool { return holder.Flags().Changed("data") || holder.Flags().Changed("database") }
}

func (l *localFlags) given() bool { return l.named() }

// exporter is a client, and what must happen beside it.
type exporter struct {
	*client.Client
	local bool
	work  func(id string) // sees to it that the task is carried out
	close func() error
}

// localExporter has a server of its own, on the store in --data or --database, that nobody
// else can reach. So a local export takes the same way as any other. It runs
// the tasks that were asked for, not what else may wait in the store; and a
// server on the same store may well be the one who carries them out. The
// requests of one's own machine are bound by no limits.
func (m *Main) localExporter(ctx context.Context, l *localFlags, key string) (_ *exporter, err error) {
	s, err := l.loader.Load()
	if err != nil {
		return nil, err
	}
	s.MaxChannels, s.MaxUsers, s.MaxUserMessages, s.RateLimit = 0, 0, 0, config.Rate{}
	b, err := openBackend(ctx, s, quiet(m.logger(s)), refuse, "http://"+localHost)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if key == "" {
		key = s.APIKey // of the environment
	}
	app, err := chooseApp(ctx, b.store, key)
	if err != nil {
		return nil, err
	}
	ln := newPipeListener()
	transport := localTransport(ln)
	c, err := client.New(client.Options{
		Server: "http://" + localHost, APIKey: app.Key, APISecret: app.Secret,
		HTTP: &http.Client{Transport: transport}, Poll: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	w, err := b.worker()
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	var served error
	parts.Go(func() { served = b.server(running, nil).Serve(running, ln) })
	return &exporter{
		Client: c, local: true,
		work: func(id string) {
			parts.Go(func() {
				if _, err := w.RunOne(running, app.ID, id); err != nil && running.Err() == nil {
					b.log.Error("the export cannot go on", "task", id, "error", err)
				}
			})
		},
		close: func() error {
			transport.CloseIdleConnections()
			stop()
			parts.Wait()
			return errors.Join(served, w.Close(), b.Close())
		},
	}, nil
}

// localTransport leads requests for localHost to ln. All others go where they
// always do: files may be in an object store.
func localTransport(ln *pipeListener) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == localHost {
				return nil, nil
			}
			return http.ProxyFromEnvironment(r)
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil && host == localHost {
				return ln.dial(ctx)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

// pipeListener is a net.Listener whose connections are pipes within this
// process.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, errors.Join(err, ours.Close(), theirs.Close())
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return localHost }
