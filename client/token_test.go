package client_test

import (
	"testing"
	"time"

	"hansard/client"

	"github.com/golang-jwt/jwt/v5"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	claims := func(token string, err error) jwt.MapClaims {
		t.Helper()
		c := jwt.MapClaims{}
		if err == nil {
			_, err = jwt.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return []byte("s3cret"), nil },
				jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuedAt())
		}
		if err != nil {
			t.Error(err)
		}
		return c
	}
	user := claims(client.UserToken("s3cret", "ada", time.Hour))
	exp, err := user.GetExpirationTime()
	if user["user_id"] != "ada" || user["server"] != nil || user["iat"] == nil || err != nil || time.Until(exp.Time) > time.Hour+time.Second || time.Until(exp.Time) < 59*time.Minute {
		t.Errorf("a user's: %v", user)
	}
	server := claims(client.ServerToken("s3cret", 0))
	if server["server"] != true || server["user_id"] != nil || server["exp"] != nil || server["iat"] == nil {
		t.Errorf("the server's: %v", server)
	}
	if short := claims(client.ServerToken("s3cret", time.Nanosecond)); short["exp"] == nil {
		t.Errorf("a short one: %v", short)
	}
	for name, fn := range map[string]func() (string, error){
		"no secret":     func() (string, error) { return client.ServerToken("", time.Hour) },
		"nobody":        func() (string, error) { return client.UserToken("s3cret", "", time.Hour) },
		"negative life": func() (string, error) { return client.UserToken("s3cret", "ada", -1) },
	} {
		if token, err := fn(); err == nil || token != "" {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
}
