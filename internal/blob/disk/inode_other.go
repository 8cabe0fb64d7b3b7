//go:build !unix

package disk

import "os"

// inode is what this system does not have.
func inode(os.FileInfo) uint64 { return 0 }
