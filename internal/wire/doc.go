// Package wire is Stream's JSON: how entities, requests, answers and errors
// are written, in both dialects (contract sections 2 and 5).
//
// Inside Hansard everything is in the classic dialect; it is what files hold
// and what bodies are made of. The v2 dialect exists only at the HTTP border:
// [ToV2] turns a classic answer into it, and the decoders read both.
package wire
