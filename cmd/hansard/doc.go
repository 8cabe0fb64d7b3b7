// Hansard stores chat data and exports it with the HTTP API that Stream Chat
// documents. This is its one binary: the server, its workers, and the commands
// to look after both.
//
// There is one file per command; they wire packages together and do nothing
// else. Main is the whole program as a value, so that tests run the same
// thing as main does.
package main
