//go:build !unix

package s3test

import "os"

var freeze, thaw os.Signal
