// Package deps keeps watch over what Hansard is built from. It holds no code
// that runs: its tests compare go.mod with allowed.txt, the list of every
// module that may be there with its licence and whether it may be compiled
// into the product, and with docs/dependencies.md, which says why each direct
// one is wanted. They also see to it that nothing needs cgo and that the
// versions of modules that must match do.
package deps
