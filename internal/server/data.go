package server

import "hansard/internal/wire"

func (s *Server) upsertUsers(r *Request) (Answer, error) {
	body, err := s.live.UpsertUsers(r.Context(), r.App.ID, r.Body)
	return Answer{Body: body}, err
}

func (s *Server) getOrCreateChannel(r *Request) (Answer, error) {
	body, err := s.live.GetOrCreateChannel(r.Context(), r.App.ID, r.Path("type"), r.Path("id"), r.Body)
	return Answer{Body: body}, err
}

func (s *Server) sendMessage(r *Request) (Answer, error) {
	body, err := s.live.SendMessage(r.Context(), r.App.ID, r.Path("type"), r.Path("id"), r.Body)
	return Answer{Body: body}, err
}

func (s *Server) sendReaction(r *Request) (Answer, error) {
	id := r.Path("id")
	if !wire.ValidID(id, wire.MaxMessageID) {
		return Answer{}, wire.Errorf(wire.CodeNotFound, "there is no such message")
	}
	body, err := s.live.SendReaction(r.Context(), r.App.ID, id, r.Body)
	return Answer{Body: body}, err
}
