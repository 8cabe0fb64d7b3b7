// Package sqlstore holds the rules of keeping chat data in SQL tables, once for
// all engines: what store.Reader and store.Tx promise, as statements and what
// follows from them. An engine brings the connection ([Conn]) and says in a
// [Dialect] what is special about it; opening, transactions and snapshots are
// its own business.
//
// The statements are those that SQLite and PostgreSQL both understand:
// parameters $1, $2 …, ON CONFLICT, RETURNING. Where transactions run side by
// side (Dialect.Shared), a [Tx] locks the row of each channel that it looks at
// before it reads what is in the channel, so that everything about a channel
// happens one after the other; what belongs to no channel is compared with what
// was read when it is written, and the transaction must be run again
// ([ErrAgain]) when that has changed.
//
// Apps, tasks and the queue are the engines' own, since there they differ in
// what they lock and whose clock it is. What is the same about their rows is
// here, and so is the way in which a schema is brought up to date ([Schema]).
package sqlstore
