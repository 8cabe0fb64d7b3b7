// Package test holds the tests from end to end: the real program in processes
// of its own, on real files, over HTTP.
//
// The files under testdata/golden are what the bundled sample chat looks like
// when exported in every format; `go test ./test -run Golden -update` writes
// them anew, and the difference is to be read like code. shape_test.go knows
// the contract's objects key by key, so that no golden file can be wrong in
// its shape and still be called right.
//
// Long soaks and the measuring of memory need the build tag slow.
package test
