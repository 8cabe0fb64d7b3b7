package apitest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hansard/api"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// documentURL is what the document is called while its schemas are compiled.
const documentURL = "https://hansard.invalid/openapi"

// loader makes operations of the document. It walks by JSON pointers, since
// those are what schemas are compiled by.
type loader struct {
	root     any
	compiler *jsonschema.Compiler
	// What was made already, by pointer: most parameters and answers are
	// shared by many operations.
	parameters map[string]*parameter
	answers    map[string]*answer
}

func load() (*Validator, error) {
	text, err := api.Document()
	if err != nil {
		return nil, err
	}
	var plain any
	if err := yaml.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	l := &loader{compiler: jsonschema.NewCompiler(), parameters: map[string]*parameter{}, answers: map[string]*answer{}}
	if l.root, err = jsonschema.UnmarshalJSON(bytes.NewReader(encoded)); err != nil {
		return nil, err
	}
	l.compiler.DefaultDraft(jsonschema.Draft2020)
	l.compiler.AssertFormat()
	l.compiler.UseLoader(nowhere{})
	if err := l.compiler.AddResource(documentURL, l.root); err != nil {
		return nil, err
	}
	return l.operations()
}

// nowhere keeps schemas from being fetched.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not part of the document", url)
}

func (l *loader) operations() (*Validator, error) {
	v := &Validator{byShape: map[shape][]*operation{}, schemas: map[string]*jsonschema.Schema{}}
	for path, item := range l.object("/paths") {
		for _, method := range []string{"get", "put", "post", "patch", "delete"} {
			if fields, _ := item.(map[string]any); fields[method] == nil {
				continue
			}
			op, err := l.operation(path, method)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			v.operations = append(v.operations, op)
			s := shape{op.method, len(op.segments)}
			v.byShape[s] = append(v.byShape[s], op)
		}
	}
	slices.SortFunc(v.operations, func(a, b *operation) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.method, b.method))
	})
	for name := range l.object("/components/schemas") {
		var err error
		if v.schemas[name], err = l.compile("/components/schemas/" + token(name)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (l *loader) operation(path, method string) (*operation, error) {
	item := "/paths/" + token(path)
	at := item + "/" + method
	id, _ := l.object(at)["operationId"].(string)
	op := &operation{
		id: id, method: strings.ToUpper(method), path: path, segments: strings.Split(path, "/"),
		answers: map[string]*answer{},
	}
	for _, list := range []string{item + "/parameters", at + "/parameters"} {
		for i := range l.list(list) {
			p, err := l.parameter(fmt.Sprintf("%s/%d", list, i))
			if err != nil {
				return nil, err
			}
			op.parameters = append(op.parameters, p)
		}
	}
	body, err := l.follow(at + "/requestBody")
	if err != nil {
		return nil, err
	}
	if fields := l.object(body); fields != nil {
		op.hasBody = true
		op.bodyRequired, _ = fields["required"].(bool)
		if op.body, err = l.content(body + "/content"); err != nil {
			return nil, err
		}
	}
	for status := range l.object(at + "/responses") {
		a, err := l.answer(at + "/responses/" + token(status))
		if err != nil {
			return nil, err
		}
		op.answers[status] = a
	}
	return op, nil
}

func (l *loader) parameter(at string) (*parameter, error) {
	at, err := l.follow(at)
	if err != nil {
		return nil, err
	}
	if p := l.parameters[at]; p != nil {
		return p, nil
	}
	fields := l.object(at)
	p := &parameter{}
	p.name, _ = fields["name"].(string)
	p.in, _ = fields["in"].(string)
	p.required, _ = fields["required"].(bool)
	schema := at + "/schema"
	if fields["content"] != nil {
		p.json = true
		schema = at + "/content/" + token("application/json") + "/schema"
	}
	p.schema, err = l.compile(schema)
	l.parameters[at] = p
	return p, err
}

func (l *loader) answer(at string) (*answer, error) {
	at, err := l.follow(at)
	if err != nil {
		return nil, err
	}
	if a := l.answers[at]; a != nil {
		return a, nil
	}
	a := &answer{}
	for name := range l.object(at + "/headers") {
		h, err := l.parameter(at + "/headers/" + token(name))
		if err != nil {
			return nil, err
		}
		named := *h
		named.name, named.in = name, "the answer's header"
		a.headers = append(a.headers, &named)
	}
	a.content, err = l.content(at + "/content")
	l.answers[at] = a
	return a, err
}

func (l *loader) content(at string) (map[string]*jsonschema.Schema, error) {
	content := map[string]*jsonschema.Schema{}
	for typ := range l.object(at) {
		content[typ] = nil
		if l.object(at + "/" + token(typ))["schema"] == nil {
			continue
		}
		var err error
		if content[typ], err = l.compile(at + "/" + token(typ) + "/schema"); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// compile compiles the schema at a pointer, each once.
func (l *loader) compile(at string) (*jsonschema.Schema, error) {
	return l.compiler.Compile(documentURL + "#" + asFragment.Replace(at))
}

// follow goes where the reference at a pointer leads, if there is one.
func (l *loader) follow(at string) (string, error) {
	ref, ok := l.object(at)["$ref"].(string)
	if !ok {
		return at, nil
	}
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || l.value(pointer) == nil {
		return "", errors.New("there is no " + ref)
	}
	return pointer, nil
}

var (
	asToken    = strings.NewReplacer("~", "~0", "/", "~1")
	asName     = strings.NewReplacer("~1", "/", "~0", "~")
	asFragment = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")
)

// token writes a name as a part of a JSON pointer.
func token(name string) string { return asToken.Replace(name) }

// value walks to what a pointer points at; nil if there is nothing.
func (l *loader) value(at string) any {
	v := l.root
	for name := range strings.SplitSeq(strings.TrimPrefix(at, "/"), "/") {
		name = asName.Replace(name)
		switch w := v.(type) {
		case map[string]any:
			v = w[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i < 0 || i >= len(w) {
				return nil
			}
			v = w[i]
		default:
			return nil
		}
	}
	return v
}

func (l *loader) object(at string) map[string]any {
	m, _ := l.value(at).(map[string]any)
	return m
}

func (l *loader) list(at string) []any {
	s, _ := l.value(at).([]any)
	return s
}
