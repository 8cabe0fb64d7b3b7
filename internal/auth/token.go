package auth

import (
	"errors"
	"fmt"
	"math"
	"time"

	"hansard/internal/wire"

	"github.com/golang-jwt/jwt/v5"
)

// Leeway is how far the clocks of the one who signs and the one who checks may
// be apart.
const Leeway = 5 * time.Second

// Claims say whom a token stands for: the app's own server, or one user.
type Claims struct {
	Server bool
	UserID string // of a user token
}

// errAlgorithm is what the key function gives for a header that we refuse
// before any signature is looked at.
var errAlgorithm = errors.New("auth: algorithm")

// Verify checks a token that is said to be signed with secret. Its errors are
// *[wire.Error] of the codes 5 (malformed, wrong algorithm, or of nobody), 43
// (bad signature), 40 (expired), 41 (not valid yet) and 42 (issued in the
// future). The signature comes before the times: of a forged token one learns
// only that it is forged. A token without exp never expires.
func Verify(token string, now time.Time, secret string) (Claims, error) {
	if token == "" {
		return Claims{}, wire.Errorf(wire.CodeBadToken, "no token: send one in the Authorization header")
	}
	if secret == "" {
		// Anyone could sign with it.
		return Claims{}, wire.Errorf(wire.CodeTokenSignature, "the app has no secret, so no token can be good: give it one")
	}
	claims := jwt.MapClaims{}
	// Strict decoding, or the last letter of a signature could be changed
	// without changing the bytes that it stands for.
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	parsed, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Method != jwt.SigningMethodHS256 {
			return nil, errAlgorithm
		}
		return []byte(secret), nil
	})
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		// The library says this of an alg it does not know and of those that
		// the function above refuses.
		return Claims{}, wire.Errorf(wire.CodeBadToken, "the token is not signed with HS256, the only algorithm that is accepted")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), parsed != nil && parsed.Method == jwt.SigningMethodHS256:
		// With the method known, what failed to decode is the signature.
		return Claims{}, wire.Errorf(wire.CodeTokenSignature, "the token's signature is wrong: sign it with the secret of the app that api_key names")
	default:
		return Claims{}, wire.Errorf(wire.CodeBadToken, "the token is malformed: it must be a JSON Web Token of three parts")
	}
	if err := checkTimes(claims, now); err != nil {
		return Claims{}, err
	}
	return subject(claims)
}

// checkTimes compares seconds as floats: a claim may have a fraction, and one
// of 1e30 must not wrap around into the past.
func checkTimes(claims jwt.MapClaims, now time.Time) error {
	seconds := float64(now.UnixNano()) / 1e9
	leeway := Leeway.Seconds()
	at := func(name string, otherwise float64) (float64, error) {
		switch v := claims[name].(type) {
		case nil:
			return otherwise, nil
		case float64:
			return v, nil
		default:
			return 0, wire.Errorf(wire.CodeBadToken, "the token's %s must be a number: seconds since the Unix epoch", name)
		}
	}
	exp, err := at("exp", math.Inf(1))
	if err != nil {
		return err
	}
	nbf, err := at("nbf", math.Inf(-1))
	if err != nil {
		return err
	}
	iat, err := at("iat", math.Inf(-1))
	if err != nil {
		return err
	}
	switch {
	case seconds >= exp+leeway:
		return wire.Errorf(wire.CodeTokenExpired, "the token has expired: sign a new one")
	case seconds < nbf-leeway:
		return wire.Errorf(wire.CodeTokenNotYet, "the token is not valid yet: its nbf lies in the future")
	case seconds < iat-leeway:
		return wire.Errorf(wire.CodeTokenFuture, "the token was issued in the future: its iat must be in seconds, and the clock that made it right")
	}
	return nil
}

func subject(claims jwt.MapClaims) (Claims, error) {
	var c Claims
	switch v := claims["server"].(type) {
	case nil:
	case bool:
		c.Server = v
	default:
		return Claims{}, wire.Errorf(wire.CodeBadToken, "the token's server must be true or false")
	}
	switch v := claims["user_id"].(type) {
	case nil:
	case string:
		c.UserID = v
	default:
		return Claims{}, wire.Errorf(wire.CodeBadToken, "the token's user_id must be a string")
	}
	switch {
	case c.Server && c.UserID != "":
		return Claims{}, wire.Errorf(wire.CodeBadToken, "the token has both server and user_id: a server token has no user_id")
	case !c.Server && c.UserID == "":
		return Claims{}, wire.Errorf(wire.CodeBadToken, `the token has neither "server": true nor a user_id`)
	}
	return c, nil
}

// Sign makes a token, issued now. With a ttl of zero it never expires.
func Sign(secret string, c Claims, now time.Time, ttl time.Duration) (string, error) {
	switch {
	case secret == "":
		return "", errors.New("auth: signing a token: the secret is empty")
	case c.Server == (c.UserID != ""):
		return "", errors.New("auth: signing a token: it is either the server's or one user's")
	case ttl < 0:
		return "", fmt.Errorf("auth: signing a token: a life of %s is negative", ttl)
	}
	claims := jwt.MapClaims{"iat": now.Unix()}
	if c.Server {
		claims["server"] = true
	} else {
		claims["user_id"] = c.UserID
	}
	if ttl > 0 {
		// Rounded up: a life shorter than a second must not be none at all.
		claims["exp"] = now.Add(ttl + time.Second - 1).Unix()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("auth: signing a token: %w", err)
	}
	return token, nil
}
