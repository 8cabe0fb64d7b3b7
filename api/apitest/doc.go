// Package apitest holds requests and answers against the description of the
// API in package api, for tests. What it knows of the API is the document that
// is served at /openapi.yaml and nothing else.
//
// It is stricter than JSON Schema where clients are: an integer is written
// without point and exponent, and no member of an object comes twice.
package apitest
