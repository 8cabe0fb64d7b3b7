package s3

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// errNoCredentials is wrapped where there are none: that will not pass.
var errNoCredentials = errors.New("no credentials for the object store")

// metadataTimeout bounds each request to the services that give credentials to
// machines and containers. Where there is no such service nothing answers.
const metadataTimeout = 5 * time.Second

// newCredentials looks for credentials where AWS's own tools do: the variables
// of the environment, the files of the home folder, the role of the machine or
// container. They are looked for anew when they expire.
func newCredentials(o Options) *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	}
	return credentials.New(&provider{
		env:  &credentials.EnvAWS{},
		file: &credentials.FileAWSCredentials{},
		role: &credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}, Region: o.Region},
	})
}

// provider is like minio-go's own chain, except that finding nothing is an
// error and not an unsigned request.
type provider struct {
	env, file, role credentials.Provider
	used            credentials.Provider // nil before the first time
}

// RetrieveWithCredContext implements credentials.Provider.
func (p *provider) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	id, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if (id == "") != (secret == "") {
		return credentials.Value{}, fmt.Errorf("%w: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together, and one is missing", errNoCredentials)
	}
	var last error
	for _, from := range []credentials.Provider{p.env, p.file, p.role} {
		v, err := from.RetrieveWithCredContext(c)
		if err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			p.used = from
			return v, nil
		}
		last = err
	}
	if p.used != nil { // there were some, and will be again
		return credentials.Value{}, fmt.Errorf("renewing the credentials for the object store: %w", cleaned(last))
	}
	return credentials.Value{}, fmt.Errorf("%w: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", errNoCredentials)
}

// cleaned leaves out what the library quotes.
func cleaned(err error) error {
	if err == nil {
		return errors.New("nobody gives any")
	}
	if os.IsTimeout(err) {
		return errors.New("nobody answers")
	}
	return errors.New("the request for them failed")
}

// Retrieve implements credentials.Provider.
func (p *provider) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (p *provider) IsExpired() bool { return p.used == nil || p.used.IsExpired() }
