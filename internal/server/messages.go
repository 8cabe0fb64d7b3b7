package server

func (s *Server) messageOperations() []operation {
	return []operation{
		{
			name: "SendMessage", method: "POST", path: "/channels/{type}/{id}/message", area: chatAPI, status: created,
			body: jsonBody, handle: onChannel(s.live.SendMessage),
		},
		{
			name: "SendReaction", method: "POST", path: "/messages/{id}/reaction", area: chatAPI, status: created,
			body: jsonBody, handle: onMessage(s.live.SendReaction),
		},
	}
}
