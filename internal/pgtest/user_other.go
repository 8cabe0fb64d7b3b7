//go:build !unix

package pgtest

import (
	"errors"
	"os/exec"
)

// account is who a server runs as.
type account struct{}

func unprivileged() (*account, error) {
	return nil, errors.New("tests start PostgreSQL on Unix only; elsewhere HANSARD_TEST_POSTGRES must name a server")
}

func (*account) own(string) error { return nil }

func (*account) run(*exec.Cmd) {}
