// Package blobtest is the suite that every blob.Store has to pass.
package blobtest
