// Package importer loads chats from files: Stream's documented import file,
// and the export files that Hansard and Stream write (contract section 8).
//
// An import is a task. Its file lies in the blob store; package scan cuts it
// into records. The first pass over it (check) writes nothing: it decodes every
// record and, with package refs, sees to it that no id is given twice and that
// whatever is referred to exists, in the file or in the store. Only a file
// without a fault is loaded, by a second pass that writes batches, each in one
// transaction, while the next is being decoded.
//
// Loading can be repeated: records replace what is there, or with mode
// "insert" leave it alone. So an import that was killed goes on from the last
// batch it noted, and cannot be stopped halfway once it has begun to write.
package importer
