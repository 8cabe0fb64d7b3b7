package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"hansard/api"

	"github.com/klauspost/compress/gzip"
	"github.com/swaggest/swgui/v5/static"
)

const (
	openAPIRoute  = "/openapi.yaml"
	docsRoute     = "/docs"
	docsFileRoute = "/docs/{file}"
)

// docsPage shows the description of the API. All that it loads is served here;
// addresses are relative, so that it works below another path, too.
const docsPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hansard: the HTTP API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/docs.css">
<script src="docs/swagger-ui-bundle.js" defer></script>
<script src="docs/docs.js" defer></script>
</head>
<body>
<div id="ui"></div>
<noscript><p>This page needs JavaScript. The description itself is <a href="openapi.yaml">openapi.yaml</a>.</p></noscript>
</body>
</html>
`

const docsScript = `SwaggerUIBundle({
  url: "openapi.yaml",
  dom_id: "#ui",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null,
});
`

const docsStyle = `body { margin: 0; }
noscript { display: block; margin: 2rem; font-family: sans-serif; }
`

// docsPolicy lets the page load what is served here and nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is a fixed file, plain and packed.
type page struct {
	mediaType     string
	etag          string
	plain, packed []byte
}

// pages are the files of /docs by name, with "" for the page itself and
// "openapi.yaml" for the description.
var pages = sync.OnceValues(func() (map[string]*page, error) {
	description, err := api.Document()
	if err != nil {
		return nil, err
	}
	all := map[string]*page{
		"":             {mediaType: "text/html; charset=utf-8", plain: []byte(docsPage)},
		"openapi.yaml": {mediaType: "application/yaml", plain: description},
		"docs.js":      {mediaType: "text/javascript; charset=utf-8", plain: []byte(docsScript)},
		"docs.css":     {mediaType: "text/css; charset=utf-8", plain: []byte(docsStyle)},
	}
	for name, mediaType := range map[string]string{
		"swagger-ui-bundle.js": "text/javascript; charset=utf-8",
		"swagger-ui.css":       "text/css; charset=utf-8",
		"favicon-32x32.png":    "image/png",
	} {
		p := &page{mediaType: mediaType}
		if p.plain, err = fs.ReadFile(static.FS, name); errors.Is(err, fs.ErrNotExist) {
			// Most of them come packed.
			if p.packed, err = fs.ReadFile(static.FS, name+".gz"); err == nil {
				p.plain, err = unpack(p.packed)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all[name] = p
	}
	for _, p := range all {
		sum := sha256.Sum256(p.plain)
		p.etag = `"` + hex.EncodeToString(sum[:12]) + `"`
		if p.packed == nil && len(p.plain) > gzipMin {
			if p.packed, err = pack(p.plain); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
})

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func pack(plain []byte) ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		return nil, err
	}
	err := z.Close()
	return packed.Bytes(), err
}

func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) error {
	return servePage(w, r, "openapi.yaml")
}

func (s *Server) docs(w http.ResponseWriter, r *http.Request) error { return servePage(w, r, "") }

func (s *Server) docsFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	if name == "openapi.yaml" {
		return errNoRoute()
	}
	return servePage(w, r, name)
}

func servePage(w http.ResponseWriter, r *http.Request, name string) error {
	all, err := pages()
	if err != nil {
		return err
	}
	p := all[name]
	if p == nil {
		return errNoRoute()
	}
	h := w.Header()
	h.Set("Content-Type", p.mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // keep it, but ask whether it is still the same
	h.Set("Vary", "Accept-Encoding")
	body, etag := p.plain, p.etag
	if p.packed != nil && takesGzip(r.Header.Values("Accept-Encoding")) {
		// Other bytes, so another tag.
		body, etag = p.packed, strings.TrimSuffix(p.etag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if hasTag(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	// An error here means that the client is gone; nobody is left to tell.
	_, _ = w.Write(body)
	return nil
}

// hasTag reads If-None-Match.
func hasTag(values []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
