package api

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var source []byte

var document = sync.OnceValues(func() ([]byte, error) {
	doc, err := expand(source)
	if err != nil {
		return nil, fmt.Errorf("expand openapi.yaml: %w", err)
	}
	return doc, nil
})

// Document is the whole API as an OpenAPI 3.1 document in YAML, the same bytes
// each time. An error would mean that openapi.yaml is broken, which the tests
// of this package rule out.
func Document() ([]byte, error) {
	doc, err := document()
	return slices.Clone(doc), err
}

// expand makes the whole document of what is written by hand.
func expand(source []byte) ([]byte, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(source, &file); err != nil {
		return nil, err
	}
	if len(file.Content) != 1 || file.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping")
	}
	root := copied(file.Content[0])
	e := &expander{root: root, components: get(root, "components"), v2: map[string]bool{}}
	for _, step := range []func() error{e.like, e.nullable, e.common, e.findV2, e.addComponents, e.addOperations} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	strip(root)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	err := enc.Close()
	return out.Bytes(), err
}
