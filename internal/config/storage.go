package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// S3 is where files are kept when they are kept in an object store.
type S3 struct {
	Bucket string
	Prefix string // everything is kept below it; may be empty
	// Endpoint is the URL of the server, without a path; empty is Amazon's in
	// the region.
	Endpoint string
	// PublicEndpoint is the same server's URL as others reach it; "" = Endpoint.
	PublicEndpoint string

	Region string // "" = that of AWS_REGION, or us-east-1
	// PathStyle says whether the bucket is named in the path of URLs or in
	// their host; nil is what the server usually takes.
	PathStyle *bool
	PartSize  int64 // bytes in a part of a file; 0 = 8 MiB
	Parallel  int   // parts of a file on their way at once; 0 = 3
	// NoSpans says that the store takes only parts of one size, but for the
	// last: several workers cannot make one file then.
	NoSpans bool
}

// maxS3URLTTL is how long a presigned URL can live at most.
const maxS3URLTTL = 7 * 24 * time.Hour

// Files is the folder of local files.
func (s Settings) Files() string {
	if path, ok := filePath(s.Storage); ok {
		return path
	}
	return filepath.Join(s.Data, "files")
}

// S3 is the object store that files are kept in, if they are in one.
func (s Settings) S3() (S3, bool) {
	if !strings.HasPrefix(s.Storage, s3Scheme) {
		return S3{}, false
	}
	o, err := parseS3(s.Storage)
	return o, err == nil
}

const s3Scheme = "s3://"

func storage(to *string, v string) error {
	_, local := filePath(v)
	switch {
	case v == "", local:
	case strings.HasPrefix(v, s3Scheme):
		if _, err := parseS3(v); err != nil {
			return err
		}
	default:
		return errors.New("must be empty (a folder in --data), file:///path or s3://BUCKET/PREFIX")
	}
	*to = v
	return nil
}

// filePath is the absolute path in a file URL.
func filePath(v string) (string, bool) {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "file" || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || len(u.Path) < 2 || u.Path[0] != '/' {
		return "", false
	}
	path := u.Path
	if len(path) > 2 && path[2] == ':' { // file:///C:/files
		path = path[1:]
	}
	return filepath.FromSlash(path), true
}

// parseS3 reads s3://BUCKET/PREFIX?endpoint=…&region=…. Its errors complete a
// sentence that begins with the name of the setting and repeat no values, since
// people put credentials into the oddest places.
func parseS3(v string) (S3, error) {
	u, err := url.Parse(v)
	if err != nil || u.Opaque != "" {
		return S3{}, errors.New("must be s3://BUCKET/PREFIX?endpoint=…&region=…")
	}
	if u.User != nil {
		return S3{}, errors.New("must not hold credentials: they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	o := S3{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	switch {
	case u.Port() != "" || strings.Contains(u.Host, ":"):
		return S3{}, errors.New("must name a bucket after s3://, and the server as endpoint=…")
	case !isBucket(o.Bucket):
		return S3{}, errors.New("must name a bucket: s3://BUCKET, 3 to 63 of the characters a-z 0-9 . -")
	case !isPrefix(o.Prefix):
		return S3{}, errors.New("must have a prefix of names joined by /, each of the characters A-Z a-z 0-9 . _ - @ and not beginning with a dot")
	case u.Fragment != "":
		return S3{}, errors.New("must have no # in it")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return S3{}, errors.New("must have parameters of the form ?name=value&name=value, with % before two digits only")
	}
	return o, o.parameters(query)
}

// s3Parameters are the names that parameters reads.
var s3Parameters = []string{"endpoint", "insecure", "parallel", "part_size", "path_style", "public_endpoint", "region", "spans"}

func (o *S3) parameters(query url.Values) error {
	for name, values := range query {
		if !slices.Contains(s3Parameters, name) {
			return fmt.Errorf("must not have the parameter %s%s", quoted(name), suggest(name, s3Parameters))
		}
		if len(values) > 1 {
			return fmt.Errorf("must have the parameter %s once", name)
		}
	}
	insecure, insecureGiven, err := boolParameter(query, "insecure")
	if err != nil {
		return err
	}
	style, styleGiven, err := boolParameter(query, "path_style")
	if err != nil {
		return err
	}
	spans, spansGiven, err := boolParameter(query, "spans")
	if err != nil {
		return err
	}
	if styleGiven {
		o.PathStyle = &style
	}
	if query.Has("endpoint") {
		if o.Endpoint, err = s3Endpoint("endpoint", query.Get("endpoint"), insecure); err != nil {
			return err
		}
	}
	if query.Has("public_endpoint") {
		if o.PublicEndpoint, err = s3Endpoint("public_endpoint", query.Get("public_endpoint"), false); err != nil {
			return err
		}
	}
	o.NoSpans = spansGiven && !spans || !spansGiven && strings.HasSuffix(o.Endpoint, r2)
	if insecureGiven && insecure == strings.HasPrefix(o.Endpoint, "https:") || insecure && o.Endpoint == "" {
		return errors.New("must have an insecure=… that fits its endpoint=…")
	}
	o.Region = query.Get("region")
	if strings.Trim(o.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New("must have a region=… of the characters a-z 0-9 -")
	}
	if query.Has("parallel") {
		if o.Parallel, err = strconv.Atoi(query.Get("parallel")); err != nil || o.Parallel < 1 || o.Parallel > 64 {
			return errors.New("must have a parallel=… from 1 to 64")
		}
	}
	if query.Has("part_size") {
		if o.PartSize, err = partSize(query.Get("part_size")); err != nil {
			return err
		}
	}
	return nil
}

// r2 ends the endpoints of a store that takes only parts of one size.
const r2 = ".r2.cloudflarestorage.com"

func boolParameter(query url.Values, name string) (value, given bool, err error) {
	if !query.Has(name) {
		return false, false, nil
	}
	if value, err = strconv.ParseBool(query.Get(name)); err != nil {
		return false, false, fmt.Errorf("must have %s=true or %s=false", name, name)
	}
	return value, true, nil
}

// s3Endpoint takes HOST, HOST:PORT or a URL of these.
func s3Endpoint(name, v string, insecure bool) (string, error) {
	switch {
	case strings.Contains(v, "://"):
	case insecure:
		v = "http://" + v
	default:
		v = "https://" + v
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("must have its %s=… in the form HOST:PORT, https://HOST:PORT or http://HOST:PORT", name)
	}
	return u.Scheme + "://" + u.Host, nil
}

// partSize reads "16MiB".
func partSize(v string) (int64, error) {
	const least, most = 5, 512
	n, err := strconv.ParseInt(strings.TrimSuffix(v, "MiB"), 10, 64)
	if err != nil || !strings.HasSuffix(v, "MiB") || n < least || n > most {
		return 0, fmt.Errorf("must have a part_size=… from %dMiB to %dMiB", least, most)
	}
	return n << 20, nil
}

func isBucket(name string) bool {
	return len(name) >= 3 && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" &&
		!strings.ContainsAny(name[:1]+name[len(name)-1:], ".-") && !strings.Contains(name, "..")
}

// isPrefix is the rule of keys in the blob store.
func isPrefix(prefix string) bool {
	if prefix == "" {
		return true
	}
	for name := range strings.SplitSeq(prefix, "/") {
		if name == "" || name[0] == '.' || len(name) > 255 {
			return false
		}
		for _, c := range []byte(name) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._-@", c) >= 0:
			default:
				return false
			}
		}
	}
	return len(prefix) <= 512
}
