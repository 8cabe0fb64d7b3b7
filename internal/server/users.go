package server

func (s *Server) userOperations() []operation {
	return []operation{
		{
			name: "UpdateUsers", method: "POST", path: "/users", area: coreAPI, status: created,
			body: jsonBody, handle: plain(s.live.UpsertUsers),
		},
	}
}
