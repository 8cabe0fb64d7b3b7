// Package client is the Go client of Hansard's HTTP API: it fills a chat, asks
// for exports, follows their tasks and fetches the files.
//
//	c, err := client.New(client.Options{Server: "http://127.0.0.1:3030", APIKey: key, APISecret: secret})
//	id, err := c.ExportChannels(ctx, client.ChannelsRequest{Channels: []client.ChannelWindow{{CID: "messaging:general"}}, Version: "v2"})
//	task, err := c.WaitForTask(ctx, id, nil)
//	err = c.DownloadFile(ctx, task, "general.jsonl", nil)
//
// It speaks the classic dialect, signs a fresh server token for every request,
// and bounds whatever it reads into memory; files are streamed.
//
// # Errors
//
// What the server refuses is an [*Error] with its code, message and fields;
// [IsNotFound] and the like look at the code. What a task failed of is a
// [*TaskError], an import an [*ImportError]. Other errors are those of the
// network and of files.
//
// # Retries
//
// A request that fails for a reason that passes (the network, 408, 429, 5xx) is
// tried again, after pauses that double, have jitter, and are no shorter than
// the server's Retry-After asks for. [Options] bound how often and how long;
// so does the context: a pause that would outlast it is not begun.
//
// That holds for requests that come to the same when they are carried out
// twice: reads, updates that replace or set something, deletions, and exports,
// which carry an Idempotency-Key. SendMessage gives each message an id, so that
// it is sent once. Other requests (a truncation, the creation of an import) are
// tried again only if they have certainly not been carried out: after 429, and
// when there was no connection.
package client
