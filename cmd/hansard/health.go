package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (m *Main) healthCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a running process whether it is well; for containers, which have no curl",
		Long: `Ask a running process whether it is well. Exits with 0 if the URL answers 200.
/healthz says that the process answers, /readyz that its database and its files can
be reached too. The default is the server of this machine.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("health takes one URL, not %d", len(args))
			}
			address := "http://127.0.0.1:3030/healthz"
			if len(args) > 0 {
				address = args[0]
			}
			u, err := url.Parse(address)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return usageError("%q is not a URL such as http://127.0.0.1:3030/readyz", address)
			}
			if timeout <= 0 {
				return usageError("--timeout must be more than 0")
			}
			return m.health(cmd, u.String(), timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 4*time.Second, "how long the answer may take")
	return c
}

// health asks once and says what came.
func (m *Main) health(cmd *cobra.Command, address string, timeout time.Duration) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	// What answers must be the process that was asked: no proxy, no redirect.
	client := &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", address, resp.Status, bytes.TrimSpace(body))
	}
	return m.printf("%s\n", bytes.TrimSpace(body))
}
