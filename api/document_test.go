package api_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hansard/api"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func document(t *testing.T) []byte {
	t.Helper()
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// object is a mapping of the document.
type object = map[string]any

func parsed(t *testing.T, text []byte) object {
	t.Helper()
	var doc object
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func field(o object, name string) object {
	m, _ := o[name].(object)
	return m
}

// TestOpenAPI: the document is one by the rules of OpenAPI 3.1, its examples
// fit their schemas, and its references lead somewhere.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(document(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSameBytes(t *testing.T) {
	t.Parallel()
	doc := document(t)
	for range 3 {
		again, err := api.Expand(api.Source())
		if err != nil || !bytes.Equal(doc, again) {
			t.Fatalf("%d bytes, then %d, %v", len(doc), len(again), err)
		}
	}
	doc[0]++
	if bytes.Equal(doc, document(t)) {
		t.Error("the document can be changed by those who ask for it")
	}
}

// operations calls fn with every operation.
func operations(doc object, fn func(path, method string, item, op object)) {
	for path := range field(doc, "paths") {
		item := field(field(doc, "paths"), path)
		for _, method := range []string{"get", "put", "post", "patch", "delete"} {
			if op := field(item, method); op != nil {
				fn(path, method, item, op)
			}
		}
	}
}

var pathParameter = regexp.MustCompile(`\{([^}]*)\}`)

func TestEveryOperation(t *testing.T) {
	t.Parallel()
	doc := parsed(t, document(t))
	tags := map[any]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(object)["name"]] = false
	}
	ids := map[any]string{}
	operations(doc, func(path, method string, item, op object) {
		name := method + " " + path
		if other, ok := ids[op["operationId"]]; ok || op["operationId"] == nil {
			t.Errorf("%s: the operationId %v is missing or that of %s", name, op["operationId"], other)
		}
		ids[op["operationId"]] = name
		summary, _ := op["summary"].(string)
		if summary == "" || strings.HasSuffix(summary, ".") || len(summary) > 80 {
			t.Errorf("%s: the summary is %q", name, summary)
		}
		list, _ := op["tags"].([]any)
		if len(list) != 1 {
			t.Errorf("%s: the tags are %v", name, list)
		}
		for _, tag := range list {
			if _, ok := tags[tag]; !ok {
				t.Errorf("%s: the tag %v is not declared", name, tag)
			}
			tags[tag] = true
		}
		checkPathParameters(t, doc, name, path, item, op)
		checkBodyExample(t, doc, name, op)
	})
	for tag, used := range tags {
		if !used {
			t.Errorf("the tag %v is declared and not used", tag)
		}
	}
}

// follow goes where a reference leads.
func follow(doc, o object) object {
	ref, ok := o["$ref"].(string)
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		if ok {
			doc = field(doc, name)
		}
	}
	if ok {
		return doc
	}
	return o
}

func checkPathParameters(t *testing.T, doc object, name, path string, item, op object) {
	t.Helper()
	var inPath, declared []string
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		inPath = append(inPath, m[1])
	}
	for _, where := range []object{item, op} {
		list, _ := where["parameters"].([]any)
		for _, p := range list {
			if p := follow(doc, p.(object)); p["in"] == "path" {
				declared = append(declared, p["name"].(string))
			}
		}
	}
	slices.Sort(inPath)
	slices.Sort(declared)
	if !slices.Equal(inPath, declared) {
		t.Errorf("%s: the path has the parameters %v, declared are %v", name, inPath, declared)
	}
}

// checkBodyExample asks for an example of every body that says anything.
func checkBodyExample(t *testing.T, doc object, name string, op object) {
	t.Helper()
	if op["requestBody"] == nil {
		return
	}
	content := field(follow(doc, field(op, "requestBody")), "content")
	if body := field(content, "application/json"); body["schema"] != nil && body["example"] == nil {
		t.Errorf("%s: the body has no example", name)
	}
}

// Every operation of an app stands under both prefixes; what is part of its
// answers under one is in the dialect of that one.
func TestDialects(t *testing.T) {
	t.Parallel()
	doc := parsed(t, document(t))
	classic, v2 := map[string]bool{}, map[string]bool{}
	operations(doc, func(path, method string, _, op object) {
		bare := regexp.MustCompile(`^/api/v2(/chat|/video)?/`).ReplaceAllString(path, "/")
		refs := reachable(doc, op)
		if bare == path {
			if op["security"] == nil {
				classic[method+" "+path] = true
			}
			for ref := range refs {
				if strings.HasSuffix(ref, "V2") {
					t.Errorf("%s %s refers to %s", method, path, ref)
				}
			}
			return
		}
		v2[method+" "+bare] = true
		for ref := range refs {
			if refs[ref+"V2"] || exists(doc, ref+"V2") {
				t.Errorf("%s %s refers to %s", method, path, ref)
			}
		}
	})
	if !maps.Equal(classic, v2) || len(v2) == 0 {
		t.Errorf("%d operations are classic, %d v2", len(classic), len(v2))
	}
}

func exists(doc object, ref string) bool { return follow(doc, object{"$ref": ref}) != nil }

// reachable finds all references of a part of the document.
func reachable(doc object, from any) map[string]bool {
	found := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if ref, ok := v["$ref"].(string); ok && !found[ref] {
				found[ref] = true
				walk(follow(doc, v))
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(from)
	return found
}

// docs/api.md lists every operation, with its summary and its v2 prefix.
func TestEveryOperationIsListed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed, described []string
	for line := range strings.Lines(string(page)) {
		if regexp.MustCompile("^\\| [A-Z]+ \\| `/").MatchString(line) {
			listed = append(listed, strings.TrimSpace(line))
		}
	}
	operations(parsed(t, api.Source()), func(path, method string, _, op object) {
		row := fmt.Sprintf("| %s | `%s` | %s |", strings.ToUpper(method), path, op["summary"])
		if prefix := op["x-v2"]; prefix != nil {
			row += fmt.Sprintf(" `%s` |", prefix)
		}
		described = append(described, row)
	})
	slices.Sort(listed)
	slices.Sort(described)
	if diff := cmp.Diff(described, listed); diff != "" {
		t.Errorf("what is described (-) and what docs/api.md lists (+) differ:\n%s", diff)
	}
}

// Nothing is there for nothing, and no mark is left.
func TestNothingIsLeftOver(t *testing.T) {
	t.Parallel()
	text := document(t)
	doc := parsed(t, text)
	if m := regexp.MustCompile(`(?m)^\s*x-[a-z0-9-]+:`).Find(text); m != nil {
		t.Errorf("the mark %s is left", m)
	}
	used := reachable(doc, field(doc, "paths"))
	for section := range field(doc, "components") {
		for name := range field(field(doc, "components"), section) {
			if ref := "#/components/" + section + "/" + name; !used[ref] && section != "securitySchemes" {
				t.Errorf("%s is not used", ref)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	const head = "openapi: 3.1.0\ntags: [{name: A}]\n"
	for name, tt := range map[string]struct{ source, err string }{
		"no YAML":     {"{", "yaml"},
		"nothing":     {"", "mapping"},
		"like itself": {head + "components: {schemas: {A: {x-like: A}}}", "x-like"},
		"like nobody": {head + "components: {schemas: {A: {x-like: B}}}", "x-like"},
		"no answers":  {head + "paths: {/a: {get: {operationId: A}}}", "responses"},
		"no id":       {head + "paths: {/a: {get: {x-v2: /b, responses: {}}}}", "operationId"},
	} {
		if doc, err := api.Expand([]byte(tt.source)); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, %s", name, err, doc)
		}
	}
	source := head + `paths:
  /a: {post: {operationId: A, tags: [A], x-v2: /v2, requestBody: {}, responses: {"200": {content: {j: {schema: {$ref: "#/components/schemas/Thing"}}}}}}}
components:
  schemas:
    Time: {type: string, x-v2-schema: {type: integer}}
    Thing: {x-entity: true, required: [id], properties: {id: {type: string}, at: {$ref: "#/components/schemas/Time"}}, additionalProperties: true, x-v2-required: [at]}
    Other: {x-like: Thing, required: [more], properties: {more: {type: string}, id: {type: integer}}}
    Ask: {x-request: true, required: [a], properties: {a: {type: string}, b: {type: string}, c: {enum: [x]}, d: {$ref: "#/components/schemas/Time"}}}
`
	text, err := api.Expand([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	doc := parsed(t, text)
	schemas := field(field(doc, "components"), "schemas")
	want := map[string]string{
		"Time":    `map[type:string]`,
		"TimeV2":  `map[type:integer]`,
		"Thing":   `map[additionalProperties:true properties:map[at:map[$ref:#/components/schemas/Time] id:map[type:string]] required:[id]]`,
		"ThingV2": `map[additionalProperties:false properties:map[at:map[$ref:#/components/schemas/TimeV2] custom:map[description:Fields of the client's own. type:object] id:map[type:string]] required:[id at custom]]`,
		"Other":   `map[additionalProperties:true properties:map[at:map[$ref:#/components/schemas/Time] id:map[type:integer] more:map[type:string]] required:[id more]]`,
		"Ask":     `map[properties:map[a:map[type:string] b:map[type:[string null]] c:map[enum:[x <nil>]] d:map[anyOf:[map[$ref:#/components/schemas/Time] map[type:null]]]] required:[a]]`,
	}
	for name, w := range want {
		if got := fmt.Sprint(schemas[name]); got != w {
			t.Errorf("%s is %s\nwant %s", name, got, w)
		}
	}
	op := field(field(field(doc, "paths"), "/v2/a"), "post")
	if op["operationId"] != "AV2" || !reachable(doc, op)["#/components/schemas/ThingV2"] || field(op, "responses")["413"] == nil {
		t.Errorf("the v2 operation is %v", op)
	}
}
