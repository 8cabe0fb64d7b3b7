package server

import (
	"context"
	"net/url"

	"hansard/internal/wire"
)

func (s *Server) callOperations() []operation {
	const call = "/call/{type}/{id}"
	return []operation{
		{
			name: "GetOrCreateCall", method: "POST", path: call, area: videoAPI, status: created,
			body: anyBody, handle: onCall(s.live.GetOrCreateCall),
		},
		{name: "GetCall", method: "GET", path: call, area: videoAPI, handle: onCall(s.live.GetCall)},
		{name: "UpdateCall", method: "PATCH", path: call, area: videoAPI, body: jsonBody, handle: onCall(s.live.UpdateCall)},
		{
			name: "UpdateCallMembers", method: "POST", path: call + "/members", area: videoAPI,
			body: jsonBody, handle: onCall(s.live.UpdateCallMembers),
		},
		{
			name: "EndCall", method: "POST", path: call + "/mark_ended", area: videoAPI,
			body: anyBody, handle: onCall(s.live.EndCall),
		},
		{
			name: "DeleteCall", method: "POST", path: call + "/delete", area: videoAPI,
			body: anyBody, handle: s.queued(onCall(s.live.DeleteCall)),
		},
		{
			name: "QueryCalls", method: "POST", path: "/calls", area: videoAPI,
			body: anyBody, handle: ofCalls(plain(s.live.QueryCalls)),
		},
	}
}

// onCall serves what is about the call in the path.
func onCall(fn func(ctx context.Context, app int64, typ, id string, q url.Values, body []byte) ([]byte, error),
) func(*Request) (Answer, error) {
	return ofCalls(onChannel(fn))
}

// ofCalls says that the members in an answer are those of calls.
func ofCalls(handle func(*Request) (Answer, error)) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		a, err := handle(r)
		a.Kind = wire.KindCallAnswer
		return a, err
	}
}
