// Package filter is Stream's query language as data: which of many objects are
// meant. A filter is parsed once against the fields that may be asked for, so
// that a mistake is told before anything is read, and then matched against
// objects whose fields are looked up only when they are needed.
package filter
