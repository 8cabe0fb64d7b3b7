package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// requestLife is how long the token of one request is good: long enough for a
// slow request and a clock that is a bit off, and short enough that a token
// that leaks somewhere is soon worth nothing.
const requestLife = 10 * time.Minute

// UserToken signs a token of one user with an app's secret, for what acts in
// that user's name. life is how long it is good; 0 is for ever.
func UserToken(secret, userID string, life time.Duration) (string, error) {
	if userID == "" {
		return "", errors.New("signing a token: the user id is empty")
	}
	return newToken(secret, jwt.MapClaims{"user_id": userID}, life)
}

// ServerToken signs a server token with an app's secret; who has it may do
// everything within the app. life is how long it is good; 0 is for ever. A
// Client signs its own requests and needs none.
func ServerToken(secret string, life time.Duration) (string, error) {
	return newToken(secret, jwt.MapClaims{"server": true}, life)
}

func newToken(secret string, claims jwt.MapClaims, life time.Duration) (string, error) {
	now := time.Now()
	claims["iat"] = now.Unix()
	switch {
	case life < 0:
		return "", fmt.Errorf("signing a token: a life of %s is negative", life)
	case life > 0:
		// Rounded up: a life shorter than a second must not be none at all.
		claims["exp"] = now.Add(life + time.Second - 1).Unix()
	}
	return sign(secret, claims)
}

// token signs a server token for one request. It has no "iat": a clock that is
// a little ahead of the server's must not make it a token from the future.
func (c *Client) token() (string, error) {
	return sign(c.secret, jwt.MapClaims{"server": true, "exp": time.Now().Add(requestLife).Unix()})
}

func sign(secret string, claims jwt.MapClaims) (string, error) {
	if secret == "" {
		return "", errors.New("signing a token: the secret is empty")
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}
