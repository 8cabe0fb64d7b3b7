package server

func (s *Server) callOperations() []operation { return nil }
