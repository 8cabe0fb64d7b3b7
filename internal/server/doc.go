// Package server is the HTTP face of Hansard (contract sections 2 to 8 and
// 10): it lets requests in, finds out who asks, hands the work to the packages
// below and writes their answers in the dialect of the request.
//
// routes.go is the table of operations, each mounted once per dialect. What
// every request goes through is in exchange.go (request id, log, panics,
// deadlines) and admit.go (app, token, rate limit, body); answer.go is the one
// place where answers and errors become bytes. The other files are handlers,
// one file per group of endpoints: a handler reads a [Request] and returns an
// Answer in the classic dialect, or an error.
//
// Rate limits are kept in the memory of each process.
package server
