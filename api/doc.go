// Package api holds the description of the HTTP API: openapi.yaml, written by
// hand, has every operation once, in the classic dialect. [Document] expands
// it into the whole OpenAPI 3.1 document, in which each operation stands a
// second time, in the v2 dialect. The head of openapi.yaml says how it is
// marked up for that.
//
// Package apitest, next to it, holds requests and answers against the
// document; it is for tests.
package api
