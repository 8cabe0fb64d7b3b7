package server

func (s *Server) channelOperations() []operation {
	return []operation{
		{
			name: "GetOrCreateChannel", method: "POST", path: "/channels/{type}/{id}/query", area: chatAPI, status: created,
			body: anyBody, handle: onChannel(s.live.GetOrCreateChannel),
		},
	}
}
