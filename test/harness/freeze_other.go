//go:build !unix

package harness

import "os"

var freeze, thaw os.Signal
