// Package disk keeps files in a folder of the local disk and hands them out
// over HTTP.
//
// A file is written under a random name in the folder ".tmp" of the root, made
// durable, and renamed to its key: readers see the old file or the new one,
// never half of one, and whoever has the old one open can read it to its end.
// No key begins with a dot, so that folder can never be one of them, and it is
// on the same file system whatever the root is. Every access goes through
// [os.Root]: neither a key nor a symbolic link leads out of the folder.
//
// [Store.ServeGet] and [Store.ServePut] are the other half of a signed URL:
// they check it and move the bytes.
package disk
