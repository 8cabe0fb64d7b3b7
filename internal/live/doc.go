// Package live is the part of the data API that changes chat data: who may
// write what, and what a write means for its neighbours (contract section 7).
//
// Each method of [Service] takes the body of a request, in either dialect, and
// gives the answer in the classic one. It first decodes and checks what needs
// no store, then does everything else in one transaction: what is checked
// there still holds when the write becomes durable, and a request that is
// refused leaves nothing behind. Refusals are *wire.Error.
//
// Users are named by id and must exist; a user object inside a message or a
// channel names its user and does not change it.
package live
