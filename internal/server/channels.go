package server

import "cmp"

func (s *Server) channelOperations() []operation {
	return []operation{
		{
			name: "QueryChannels", method: "POST", path: "/channels", area: chatAPI,
			body: anyBody, handle: plain(s.live.QueryChannels),
		},
		{
			name: "GetOrCreateDistinctChannel", method: "POST", path: "/channels/{type}/query", area: chatAPI, status: created,
			body: jsonBody, handle: s.distinctChannel,
		},
		{
			name: "GetOrCreateChannel", method: "POST", path: "/channels/{type}/{id}/query", area: chatAPI, status: created,
			body: anyBody, handle: onChannel(s.live.GetOrCreateChannel),
		},
		{name: "GetChannel", method: "GET", path: "/channels/{type}/{id}", area: chatAPI, handle: onChannel(s.live.GetChannel)},
		{
			name: "UpdateChannel", method: "POST", path: "/channels/{type}/{id}", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.UpdateChannel),
		},
		{
			name: "UpdateChannelPartial", method: "PATCH", path: "/channels/{type}/{id}", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.UpdateChannelPartial),
		},
		{
			name: "DeleteChannel", method: "DELETE", path: "/channels/{type}/{id}", area: chatAPI,
			handle: onChannel(s.live.DeleteChannel),
		},
		{
			name: "DeleteChannels", method: "POST", path: "/channels/delete", area: chatAPI, status: created,
			body: jsonBody, handle: s.queued(plain(s.live.DeleteChannels)),
		},
		{
			name: "TruncateChannel", method: "POST", path: "/channels/{type}/{id}/truncate", area: chatAPI,
			body: anyBody, handle: onChannel(s.live.TruncateChannel),
		},
		{
			name: "MarkRead", method: "POST", path: "/channels/{type}/{id}/read", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.MarkRead),
		},
		{
			name: "MarkUnread", method: "POST", path: "/channels/{type}/{id}/unread", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.MarkUnread),
		},
		{
			name: "MarkChannelsRead", method: "POST", path: "/channels/read", area: chatAPI,
			body: jsonBody, handle: plain(s.live.MarkChannelsRead),
		},
		{
			name: "HideChannel", method: "POST", path: "/channels/{type}/{id}/hide", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.HideChannel),
		},
		{
			name: "ShowChannel", method: "POST", path: "/channels/{type}/{id}/show", area: chatAPI,
			body: jsonBody, handle: onChannel(s.live.ShowChannel),
		},
		{
			name: "UpdateMemberPartial", method: "PATCH", path: "/channels/{type}/{id}/member", area: chatAPI,
			body: jsonBody, handle: s.updateMember,
		},
		{
			name: "UpdateMemberPartialByID", method: "PATCH", path: "/channels/{type}/{id}/member/{user_id}", area: chatAPI,
			body: jsonBody, handle: s.updateMember,
		},
		{name: "QueryMembers", method: "GET", path: "/members", area: chatAPI, handle: payload(s.live.QueryMembers)},
		{
			name: "MuteChannel", method: "POST", path: "/moderation/mute/channel", area: chatAPI, status: created,
			body: jsonBody, handle: plain(s.live.MuteChannels),
		},
		{
			name: "UnmuteChannel", method: "POST", path: "/moderation/unmute/channel", area: chatAPI,
			body: jsonBody, handle: plain(s.live.UnmuteChannels),
		},
	}
}

func (s *Server) distinctChannel(r *Request) (Answer, error) {
	body, err := s.live.GetOrCreateDistinctChannel(r.Context(), r.App.ID, r.Path("type"), r.Body)
	return Answer{Body: body}, err
}

// updateMember is for the member whom the path or the query names.
func (s *Server) updateMember(r *Request) (Answer, error) {
	user := cmp.Or(r.Path("user_id"), r.Query.Get("user_id"))
	body, err := s.live.UpdateMember(r.Context(), r.App.ID, r.Path("type"), r.Path("id"), user, r.Body)
	return Answer{Body: body}, err
}
