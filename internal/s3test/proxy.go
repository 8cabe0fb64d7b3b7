package s3test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Fault is what a proxy does to one request. The zero Fault does nothing.
type Fault struct {
	// Status is answered instead of asking the server.
	Status int
	// Early has it answered before the request's body is read.
	Early bool
	// Rate is how many bytes a second the request's body may have.
	Rate int
	// CutBody has both connections cut when this many bytes of the request's
	// body have passed.
	CutBody int64
	// CutAnswer has the client's connection cut when this many bytes of the
	// answer's body have passed.
	CutAnswer int64
	// LoseAnswer has the client's connection cut when the server has answered.
	LoseAnswer bool
	// Flip changes the first byte of the request's body.
	Flip bool
}

// Proxy passes requests on to a server, and makes faults on the way.
type Proxy struct {
	Endpoint string
	Roots    *x509.CertPool // who vouches for a proxy with TLS

	target    *url.URL
	transport *http.Transport
	life      context.Context //nolint:containedctx // that of the proxy, which handlers must not outlive
	stop      context.CancelFunc

	mu       sync.Mutex
	fail     func(*http.Request) Fault
	answered func(*http.Request)
	requests []string
}

// NewProxy starts a proxy in front of a server.
func NewProxy(t testing.TB, s *Server) *Proxy { return newProxy(t, s, false) }

// NewTLSProxy is NewProxy with TLS.
func NewTLSProxy(t testing.TB, s *Server) *Proxy { return newProxy(t, s, true) }

func newProxy(t testing.TB, s *Server, secure bool) *Proxy {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, transport: &http.Transport{DisableCompression: true}}
	p.life, p.stop = context.WithCancel(context.Background())
	front := httptest.NewUnstartedServer(p)
	if secure {
		front.StartTLS()
		p.Roots = x509.NewCertPool()
		p.Roots.AddCert(front.Certificate())
	} else {
		front.Start()
	}
	p.Endpoint = front.URL
	t.Cleanup(func() {
		p.stop()
		front.CloseClientConnections()
		front.Close()
		p.transport.CloseIdleConnections()
	})
	return p
}

// Answered has fn called when the server has answered a request, before the
// client hears of it.
func (p *Proxy) Answered(fn func(*http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = fn
}

// Fail has fn say what happens to each request from now on; nil is nothing. It
// may be called from several goroutines at once.
func (p *Proxy) Fail(fn func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fn
}

// Requests are the requests so far, as METHOD and URI.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fail := p.fail
	p.requests = append(p.requests, r.Method+" "+r.URL.RequestURI())
	p.mu.Unlock()
	var f Fault
	if fail != nil {
		f = fail(r)
	}
	if f.Status != 0 {
		if !f.Early {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		answer(w, f.Status)
		return
	}
	if err := p.pass(w, r, f); err != nil {
		cut(w)
	}
}

// pass asks the server and hands on its answer. After an error the client's
// connection must be cut.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, f Fault) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	out := r.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host // out.Host stays: it is signed
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	} else {
		out.Body = &faultyBody{ReadCloser: r.Body, ctx: ctx, fault: f}
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	p.mu.Lock()
	answered := p.answered
	p.mu.Unlock()
	if answered != nil {
		answered(r)
	}
	if f.LoseAnswer {
		_, _ = io.Copy(io.Discard, resp.Body)
		return errCut
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	if f.CutAnswer > 0 {
		_, _ = io.CopyN(w, resp.Body, f.CutAnswer)
		_ = http.NewResponseController(w).Flush()
		return errCut
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

var errCut = errors.New("cut")

// cut ends the client's connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // does the same, for answers that have begun
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// answer is an error as S3 servers give it.
func answer(w http.ResponseWriter, status int) {
	code := "InternalError"
	if status == http.StatusServiceUnavailable {
		code = "SlowDown"
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>a fault of the test</Message></Error>`, code)
}

// faultyBody is a request's body with a fault.
type faultyBody struct {
	io.ReadCloser
	ctx   context.Context
	fault Fault
	n     int64
}

func (b *faultyBody) Read(p []byte) (int, error) {
	if b.fault.CutBody > 0 {
		if b.n >= b.fault.CutBody {
			return 0, errCut
		}
		p = p[:min(int64(len(p)), b.fault.CutBody-b.n)]
	}
	if b.fault.Rate > 0 {
		const tick = 20 * time.Millisecond
		p = p[:min(len(p), max(1, b.fault.Rate/int(time.Second/tick)))]
		timer := time.NewTimer(tick)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		}
	}
	n, err := b.ReadCloser.Read(p)
	if b.fault.Flip && b.n == 0 && n > 0 {
		p[0] ^= 0xff
	}
	b.n += int64(n)
	return n, err
}
