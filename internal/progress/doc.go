// Package progress shows on a terminal how far long work is: bars with rate
// and time left, or plain lines now and then where there is no terminal. It
// only shows; nothing waits for it.
package progress
