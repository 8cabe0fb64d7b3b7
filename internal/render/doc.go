// Package render writes stored rows out as the classic dialect's JSON: the one
// place where bodies meet the users, reactions, threads and quoted messages
// that are spliced into them. Exports and API answers both come from here.
package render
