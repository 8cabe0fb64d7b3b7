package server

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/auth"
	"hansard/internal/wire"
)

func (s *Server) setupOperations() []operation {
	return []operation{
		{name: "ListChannelTypes", method: "GET", path: "/channeltypes", area: chatAPI, handle: s.channelTypes},
		{
			name: "CreateChannelType", method: "POST", path: "/channeltypes", area: chatAPI, status: created,
			body: jsonBody, handle: ofTypes(plain(s.live.CreateChannelType)),
		},
		{
			name: "GetChannelType", method: "GET", path: "/channeltypes/{name}", area: chatAPI,
			handle: onType(func(ctx context.Context, app int64, name string, _ []byte) ([]byte, error) {
				return s.live.GetChannelType(ctx, app, name)
			}),
		},
		{
			name: "UpdateChannelType", method: "PUT", path: "/channeltypes/{name}", area: chatAPI,
			body: jsonBody, handle: onType(s.live.UpdateChannelType),
		},
		{
			name: "DeleteChannelType", method: "DELETE", path: "/channeltypes/{name}", area: chatAPI,
			handle: onType(func(ctx context.Context, app int64, name string, _ []byte) ([]byte, error) {
				return s.live.DeleteChannelType(ctx, app, name)
			}),
		},

		{name: "GetApp", method: "GET", path: "/app", area: coreAPI, handle: s.getApp},
		{name: "UpdateApp", method: "PATCH", path: "/app", area: coreAPI, body: jsonBody, handle: plain(s.live.UpdateApp)},
		{name: "GetRateLimits", method: "GET", path: "/rate_limits", area: coreAPI, handle: s.rateLimits},
		{
			name: "SendEvent", method: "POST", path: "/channels/{type}/{id}/event", area: chatAPI, status: created,
			body: jsonBody, handle: onChannel(s.live.SendEvent),
		},
		{name: "CreateGuest", method: "POST", path: "/guest", area: coreAPI, status: created, body: jsonBody, handle: s.createGuest},
	}
}

func (s *Server) channelTypes(r *Request) (Answer, error) {
	body, err := s.live.ChannelTypes(r.Context(), r.App.ID)
	return Answer{Body: body}, err
}

// onType serves what is about the type of channels in the path.
func onType(fn func(ctx context.Context, app int64, name string, body []byte) ([]byte, error)) func(*Request) (Answer, error) {
	return ofTypes(func(r *Request) (Answer, error) {
		name := r.Path("name")
		if !wire.ValidType(name) {
			// No type can have this name, which is all there is to say.
			return Answer{}, wire.Errorf(wire.CodeNotFound, "there is no such channel type")
		}
		body, err := fn(r.Context(), r.App.ID, name, r.Body)
		return Answer{Body: body}, err
	})
}

// ofTypes says that an answer is a type of channels.
func ofTypes(handle func(*Request) (Answer, error)) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		a, err := handle(r)
		if len(a.Body) > len(`{}`) {
			a.Kind = wire.KindChannelType
		}
		return a, err
	}
}

func (s *Server) getApp(r *Request) (Answer, error) {
	body, err := s.live.App(r.Context(), r.App)
	return Answer{Body: body}, err
}

func (s *Server) createGuest(r *Request) (Answer, error) {
	body, err := s.live.CreateGuest(r.Context(), r.App.ID, r.Body, func(userID string) (string, error) {
		return auth.Sign(r.App.Secret, auth.Claims{UserID: userID}, s.now(), 0)
	})
	return Answer{Body: body}, err
}

// The kinds of clients that rate limits are told for. Only servers call.
var platforms = []string{"server_side", "android", "ios", "web"}

// rateLimits answers what the headers of each operation would say now.
func (s *Server) rateLimits(r *Request) (Answer, error) {
	asked := map[string]bool{}
	for _, p := range platforms {
		text := r.Query.Get(p)
		if text == "" {
			continue
		}
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return Answer{}, wire.BadField(p, "must be true or false")
		}
		if yes {
			asked[p] = true
		}
	}
	var names []string
	for list := range strings.SplitSeq(r.Query.Get("endpoints"), ",") {
		if name := strings.TrimSpace(list); name != "" {
			names = append(names, name)
		}
	}
	body := []byte{'{'}
	for _, p := range platforms {
		if len(asked) > 0 && !asked[p] {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(wire.AppendString(body, p), `:{`...)
		if p == platforms[0] {
			body = s.appendLimits(body, r.App.ID, names)
		}
		body = append(body, '}')
	}
	return Answer{Body: append(body, '}')}, nil
}

func (s *Server) appendLimits(dst []byte, app int64, names []string) []byte {
	first := true
	for _, op := range s.operations() {
		if len(names) > 0 && !slices.Contains(names, op.name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		at := s.standing(app, op.limit)
		dst = append(wire.AppendString(dst, op.name), `:{"limit":`...)
		dst = strconv.AppendInt(dst, int64(at.limit), 10)
		dst = strconv.AppendInt(append(dst, `,"remaining":`...), int64(at.remaining), 10)
		dst = strconv.AppendInt(append(dst, `,"reset":`...), at.reset.Unix(), 10)
		dst = append(dst, '}')
	}
	return dst
}
