package server_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/store"

	"github.com/golang-jwt/jwt/v5"
)

// Every way of not being let in, in the order in which they are looked at.
func TestAdmission(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		now := r.clock.Now()
		sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
			token, err := jwt.NewWithClaims(method, claims).SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		hs := func(claims jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, []byte(r.app.Secret), claims) }
		server := jwt.MapClaims{"server": true}
		good := hs(server)
		tests := []struct {
			name   string
			key    string // "" = none
			token  string
			typ    string
			status int
			code   string
		}{
			{"good", r.app.Key, good, "jwt", 404, "16"},
			{"bearer", r.app.Key, "Bearer " + good, "jwt", 404, "16"},
			{"no auth type", r.app.Key, good, "", 404, "16"},
			{"within the leeway", r.app.Key, hs(jwt.MapClaims{"server": true, "exp": now.Add(-2 * time.Second).Unix()}), "", 404, "16"},
			{"no key", "", good, "jwt", 401, "2"},
			{"no key, no token", "", "", "", 401, "2"},
			{"unknown key", "nobody", good, "jwt", 401, "2"},
			{"odd key", "../../x y", good, "jwt", 401, "2"},
			{"auth type", r.app.Key, good, "anonymous", 401, "5"},
			{"no token", r.app.Key, "", "jwt", 401, "5"},
			{"bearer of nothing", r.app.Key, "Bearer ", "jwt", 401, "5"},
			{"malformed", r.app.Key, "x.y", "jwt", 401, "5"},
			{"none", r.app.Key, sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, server), "jwt", 401, "5"},
			{"HS384", r.app.Key, sign(jwt.SigningMethodHS384, []byte(r.app.Secret), server), "jwt", 401, "5"},
			{"nobody's", r.app.Key, hs(jwt.MapClaims{}), "jwt", 401, "5"},
			{"expired", r.app.Key, hs(jwt.MapClaims{"server": true, "exp": now.Add(-time.Minute).Unix()}), "jwt", 401, "40"},
			{"not yet", r.app.Key, hs(jwt.MapClaims{"server": true, "nbf": now.Add(time.Minute).Unix()}), "jwt", 401, "41"},
			{"from the future", r.app.Key, hs(jwt.MapClaims{"server": true, "iat": now.Add(time.Minute).Unix()}), "jwt", 401, "42"},
			{"other app's", r.other.Key, good, "jwt", 401, "43"},
			{"user's", r.app.Key, r.token(r.app, auth.Claims{UserID: "ann"}), "jwt", 403, "17"},
		}
		for _, tt := range tests {
			req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+r.path("/tasks/none"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.key != "" {
				req.Header.Set("X-Api-Key", tt.key)
			}
			if tt.token != "" {
				req.Header.Set("Authorization", tt.token)
			}
			if tt.typ != "" {
				req.Header.Set("Stream-Auth-Type", tt.typ)
			}
			a := r.send(req)
			if a.status != tt.status || a.get("code") != tt.code {
				t.Errorf("%s: %d %s, want %d with code %s", tt.name, a.status, a.body, tt.status, tt.code)
			}
		}
	})
}

// No endpoint may forget to ask who is there.
func TestEveryEndpointAsksForAToken(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		for _, e := range [][2]string{
			{"POST", "/export_channels"},
			{"GET", "/export_channels/x"},
			{"POST", "/export/users"},
			{"GET", "/users/x/export"},
			{"GET", "/tasks"},
			{"GET", "/tasks/x"},
			{"POST", "/tasks/x/cancel"},
			{"POST", "/import_urls"},
			{"POST", "/imports"},
			{"GET", "/imports"},
			{"GET", "/imports/x"},
			{"POST", "/users"},
			{"POST", "/channels/a/b/query"},
			{"POST", "/channels/a/b/message"},
			{"POST", "/messages/x/reaction"},
		} {
			for _, claims := range []auth.Claims{{}, {UserID: "ann"}} {
				req := r.request(r.app, e[0], r.path(e[1]), nil)
				want := "5"
				if claims.UserID == "" {
					req.Header.Del("Authorization")
				} else {
					req.Header.Set("Authorization", r.token(r.app, claims))
					want = "17"
				}
				if a := r.send(req); a.get("code") != want {
					t.Errorf("%s %s: %d %s, want code %s", e[0], e[1], a.status, a.body, want)
				}
			}
		}
	})
}

func TestSecretsAreLookedUpAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	old := r.app
	r.must(200, "GET", "/tasks", "")
	r.app.Secret = auth.NewSecret()
	if err := r.store.SetAppSecret(t.Context(), r.app.Key, r.app.Secret); err != nil {
		t.Fatal(err)
	}
	r.must(200, "GET", "/tasks", "")
	if a := r.as(old, "GET", "/tasks", ""); a.get("code") != "43" {
		t.Errorf("the old secret still works: %s", a.body)
	}
	if err := r.store.DeleteApp(t.Context(), r.app.Key); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Second)
	if a := r.do("GET", "/tasks", ""); a.get("code") != "2" {
		t.Errorf("a removed app is still let in: %s", a.body)
	}
}

// What is written for an app that was made in the place of another one is its own.
func TestAnotherAppOfThatKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.must(200, "GET", "/tasks", "")
	if err := r.store.DeleteApp(t.Context(), r.app.Key); err != nil {
		t.Fatal(err)
	}
	r.app = store.App{Name: "another", Key: r.app.Key, Secret: auth.NewSecret()}
	if err := r.store.CreateApp(t.Context(), &r.app); err != nil {
		t.Fatal(err)
	}
	r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann"}}}`)
	r.clock.advance(time.Second)
	r.must(200, "GET", "/users/ann/export", "")
}

// onRead does something before it is read.
type onRead struct {
	io.Reader
	first func()
}

func (r *onRead) Read(p []byte) (int, error) {
	r.first()
	return r.Reader.Read(p)
}

// A body comes as slowly as it likes: who was let in before is looked at anew.
func TestRemovedWhileTheBodyComes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.client.ExpectContinueTimeout = time.Minute
	req := r.request(r.app, "POST", "/users", &onRead{strings.NewReader(`{"users":{"ann":{"id":"ann"}}}`), sync.OnceFunc(func() {
		if err := r.store.DeleteApp(t.Context(), r.app.Key); err != nil {
			t.Error(err)
		}
		r.clock.advance(time.Second)
	})})
	req.Header.Set("Expect", "100-continue") // the server says so when it begins to read
	if a := r.send(req); a.get("code") != "2" {
		t.Errorf("something was written for an app that is gone: %d %s", a.status, a.body)
	}
}
