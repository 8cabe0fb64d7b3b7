package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hansard/client"

	"github.com/golang-jwt/jwt/v5"
)

func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{
		Server: s.URL + "/", APIKey: "shop", APISecret: "s3cret", HTTP: s.Client(), Retries: -1, Poll: time.Millisecond, Patience: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]client.Options{
		"server": {Server: "localhost:3030", APIKey: "k", APISecret: "s"},
		"key":    {Server: "http://localhost:3030", APISecret: "s"},
		"secret": {Server: "http://localhost:3030", APIKey: "k"},
	} {
		if _, err := client.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequestsAreSigned(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(r.Header.Get("Authorization"), claims, func(*jwt.Token) (any, error) {
			return []byte("s3cret"), nil
		}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
		if err != nil || claims["server"] != true || r.URL.Query().Get("api_key") != "shop" || r.Header.Get("Stream-Auth-Type") != "jwt" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/export_channels" || r.Header.Get("Idempotency-Key") != "once" {
			w.WriteHeader(http.StatusTeapot)
		}
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		if want := `{"channels":[{"cid":"messaging:general"}],"version":"v2"}`; body.String() != want {
			t.Errorf("body = %s, want %s", body, want)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"task_id":"t1","duration":"1ms"}`)
	})
	id, err := c.ExportChannels(t.Context(), client.ChannelsRequest{
		Channels: []client.ChannelWindow{{CID: "messaging:general"}}, Version: "v2", IdempotencyKey: "once",
	})
	if err != nil || id != "t1" {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r-1")
		switch r.URL.Path {
		case "/export/users":
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"code":16,"message":"no such user","StatusCode":404,"details":[],"exception_fields":{"bob":"does not exist"}}`)
		case "/tasks/page":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprint(w, `<html>nope</html>`)
		default:
			_, _ = fmt.Fprint(w, `<html>hello</html>`)
		}
	})
	_, err := c.ExportUsers(t.Context(), client.UsersRequest{UserIDs: []string{"bob"}})
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Code != 16 || e.Status != 404 || e.Fields["bob"] != "does not exist" || e.Error() != "no such user" {
		t.Errorf("err = %#v", err)
	}
	if _, err := c.Task(t.Context(), "page"); err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "r-1") {
		t.Errorf("a proxy's page: %v", err)
	}
	if _, err := c.Task(t.Context(), "t2"); err == nil || !strings.Contains(err.Error(), "did not answer as Hansard does") {
		t.Errorf("no JSON: %v", err)
	}
	if _, err := c.Task(t.Context(), "../users"); err == nil || !strings.Contains(err.Error(), "UUID") {
		t.Errorf("a path for an id: %v", err)
	}
}
