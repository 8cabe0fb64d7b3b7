package s3

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// tolerated is by how much the clock of this machine may be off before requests
// are signed by the server's: servers take a quarter of an hour.
const tolerated = 2 * time.Minute

// clocked learns the server's time from its answers, and signs requests by it
// where the clock of this machine is off. The first request is refused then,
// which is how it is learned.
type clocked struct {
	http.RoundTripper
	creds *credentials.Credentials
	skew  *atomic.Int64 // nanoseconds by which the server is ahead
}

func (c clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	if skew := time.Duration(c.skew.Load()); skew.Abs() > tolerated {
		v, err := c.creds.GetWithContext(nil) // was just asked for, to sign the request
		if err == nil {
			r = resigned(r, v.SecretAccessKey, time.Now().Add(skew))
		}
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.skew.Store(int64(time.Until(at)))
		}
	}
	return resp, err
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	stamp     = "20060102T150405Z"
)

// resigned is a request that was signed, with a signature of another time: see
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
// Requests without such a signature stay as they are.
func resigned(r *http.Request, secret string, at time.Time) *http.Request {
	// AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…, Signature=…
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" Credential=")
	parts := strings.Split(given, ", ")
	if !ok || len(parts) != 3 {
		return r
	}
	scope := strings.Split(parts[0], "/")
	names, ok := strings.CutPrefix(parts[1], "SignedHeaders=")
	if !ok || len(scope) < 5 {
		return r
	}
	at = at.UTC()
	r = r.Clone(r.Context())
	r.Header.Set("X-Amz-Date", at.Format(stamp))
	scope = slices.Clone(scope[len(scope)-5:])
	key, _ := strings.CutSuffix(parts[0], "/"+strings.Join(scope[1:], "/")) // may have slashes
	scope[1] = at.Format("20060102")
	where := strings.Join(scope[1:], "/")

	var canonical strings.Builder
	canonical.WriteString(r.Method + "\n" + s3utils.EncodePath(r.URL.Path) + "\n")
	canonical.WriteString(strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20") + "\n")
	for name := range strings.SplitSeq(names, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = cmp.Or(r.Host, r.URL.Host)
		}
		canonical.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	canonical.WriteString("\n" + names + "\n" + r.Header.Get("X-Amz-Content-Sha256"))
	sum := sha256.Sum256([]byte(canonical.String()))
	toSign := algorithm + "\n" + at.Format(stamp) + "\n" + where + "\n" + hex.EncodeToString(sum[:])
	// Made for forms, it is the last step of every signature.
	signature := signer.PostPresignSignatureV4(toSign, at, secret, scope[2])
	r.Header.Set("Authorization", algorithm+" Credential="+key+"/"+where+", SignedHeaders="+names+", Signature="+signature)
	return r
}
