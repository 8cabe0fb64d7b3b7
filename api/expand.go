package api

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// expander changes a document step by step, in the order of the methods.
type expander struct {
	root       *yaml.Node
	components *yaml.Node
	v2         map[string]bool // references to what has a form of its own in the v2 dialect
}

var methods = []string{"get", "put", "post", "patch", "delete"}

// operations yields every operation with its path and method.
func (e *expander) operations(yield func(path, method string, op *yaml.Node) error) error {
	for path, item := range pairs(get(e.root, "paths")) {
		for method, op := range pairs(item) {
			if !slices.Contains(methods, method) {
				continue
			}
			if err := yield(path, method, op); err != nil {
				return err
			}
		}
	}
	return nil
}

// like fills in the schemas that begin as copies of others.
func (e *expander) like() error {
	schemas := get(e.components, "schemas")
	var resolve func(name string, depth int) (*yaml.Node, error)
	resolve = func(name string, depth int) (*yaml.Node, error) {
		schema := get(schemas, name)
		if schema == nil || depth > 8 {
			return nil, fmt.Errorf("x-like leads to %s, which is missing or leads back", name)
		}
		from := get(schema, "x-like")
		if from == nil {
			return schema, nil
		}
		base, err := resolve(from.Value, depth+1)
		if err != nil {
			return nil, err
		}
		made := copied(base)
		remove(schema, "x-like")
		overlay(made, schema)
		set(schemas, name, made)
		return made, nil
	}
	for name := range pairs(schemas) {
		if _, err := resolve(name, 0); err != nil {
			return err
		}
	}
	return nil
}

// overlay puts the keys of a schema over those of another: null takes a key
// away, properties are merged, required is added to, all else is replaced.
func overlay(schema, over *yaml.Node) {
	for key, v := range pairs(over) {
		old := get(schema, key)
		switch {
		case isNull(v):
			remove(schema, key)
		case key == "properties" && old != nil:
			for name, property := range pairs(v) {
				set(old, name, copied(property))
			}
		case key == "required" && old != nil:
			require(schema, v.Content)
		default:
			set(schema, key, copied(v))
		}
	}
}

// require adds names to what a schema requires.
func require(schema *yaml.Node, names []*yaml.Node) {
	required := get(schema, "required")
	if required == nil {
		required = list()
		set(schema, "required", required)
	}
	for _, name := range names {
		if !slices.ContainsFunc(required.Content, func(n *yaml.Node) bool { return n.Value == name.Value }) {
			required.Content = append(required.Content, copied(name))
		}
	}
}

// nullable lets null stand for what may be left out of a request.
func (e *expander) nullable() error {
	for _, schema := range pairs(get(e.components, "schemas")) {
		if isTrue(get(schema, "x-request")) {
			nullProperties(schema)
		}
	}
	return nil
}

func nullProperties(schema *yaml.Node) {
	required := get(schema, "required")
	properties := get(schema, "properties")
	for i := 0; properties != nil && i+1 < len(properties.Content); i += 2 {
		name, property := properties.Content[i].Value, properties.Content[i+1]
		nullProperties(property)
		if items := get(property, "items"); items != nil {
			nullProperties(items)
		}
		if required == nil || !slices.ContainsFunc(required.Content, func(n *yaml.Node) bool { return n.Value == name }) {
			properties.Content[i+1] = orNull(property)
		}
	}
}

func orNull(schema *yaml.Node) *yaml.Node {
	null := text("null")
	typ, enum := get(schema, "type"), get(schema, "enum")
	switch {
	case enum != nil:
		enum.Content = append(enum.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"})
	case typ != nil && typ.Kind == yaml.SequenceNode:
		typ.Content = append(typ.Content, null)
	case typ != nil:
		set(schema, "type", list(typ, null))
	default:
		either := flow(text("anyOf"), list(schema, flow(text("type"), null)))
		if description := get(schema, "description"); description != nil {
			remove(schema, "description")
			set(either, "description", description)
		}
		return either
	}
	return schema
}

// common adds what the answers of all operations have in common: headers, and
// the errors that any request of an app may meet.
func (e *expander) common() error {
	errorsOf := func(op *yaml.Node) [][2]string {
		if get(op, "x-v2") == nil {
			return nil
		}
		errs := [][2]string{{"401", "Unauthorized"}, {"403", "Forbidden"}, {"408", "Timeout"}, {"500", "Internal"}}
		if get(op, "requestBody") != nil {
			errs = append(errs, [2]string{"400", "BadRequest"}, [2]string{"413", "TooLarge"})
		}
		return errs
	}
	err := e.operations(func(path, method string, op *yaml.Node) error {
		responses := get(op, "responses")
		if responses == nil {
			return fmt.Errorf("%s %s has no responses", method, path)
		}
		for _, r := range errorsOf(op) {
			if get(responses, r[0]) == nil {
				status := text(r[0])
				status.Style = yaml.DoubleQuotedStyle
				responses.Content = append(responses.Content, status, refTo("#/components/responses/"+r[1]))
			}
		}
		sortByKey(responses)
		for _, r := range pairs(responses) {
			addHeaders(r)
		}
		return nil
	})
	for _, r := range pairs(get(e.components, "responses")) {
		addHeaders(r)
	}
	return err
}

func sortByKey(n *yaml.Node) {
	type pair struct{ key, value *yaml.Node }
	all := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, pair{n.Content[i], n.Content[i+1]})
	}
	slices.SortStableFunc(all, func(a, b pair) int { return slices.Compare([]byte(a.key.Value), []byte(b.key.Value)) })
	n.Content = n.Content[:0]
	for _, p := range all {
		n.Content = append(n.Content, p.key, p.value)
	}
}

// addHeaders adds the headers that every answer has to a response that is not
// a reference to one.
func addHeaders(response *yaml.Node) {
	if get(response, "$ref") != nil {
		return
	}
	headers := get(response, "headers")
	if headers == nil {
		headers = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		set(response, "headers", headers)
	}
	headers.Style = 0
	for _, h := range [][2]string{
		{"X-RateLimit-Limit", "RateLimitLimit"},
		{"X-RateLimit-Remaining", "RateLimitRemaining"},
		{"X-RateLimit-Reset", "RateLimitReset"},
		{"X-Request-Id", "RequestID"},
	} {
		set(headers, h[0], refTo("#/components/headers/"+h[1]))
	}
	response.Style = 0
}

// findV2 finds the components that have a form of their own in the v2 dialect:
// those that are marked so, and those that refer to such.
func (e *expander) findV2() error {
	for {
		found := len(e.v2)
		for _, section := range []string{"schemas", "responses"} {
			for name, component := range pairs(get(e.components, section)) {
				ref := "#/components/" + section + "/" + name
				for _, mark := range []string{"x-entity", "x-v2-schema", "x-v2-required"} {
					if get(component, mark) != nil {
						e.v2[ref] = true
					}
				}
				eachRef(component, func(r *yaml.Node) {
					if e.v2[r.Value] {
						e.v2[ref] = true
					}
				})
			}
		}
		if len(e.v2) == found {
			return nil
		}
	}
}

// inV2 is a copy of a part of the document in the v2 dialect.
func (e *expander) inV2(n *yaml.Node) *yaml.Node {
	c := copied(n)
	eachRef(c, func(r *yaml.Node) {
		if e.v2[r.Value] {
			r.Value += "V2"
		}
	})
	return c
}

// addComponents adds the v2 forms of components after their classic ones.
func (e *expander) addComponents() error {
	for _, section := range []string{"schemas", "responses"} {
		all := get(e.components, section)
		if all == nil {
			continue
		}
		content := make([]*yaml.Node, 0, 2*len(all.Content))
		for i := 0; i+1 < len(all.Content); i += 2 {
			name, component := all.Content[i], all.Content[i+1]
			content = append(content, name, component)
			if e.v2["#/components/"+section+"/"+name.Value] {
				content = append(content, text(name.Value+"V2"), e.inV2(componentV2(component)))
			}
		}
		all.Content = content
	}
	return nil
}

func componentV2(component *yaml.Node) *yaml.Node {
	c := copied(component)
	// Examples are in the classic dialect.
	remove(c, "examples")
	if over := get(c, "x-v2-schema"); over != nil {
		overlay(c, over)
	}
	if names := get(c, "x-v2-required"); names != nil {
		require(c, names.Content)
	}
	if isTrue(get(c, "x-entity")) {
		custom := flow(text("description"), text("Fields of the client's own."), text("type"), text("object"))
		set(get(c, "properties"), "custom", custom)
		require(c, []*yaml.Node{text("custom")})
		set(c, "additionalProperties", boolean(false))
	}
	return c
}

// addOperations adds every operation that is marked so under its v2 prefix.
func (e *expander) addOperations() error {
	paths, tags := get(e.root, "paths"), get(e.root, "tags")
	if paths == nil || tags == nil {
		return errors.New("there are no paths or no tags")
	}
	added := &yaml.Node{Kind: yaml.MappingNode}
	tagged := map[string]bool{}
	err := e.operations(func(path, method string, op *yaml.Node) error {
		prefix := get(op, "x-v2")
		if prefix == nil {
			return nil
		}
		item := get(added, prefix.Value+path)
		if item == nil {
			item = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			if parameters := get(get(paths, path), "parameters"); parameters != nil {
				set(item, "parameters", copied(parameters))
			}
			set(added, prefix.Value+path, item)
		}
		v2 := e.inV2(op)
		id, of := get(v2, "operationId"), get(v2, "tags")
		if id == nil || of == nil {
			return fmt.Errorf("%s %s needs operationId and tags", method, path)
		}
		id.Value += "V2"
		for _, tag := range of.Content {
			tagged[tag.Value] = true
			tag.Value = tagV2(tag.Value)
		}
		set(item, method, v2)
		return nil
	})
	paths.Content = append(paths.Content, added.Content...)
	for _, tag := range slices.Clone(tags.Content) {
		if name := get(tag, "name"); name != nil && tagged[name.Value] {
			v2 := copied(tag)
			set(v2, "name", text(tagV2(name.Value)))
			tags.Content = append(tags.Content, v2)
		}
	}
	return err
}

func tagV2(tag string) string { return tag + ", v2 dialect" }
