package server

func (s *Server) userOperations() []operation {
	return []operation{
		{
			name: "UpdateUsers", method: "POST", path: "/users", area: coreAPI, status: created,
			body: jsonBody, handle: plain(s.live.UpsertUsers),
		},
		{
			name: "UpdateUsersPartial", method: "PATCH", path: "/users", area: coreAPI,
			body: jsonBody, handle: plain(s.live.PatchUsers),
		},
		{name: "QueryUsers", method: "GET", path: "/users", area: coreAPI, handle: payload(s.live.QueryUsers)},
		{
			name: "DeleteUser", method: "DELETE", path: "/users/{id}", area: coreAPI,
			timeout: 2 * s.opts.RequestTimeout, handle: onUser(s.live.DeleteUser),
		},
		{
			name: "DeactivateUser", method: "POST", path: "/users/{id}/deactivate", area: coreAPI,
			body: anyBody, timeout: 2 * s.opts.RequestTimeout, handle: onUser(s.live.DeactivateUser),
		},
		{
			name: "ReactivateUser", method: "POST", path: "/users/{id}/reactivate", area: coreAPI,
			body: anyBody, timeout: 2 * s.opts.RequestTimeout, handle: onUser(s.live.ReactivateUser),
		},
		{
			name: "DeactivateUsers", method: "POST", path: "/users/deactivate", area: coreAPI, status: created,
			body: jsonBody, handle: s.queued(plain(s.live.DeactivateUsers)),
		},
		{
			name: "ReactivateUsers", method: "POST", path: "/users/reactivate", area: coreAPI, status: created,
			body: jsonBody, handle: s.queued(plain(s.live.ReactivateUsers)),
		},
		{
			name: "RestoreUsers", method: "POST", path: "/users/restore", area: coreAPI,
			body: jsonBody, handle: plain(s.live.RestoreUsers),
		},
		{
			name: "DeleteUsers", method: "POST", path: "/users/delete", area: coreAPI, status: created,
			body: jsonBody, handle: s.queued(plain(s.live.DeleteUsers)),
		},

		{name: "GetBlockedUsers", method: "GET", path: "/users/block", area: coreAPI, handle: s.blockedUsers},
		{
			name: "BlockUsers", method: "POST", path: "/users/block", area: coreAPI, status: created,
			body: jsonBody, handle: plain(s.live.BlockUser),
		},
		{
			name: "UnblockUsers", method: "POST", path: "/users/unblock", area: coreAPI,
			body: jsonBody, handle: plain(s.live.UnblockUser),
		},
	}
}

func (s *Server) blockedUsers(r *Request) (Answer, error) {
	body, err := s.live.BlockedUsers(r.Context(), r.App.ID, r.Query)
	return Answer{Body: body}, err
}
