package server

func (s *Server) setupOperations() []operation { return nil }
