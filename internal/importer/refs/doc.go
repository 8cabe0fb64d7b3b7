// Package refs answers two questions about a file that is too big to remember:
// is an id defined twice, and does everything that is referred to exist.
//
// Every definition and every reference is noted as a few bytes under the hash
// of its id. The notes are sorted outside of memory (sorted runs on disk, then
// one merge), after which all notes about one id stand together. A file that
// makes no more than one run never touches the disk. Memory is bounded however
// many ids there are.
package refs
