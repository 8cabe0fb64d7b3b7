// Package progress shows on a terminal how far long work is: bars with rate
// and time left, or a plain line a second where there is no terminal. It only
// shows: nothing waits for it, and nothing fails because of it.
package progress
