package apitest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validator knows every operation of the document. It may be used from any
// goroutine.
type Validator struct {
	operations []*operation
	// byShape has the operations by method and number of segments.
	byShape map[shape][]*operation
	schemas map[string]*jsonschema.Schema
}

// Operation is an operation as the document shows it.
type Operation struct{ ID, Method, Path string }

var shared = sync.OnceValues(load)

// New returns the validator of this process. It is made once, which takes a
// moment.
func New(t testing.TB) *Validator {
	t.Helper()
	v, err := shared()
	if err != nil {
		t.Fatalf("the description of the API cannot be used: %v", err)
	}
	return v
}

// Operations lists what is described.
func (v *Validator) Operations() []Operation {
	list := make([]Operation, len(v.operations))
	for i, op := range v.operations {
		list[i] = Operation{op.id, op.method, op.path}
	}
	return list
}

// CheckSchema holds JSON against a schema of the document, by its name.
func (v *Validator) CheckSchema(name string, text []byte) error {
	schema := v.schemas[name]
	if schema == nil {
		return fmt.Errorf("there is no schema %s", name)
	}
	return validate(schema, text)
}

// Exchange is Check that fails the test, which goes on.
func (v *Validator) Exchange(t testing.TB, req *http.Request, reqBody []byte, status int, header http.Header, respBody []byte) {
	t.Helper()
	if err := v.Check(req, reqBody, status, header, respBody); err != nil {
		t.Errorf("%s\nanswer %d: %s", shortened(err.Error()), status, shortened(respBody))
	}
}

// Check holds one request and its answer, with the whole body of each, against
// the document. What was asked is looked at where it was answered with a
// success. A nil reqBody of a request that has a body is one that is not known.
func (v *Validator) Check(req *http.Request, reqBody []byte, status int, header http.Header, respBody []byte) error {
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	respBody, err := unpacked(header, respBody)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	op, params := v.find(method, req.URL)
	if op == nil {
		if status == http.StatusNotFound && bytes.Contains(respBody, []byte(`"code":16,`)) {
			return nil
		}
		return fmt.Errorf("%s %s is not described", req.Method, req.URL.Path)
	}
	var errs []error
	if status >= 200 && status < 300 {
		errs = append(errs, op.checkParameters(req, params), op.checkBody(req, reqBody))
	}
	errs = append(errs, op.checkAnswer(req.Method, status, header, respBody))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s %s (%s): %w", req.Method, req.URL.Path, op.id, err)
	}
	return nil
}

func unpacked(header http.Header, body []byte) ([]byte, error) {
	if header.Get("Content-Encoding") != "gzip" || len(body) == 0 {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("unpack the answer: %w", err)
	}
	return io.ReadAll(z)
}

type shape struct {
	method   string
	segments int
}

type operation struct {
	id, method, path string
	segments         []string // "{name}" stands for a parameter
	parameters       []*parameter
	bodyRequired     bool
	hasBody          bool
	body             map[string]*jsonschema.Schema // by media type; nil = any bytes
	answers          map[string]*answer            // by status
}

type parameter struct {
	name, in string
	required bool
	json     bool // its text is JSON
	schema   *jsonschema.Schema
}

type answer struct {
	headers []*parameter
	content map[string]*jsonschema.Schema // by media type; nil = any bytes
}

// find returns the operation of a request and what its path says of each
// parameter. Of several that match, the one with the first segment that is not
// a parameter wins, as in http.ServeMux.
func (v *Validator) find(method string, u *url.URL) (*operation, map[string]string) {
	escaped := u.EscapedPath()
	if path.Clean(escaped) != escaped {
		return nil, nil
	}
	segments := strings.Split(escaped, "/")
	var best *operation
	for _, op := range v.byShape[shape{method, len(segments)}] {
		if op.matches(segments) && (best == nil || op.beats(best)) {
			best = op
		}
	}
	if best == nil {
		return nil, nil
	}
	params := map[string]string{}
	for i, s := range best.segments {
		if name, ok := isParameter(s); ok {
			params[name], _ = url.PathUnescape(segments[i])
		}
	}
	return best, params
}

func (op *operation) matches(segments []string) bool {
	for i, s := range op.segments {
		if _, ok := isParameter(s); ok && segments[i] != "" {
			continue
		}
		if s != segments[i] {
			return false
		}
	}
	return true
}

func (op *operation) beats(other *operation) bool {
	for i := range op.segments {
		_, mine := isParameter(op.segments[i])
		_, theirs := isParameter(other.segments[i])
		if mine != theirs {
			return theirs
		}
	}
	return false
}

func isParameter(segment string) (name string, ok bool) {
	if len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

func (op *operation) checkParameters(req *http.Request, inPath map[string]string) error {
	query := req.URL.Query()
	known := map[string]bool{"api_key": true}
	var errs []error
	for _, p := range op.parameters {
		var values []string
		switch p.in {
		case "path":
			values = []string{inPath[p.name]}
		case "query":
			values = query[p.name]
			known[p.name] = true
		case "header":
			values = req.Header.Values(p.name)
		}
		errs = append(errs, p.check(values))
	}
	for name := range query {
		if !known[name] {
			errs = append(errs, fmt.Errorf("the query has %s, which is not described", name))
		}
	}
	return errors.Join(errs...)
}

func (p *parameter) check(values []string) error {
	if len(values) == 0 && p.required {
		return fmt.Errorf("%s %s is missing", p.in, p.name)
	}
	for _, value := range values {
		if value == "" && !p.required && p.in == "query" {
			continue // as good as none
		}
		if err := p.checkValue(value); err != nil {
			return fmt.Errorf("%s %s: %w", p.in, p.name, err)
		}
	}
	return nil
}

func (p *parameter) checkValue(value string) error {
	if p.json {
		return validate(p.schema, []byte(value))
	}
	err := plain(p.schema.Validate(value))
	if err == nil {
		return nil
	}
	// All of them are texts, some of them stand for something else.
	if _, notInt := strconv.ParseInt(value, 10, 64); notInt == nil && p.schema.Validate(json.Number(value)) == nil {
		return nil
	}
	if b, notBool := strconv.ParseBool(value); notBool == nil && p.schema.Validate(b) == nil {
		return nil
	}
	return err
}

func (op *operation) checkBody(req *http.Request, body []byte) error {
	if body == nil && req.Body != nil && req.Body != http.NoBody {
		return nil // not known
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if op.bodyRequired {
			return errors.New("the request has no body")
		}
		return nil
	}
	if !op.hasBody {
		return fmt.Errorf("the request has a body, which is not described: %s", shortened(body))
	}
	// Clients send JSON under any name; where something else is taken,
	// nothing is said of it.
	if schema := op.body["application/json"]; schema != nil {
		if err := validate(schema, body); err != nil {
			return fmt.Errorf("the request's body %s: %w", shortened(body), err)
		}
	}
	return nil
}

func (op *operation) checkAnswer(method string, status int, header http.Header, body []byte) error {
	a := op.answers[strconv.Itoa(status)]
	if a == nil {
		return fmt.Errorf("the status %d is not described", status)
	}
	var errs []error
	for _, h := range a.headers {
		errs = append(errs, h.check(header.Values(h.name)))
	}
	if method != http.MethodHead {
		errs = append(errs, a.checkBody(header, body))
	}
	return errors.Join(errs...)
}

func (a *answer) checkBody(header http.Header, body []byte) error {
	if len(a.content) == 0 {
		if len(body) > 0 {
			return errors.New("the answer has a body, which is not described")
		}
		return nil
	}
	typ, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	schema, ok := a.content[typ]
	if err != nil || !ok {
		return fmt.Errorf("the answer's media type %q is not described", header.Get("Content-Type"))
	}
	if schema == nil {
		return nil
	}
	if err := validate(schema, body); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	return nil
}

// validate holds JSON against a schema.
func validate(schema *jsonschema.Schema, text []byte) error {
	// Which also finds names that come twice, and bytes that are no UTF-8.
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := d.ReadValue(); err != nil {
		return fmt.Errorf("it is not valid JSON: %w", err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return plain(schema.Validate(strict(v)))
}

// plain leaves out of an error which schema of the document it is about, which
// is to be seen from the rest.
func plain(err error) error {
	if err == nil {
		return nil
	}
	_, where, ok := strings.Cut(err.Error(), "\n")
	if !ok {
		return err
	}
	return errors.New("does not match:\n" + where)
}

// strict makes numbers that are written with a point or an exponent no
// integers, which to JSON Schema 1.0 is and to clients is not.
func strict(v any) any {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return 0.5
		}
	case []any:
		for i := range v {
			v[i] = strict(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = strict(v[k])
		}
	}
	return v
}

func shortened[T ~string | ~[]byte](text T) string {
	const most = 2000
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}
