package server

import (
	"net/http"
	"slices"
	"time"
)

// area says where an operation stands in the v2 dialect.
type area string

const (
	chatAPI  area = "/api/v2/chat"
	coreAPI  area = "/api/v2"
	videoAPI area = "/api/v2/video"
)

// The groups of endpoints that --rate-limit limits, each on its own.
const (
	limitChannels = "export_channels"
	limitUsers    = "export_users"
	limitUser     = "export_user"
)

// operation is one endpoint of the API.
type operation struct {
	name    string // as errors name it
	method  string
	path    string // in the classic dialect
	area    area
	status  int           // of a success; 0 = 200
	limit   string        // the limiter's group; "" = not limited
	body    bodyRule      // what a request brings
	timeout time.Duration // for the work; 0 = Options.RequestTimeout
	handle  func(*Request) (Answer, error)
}

type bodyRule int

const (
	noBody   bodyRule = iota // whatever is sent is not looked at
	jsonBody                 // required
	anyBody                  // may be missing
)

// maxBody is the largest body of a request, in bytes (contract section 2).
const maxBody = 4 << 20

func (s *Server) operations() []operation {
	return slices.Concat(s.exportOperations(), s.userOperations(), s.channelOperations(), s.messageOperations(), s.callOperations(),
		s.setupOperations())
}

const created = http.StatusCreated

func (s *Server) exportOperations() []operation {
	return []operation{
		{
			name: "ExportChannels", method: "POST", path: "/export_channels", area: chatAPI, status: created,
			limit: limitChannels, body: jsonBody, handle: s.exportChannels,
		},
		{name: "GetExportChannelsStatus", method: "GET", path: "/export_channels/{id}", area: chatAPI, handle: s.exportStatus},
		{
			name: "ExportUsers", method: "POST", path: "/export/users", area: coreAPI, status: created,
			limit: limitUsers, body: jsonBody, handle: s.exportUsers,
		},
		{
			name: "ExportUser", method: "GET", path: "/users/{id}/export", area: coreAPI,
			limit: limitUser, timeout: 2 * s.opts.RequestTimeout, handle: s.exportUser,
		},

		{name: "ListTasks", method: "GET", path: "/tasks", area: coreAPI, handle: s.listTasks},
		{name: "GetTask", method: "GET", path: "/tasks/{id}", area: coreAPI, handle: s.getTask},
		{name: "CancelTask", method: "POST", path: "/tasks/{id}/cancel", area: coreAPI, handle: s.cancelTask},

		{
			name: "CreateImportURL", method: "POST", path: "/import_urls", area: coreAPI, status: created,
			body: jsonBody, handle: s.createImportURL,
		},
		{
			name: "CreateImport", method: "POST", path: "/imports", area: coreAPI, status: created,
			body: jsonBody, handle: s.createImport,
		},
		{name: "ListImports", method: "GET", path: "/imports", area: coreAPI, handle: s.listImports},
		{name: "GetImport", method: "GET", path: "/imports/{id}", area: coreAPI, handle: s.getImport},
	}
}

// routes mounts everything. What is not mounted, a known path with another
// method included, ends at "/".
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, op := range s.operations() {
		mux.Handle(op.method+" "+op.path, s.operate(op, false))
		mux.Handle(op.method+" "+string(op.area)+op.path, s.operate(op, true))
	}
	s.mountMonitor(mux)
	mux.Handle("GET "+openAPIRoute, s.open(openAPIRoute, s.openAPI))
	mux.Handle("GET "+docsRoute, s.open(docsRoute, s.docs))
	mux.Handle("GET "+docsFileRoute, s.open(docsFileRoute, s.docsFile))
	if s.files != nil {
		mux.Handle("GET "+downloadRoute, s.open(downloadRoute, s.download))
		mux.Handle("PUT "+uploadRoute, s.open(uploadRoute, s.upload))
	}
	s.mountUnknown(mux)
	return mux
}

func (s *Server) monitorRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	s.mountMonitor(mux)
	s.mountUnknown(mux)
	return mux
}

// mountMonitor mounts what those ask for who look after this process.
func (s *Server) mountMonitor(mux *http.ServeMux) {
	mux.Handle("GET "+healthRoute, s.open(healthRoute, s.healthz))
	mux.Handle("GET "+readyRoute, s.open(readyRoute, s.readyz))
	if s.opts.Metrics != nil && !s.opts.OwnMetrics {
		h := s.opts.Metrics.Handler()
		mux.Handle("GET "+metricsRoute, s.open(metricsRoute, func(w http.ResponseWriter, r *http.Request) error {
			h.ServeHTTP(w, r)
			return nil
		}))
	}
}

func (s *Server) mountUnknown(mux *http.ServeMux) {
	mux.Handle("/", s.open("unknown", func(http.ResponseWriter, *http.Request) error { return errNoRoute() }))
}
