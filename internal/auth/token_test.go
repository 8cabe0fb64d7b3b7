package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

const secret = "s3cr3t-of-the-app"

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// token is made by hand, so that tests do not lean on what they test.
func token(h func() hash.Hash, key, header, claims string) string {
	text := segment(header) + "." + segment(claims)
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func hs256(claims string) string {
	return token(sha256.New, secret, `{"alg":"HS256","typ":"JWT"}`, claims)
}

func at(d time.Duration) int64 { return now.Add(d).Unix() }

func TestVerify(t *testing.T) {
	t.Parallel()
	const ok wire.Code = 0
	server := auth.Claims{Server: true}
	good := hs256(`{"server":true}`)
	parts := strings.Split(good, ".")
	last := map[string]string{"A": "B", "Q": "R", "g": "h", "w": "x"}
	end := good[len(good)-1:]
	other, found := last[end]
	if !found {
		// 43 letters carry 258 bits, the last two of them must be zero.
		other = string(end[0] + 1)
	}
	tests := map[string]struct {
		token string
		code  wire.Code
		want  auth.Claims
	}{
		"server":                    {good, ok, server},
		"user":                      {hs256(`{"user_id":"alice"}`), ok, auth.Claims{UserID: "alice"}},
		"user, server false":        {hs256(`{"user_id":"alice","server":false}`), ok, auth.Claims{UserID: "alice"}},
		"null means absent":         {hs256(`{"server":true,"user_id":null,"exp":null}`), ok, server},
		"more claims":               {hs256(`{"server":true,"role":"admin","aud":["x"],"sub":5}`), ok, server},
		"old iat":                   {hs256(`{"server":true,"iat":1}`), ok, server},
		"exp within leeway":         {hs256(fmt.Sprintf(`{"server":true,"exp":%d}`, at(-4*time.Second))), ok, server},
		"nbf within leeway":         {hs256(fmt.Sprintf(`{"server":true,"nbf":%d}`, at(5*time.Second))), ok, server},
		"iat within leeway":         {hs256(fmt.Sprintf(`{"server":true,"iat":%d}`, at(5*time.Second))), ok, server},
		"exp in the far future":     {hs256(`{"server":true,"exp":1e30}`), ok, server},
		"expired":                   {hs256(fmt.Sprintf(`{"server":true,"exp":%d}`, at(-5*time.Second))), wire.CodeTokenExpired, auth.Claims{}},
		"exp 0":                     {hs256(`{"server":true,"exp":0}`), wire.CodeTokenExpired, auth.Claims{}},
		"nbf in the future":         {hs256(fmt.Sprintf(`{"server":true,"nbf":%d}`, at(6*time.Second))), wire.CodeTokenNotYet, auth.Claims{}},
		"nbf beyond any clock":      {hs256(`{"server":true,"nbf":1e30}`), wire.CodeTokenNotYet, auth.Claims{}},
		"iat in the future":         {hs256(fmt.Sprintf(`{"server":true,"iat":%d}`, at(6*time.Second))), wire.CodeTokenFuture, auth.Claims{}},
		"iat in milliseconds":       {hs256(fmt.Sprintf(`{"server":true,"iat":%d000}`, at(0))), wire.CodeTokenFuture, auth.Claims{}},
		"exp as text":               {hs256(`{"server":true,"exp":"tomorrow"}`), wire.CodeBadToken, auth.Claims{}},
		"wrong secret":              {token(sha256.New, "other", `{"alg":"HS256"}`, `{"server":true}`), wire.CodeTokenSignature, auth.Claims{}},
		"empty secret":              {token(sha256.New, "", `{"alg":"HS256"}`, `{"server":true}`), wire.CodeTokenSignature, auth.Claims{}},
		"forged and expired":        {token(sha256.New, "other", `{"alg":"HS256"}`, `{"server":true,"exp":1}`), wire.CodeTokenSignature, auth.Claims{}},
		"claims exchanged":          {parts[0] + "." + segment(`{"user_id":"bob"}`) + "." + parts[2], wire.CodeTokenSignature, auth.Claims{}},
		"signature cut":             {good[:len(good)-4], wire.CodeTokenSignature, auth.Claims{}},
		"signature missing":         {parts[0] + "." + parts[1] + ".", wire.CodeTokenSignature, auth.Claims{}},
		"last letter of signature":  {good[:len(good)-1] + other, wire.CodeTokenSignature, auth.Claims{}},
		"signature is no base64":    {parts[0] + "." + parts[1] + ".%%%", wire.CodeTokenSignature, auth.Claims{}},
		"alg none":                  {segment(`{"alg":"none"}`) + "." + parts[1] + ".", wire.CodeBadToken, auth.Claims{}},
		"alg None":                  {segment(`{"alg":"None"}`) + "." + parts[1] + ".", wire.CodeBadToken, auth.Claims{}},
		"alg HS384":                 {token(sha512.New384, secret, `{"alg":"HS384"}`, `{"server":true}`), wire.CodeBadToken, auth.Claims{}},
		"alg RS256":                 {token(sha256.New, secret, `{"alg":"RS256"}`, `{"server":true}`), wire.CodeBadToken, auth.Claims{}},
		"alg missing":               {token(sha256.New, secret, `{}`, `{"server":true}`), wire.CodeBadToken, auth.Claims{}},
		"empty":                     {"", wire.CodeBadToken, auth.Claims{}},
		"one part":                  {"hello", wire.CodeBadToken, auth.Claims{}},
		"two parts":                 {parts[0] + "." + parts[1], wire.CodeBadToken, auth.Claims{}},
		"four parts":                {good + ".x", wire.CodeBadToken, auth.Claims{}},
		"header is no JSON":         {token(sha256.New, secret, `hello`, `{"server":true}`), wire.CodeBadToken, auth.Claims{}},
		"claims are no JSON":        {hs256(`server`), wire.CodeBadToken, auth.Claims{}},
		"claims are an array":       {hs256(`[]`), wire.CodeBadToken, auth.Claims{}},
		"claims are null":           {hs256(`null`), wire.CodeBadToken, auth.Claims{}},
		"nobody's":                  {hs256(`{}`), wire.CodeBadToken, auth.Claims{}},
		"empty user id":             {hs256(`{"user_id":""}`), wire.CodeBadToken, auth.Claims{}},
		"server false":              {hs256(`{"server":false}`), wire.CodeBadToken, auth.Claims{}},
		"server as text":            {hs256(`{"server":"true"}`), wire.CodeBadToken, auth.Claims{}},
		"user id as a number":       {hs256(`{"user_id":7}`), wire.CodeBadToken, auth.Claims{}},
		"both":                      {hs256(`{"server":true,"user_id":"alice"}`), wire.CodeBadToken, auth.Claims{}},
		"names are case-sensitive":  {hs256(`{"Server":true}`), wire.CodeBadToken, auth.Claims{}},
		"white space is no part":    {" " + good, wire.CodeBadToken, auth.Claims{}},
		"Bearer is not ours to cut": {"Bearer " + good, wire.CodeBadToken, auth.Claims{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.Verify(tt.token, now, secret)
			var code wire.Code
			if err != nil {
				e := wire.AsError(err)
				if e == nil {
					t.Fatalf("the error is no *wire.Error: %v", err)
				}
				code = e.Code
				if strings.Contains(e.Message, secret) || tt.token != "" && strings.Contains(e.Message, tt.token) {
					t.Errorf("the message gives something away: %s", e.Message)
				}
			}
			if code != tt.code {
				t.Errorf("code %d, want %d (%v)", code, tt.code, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsSignedWithAnEmptySecret(t *testing.T) {
	t.Parallel()
	_, err := auth.Verify(token(sha256.New, "", `{"alg":"HS256"}`, `{"server":true}`), now, "")
	if e := wire.AsError(err); e == nil || e.Code != wire.CodeTokenSignature {
		t.Errorf("got %v", err)
	}
}

func TestSignedTokensVerify(t *testing.T) {
	t.Parallel()
	for _, c := range []auth.Claims{{Server: true}, {UserID: "alice"}, {UserID: `a"b`}} {
		for _, ttl := range []time.Duration{0, time.Millisecond, time.Hour} {
			tok, err := auth.Sign(secret, c, now, ttl)
			if err != nil {
				t.Fatalf("Sign(%+v, %s): %v", c, ttl, err)
			}
			got, err := auth.Verify(tok, now, secret)
			if err != nil || got != c {
				t.Errorf("Verify = %+v, %v, want %+v", got, err, c)
			}
			_, err = auth.Verify(tok, now.Add(ttl+10*time.Second), secret)
			if e := wire.AsError(err); ttl > 0 && (e == nil || e.Code != wire.CodeTokenExpired) {
				t.Errorf("past its life of %s: %v", ttl, err)
			} else if ttl == 0 && err != nil {
				t.Errorf("a token without end: %v", err)
			}
		}
	}
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	t.Parallel()
	for name, sign := range map[string]func() (string, error){
		"nobody":        func() (string, error) { return auth.Sign(secret, auth.Claims{}, now, 0) },
		"both":          func() (string, error) { return auth.Sign(secret, auth.Claims{Server: true, UserID: "a"}, now, 0) },
		"no secret":     func() (string, error) { return auth.Sign("", auth.Claims{Server: true}, now, 0) },
		"negative life": func() (string, error) { return auth.Sign(secret, auth.Claims{Server: true}, now, -1) },
	} {
		if tok, err := sign(); err == nil {
			t.Errorf("%s: got the token %s", name, tok)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(hs256(`{"server":true,"exp":1}`))
	f.Add("..")
	f.Add(segment(`{"alg":"none"}`) + "." + segment(`{"server":true}`) + ".")
	f.Fuzz(func(t *testing.T, tok string) {
		// The fuzzer does not know this secret, so nothing may pass.
		_, err := auth.Verify(tok, now, "another secret")
		if wire.AsError(err) == nil {
			t.Errorf("Verify(%q) = %v", tok, err)
		}
	})
}
