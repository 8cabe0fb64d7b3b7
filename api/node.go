package api

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// What follows works on mappings, the contents of which are keys and values in
// turn. A nil node is an empty one, so that look-ups can be chained.

func get(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k == key {
			return v
		}
	}
	return nil
}

// pairs yields the keys and values of a mapping, and nothing of another node.
func pairs(n *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// set replaces the value of a key, or adds the key at the end.
func set(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, text(key), value)
}

func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			return
		}
	}
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func boolean(b bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"}
	if b {
		n.Value = "true"
	}
	return n
}

func isTrue(n *yaml.Node) bool { return n != nil && n.Value == "true" }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// flow makes a mapping on one line of keys and values in turn.
func flow(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Content: content}
}

func list(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: content}
}

func refTo(ref string) *yaml.Node { return flow(text("$ref"), text(ref)) }

// copied is a deep copy without comments, and with the copies of what aliases
// stand for.
func copied(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return copied(n.Alias)
	}
	c := &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value}
	for _, child := range n.Content {
		c.Content = append(c.Content, copied(child))
	}
	return c
}

// eachRef calls fn with every reference below n, which it may change.
func eachRef(n *yaml.Node, fn func(ref *yaml.Node)) {
	if n == nil {
		return
	}
	for key, v := range pairs(n) {
		if key == "$ref" && v.Kind == yaml.ScalarNode {
			fn(v)
		}
	}
	for _, child := range n.Content {
		eachRef(child, fn)
	}
}

// strip takes away the marks that are for expand only.
func strip(n *yaml.Node) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); {
		if strings.HasPrefix(n.Content[i].Value, "x-") {
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			continue
		}
		i += 2
	}
	for _, child := range n.Content {
		strip(child)
	}
}
