// Package client is the Go client of Hansard's HTTP API: it asks for exports,
// follows their tasks and fetches the files.
//
//	c, err := client.New(client.Options{Server: "http://127.0.0.1:3030", APIKey: key, APISecret: secret})
//	id, err := c.ExportChannels(ctx, client.ChannelsRequest{Channels: []client.Channel{{CID: "messaging:general"}}, Version: "v2"})
//	task, err := c.Wait(ctx, id, nil)
//	err = c.Download(ctx, task.Result, w, nil)
//
// It speaks the classic dialect, signs a fresh server token for every request,
// and bounds whatever it reads into memory; files are streamed.
package client
