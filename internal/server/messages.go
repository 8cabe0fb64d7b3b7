package server

import (
	"context"
	"net/url"
)

func (s *Server) messageOperations() []operation {
	return []operation{
		{
			name: "SendMessage", method: "POST", path: "/channels/{type}/{id}/message", area: chatAPI, status: created,
			body: jsonBody, handle: onChannel(s.live.SendMessage),
		},
		{
			name: "GetManyMessages", method: "GET", path: "/channels/{type}/{id}/messages", area: chatAPI,
			handle: onChannel(s.live.GetMessages),
		},
		{name: "GetMessage", method: "GET", path: "/messages/{id}", area: chatAPI, handle: onMessage(s.live.GetMessage)},
		{
			name: "UpdateMessage", method: "POST", path: "/messages/{id}", area: chatAPI,
			body: jsonBody, handle: onMessage(s.live.UpdateMessage),
		},
		{
			name: "UpdateMessagePartial", method: "PUT", path: "/messages/{id}", area: chatAPI,
			body: jsonBody, handle: onMessage(s.live.PatchMessage),
		},
		{name: "DeleteMessage", method: "DELETE", path: "/messages/{id}", area: chatAPI, handle: onMessage(s.live.DeleteMessage)},
		{
			name: "UndeleteMessage", method: "POST", path: "/messages/{id}/undelete", area: chatAPI,
			body: jsonBody, handle: onMessage(s.live.UndeleteMessage),
		},
		{
			name: "CommitMessage", method: "POST", path: "/messages/{id}/commit", area: chatAPI, status: created,
			handle: onMessage(s.live.CommitMessage),
		},
		{name: "GetReplies", method: "GET", path: "/messages/{id}/replies", area: chatAPI, handle: onMessage(s.live.GetReplies)},
		{
			name: "QueryMessageHistory", method: "POST", path: "/messages/history", area: chatAPI,
			body: jsonBody, handle: plain(s.live.QueryMessageHistory),
		},
		{
			name: "SendReaction", method: "POST", path: "/messages/{id}/reaction", area: chatAPI, status: created,
			body: jsonBody, handle: onMessage(s.live.SendReaction),
		},
		{
			name: "DeleteReaction", method: "DELETE", path: "/messages/{id}/reaction/{type}", area: chatAPI,
			handle: s.deleteReaction,
		},
		{
			name: "GetReactions", method: "GET", path: "/messages/{id}/reactions", area: chatAPI,
			handle: onMessage(s.live.GetReactions),
		},
		{
			name: "QueryReactions", method: "POST", path: "/messages/{id}/reactions", area: chatAPI,
			body: anyBody, handle: onMessage(s.live.QueryReactions),
		},
	}
}

func (s *Server) deleteReaction(r *Request) (Answer, error) {
	typ := r.Path("type")
	return onMessage(func(ctx context.Context, app int64, id string, q url.Values, _ []byte) ([]byte, error) {
		return s.live.DeleteReaction(ctx, app, id, typ, q)
	})(r)
}
