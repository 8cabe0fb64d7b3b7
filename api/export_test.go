package api

// Expand expands a source as Document expands openapi.yaml.
func Expand(source []byte) ([]byte, error) { return expand(source) }

// Source is openapi.yaml.
func Source() []byte { return source }
