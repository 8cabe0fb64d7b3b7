// Package task runs the queue: exports, imports and whatever else takes longer
// than a request. The rows and their SQL live in the stores (store.Tasks); here
// is what happens around them.
//
// A [Runner] claims a task, which raises the task's epoch, and gives it to the
// [Handler] of its kind as an [Attempt]. While the handler works, a heartbeat
// extends the lease, writes progress and learns of a cancel. An attempt that
// fails is tried again after a pause, unless it says with a [Failure] that
// trying again is no use. A worker that shuts down hands its tasks back.
//
// Nothing that a worker writes counts once somebody else has claimed the task:
// every write names the epoch. A worker that cannot reach the store stops by
// itself before its lease ends.
//
// [Instances] shortens the wait after a crash: each process holds a lock file
// in the data folder, so that another process on that folder can tell at once
// that the owner of a lease is dead.
package task
