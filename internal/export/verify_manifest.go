package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"hansard/internal/export/format"
)

// claims is what a manifest says about a file.
type claims struct {
	Kind        string         `json:"kind"`
	Version     string         `json:"version"`
	Format      string         `json:"format"`
	Size        *int64         `json:"size"`
	SHA256      string         `json:"sha256"`
	Compression string         `json:"compression"`
	Encryption  string         `json:"encryption"`
	Counts      *format.Counts `json:"counts"`
	Channels    []struct {
		CID      string `json:"cid"`
		Messages int64  `json:"messages"`
	} `json:"channels"`

	perChannel bool              // messages are to be compared channel by channel
	tallies    map[string]*tally // by cid: a channel may be listed once for every window
	strange    string            // the first channel in the file that is not listed
}

type tally struct{ said, got int64 }

func readClaims(manifest []byte) (*claims, error) {
	c := &claims{tallies: map[string]*tally{}}
	if !bytes.HasPrefix(bytes.TrimLeft(manifest, " \t\r\n"), []byte("{")) {
		return nil, errors.New("is not a JSON object")
	}
	if err := json.Unmarshal(manifest, c); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, errors.New("has a wrong value for " + quote(wrong.Field))
		}
		return nil, errors.New("is not valid JSON")
	}
	if c.Size == nil || c.SHA256 == "" || c.Counts == nil || c.file() == "" {
		return nil, errors.New("is not that of an export: size, sha256, counts, kind, version and format must be there")
	}
	c.perChannel = c.Kind == "channels"
	for _, ch := range c.Channels {
		t := c.tallies[ch.CID]
		if t == nil {
			t = &tally{}
			c.tallies[ch.CID] = t
		}
		t.said += ch.Messages
	}
	return c, nil
}

// file is the format as a Report calls it; empty if there is none such.
func (c *claims) file() string {
	switch {
	case c.Kind == "users":
		return usersFile
	case c.Kind != "channels":
		return ""
	case c.Format == CSV || c.Format == Parquet:
		return c.Format
	case c.Format == JSON && (c.Version == V1 || c.Version == V2):
		return c.Version
	}
	return ""
}

// order is that of the channels in the file.
func (c *claims) order() *channelOrder {
	o := newChannelOrder()
	for _, ch := range c.Channels {
		o.add(ch.CID)
	}
	return o
}

// seen counts a message of the file.
func (c *claims) seen(cid string) {
	if !c.perChannel {
		return
	}
	if t := c.tallies[cid]; t != nil {
		t.got++
	} else if c.strange == "" {
		c.strange = cid
	}
}

// compare notes in what the file is not what its manifest says.
func (v *verifier) compare() {
	r, c := &v.report, v.claims
	r.Compared = true
	v.differ("size", r.Size, *c.Size)
	if !strings.EqualFold(r.SHA256, c.SHA256) {
		v.complain(&v.grave, "sha256: not the manifest's; the bytes of the file are others")
	}
	if encrypted := c.Encryption == "age"; encrypted != r.Encrypted {
		v.complain(&v.grave, "encryption: the file is not as the manifest says")
	}
	if r.Encrypted {
		return
	}
	if r.Compression != c.Compression {
		v.complain(&v.grave, "compression: the file has %s, the manifest says %s", r.Compression, quote(c.Compression))
	}
	if r.Format == importFile || r.Format == "" {
		return // that says it all, or why it cannot be told has been said
	}
	if r.Format != c.file() {
		v.complain(&v.grave, "format: the file has %s, the manifest says %s", quote(r.Format), c.file())
		return
	}
	if !v.counted {
		return // that it could not be gone through has been said
	}
	v.differ("messages", r.Counts.Messages, c.Counts.Messages)
	if r.Format != CSV {
		v.differ("channels", r.Counts.Channels, c.Counts.Channels)
		v.differ("members", r.Counts.Members, c.Counts.Members)
		v.differ("reactions", r.Counts.Reactions, c.Counts.Reactions)
		v.differ("users", r.Counts.Users, c.Counts.Users)
		v.differ("calls", r.Counts.Calls, c.Counts.Calls)
	}
	if !c.perChannel {
		return
	}
	if c.strange != "" {
		v.complain(&v.grave, "the file has messages of %s, which the manifest does not list", quote(c.strange))
	}
	for _, ch := range c.Channels {
		t := c.tallies[ch.CID]
		v.differ("messages of "+quote(ch.CID), t.got, t.said)
		t.got = t.said // once
	}
}

func (v *verifier) differ(what string, got, said int64) {
	if got != said {
		v.complain(&v.grave, "%s: the file has %d, the manifest says %d", what, got, said)
	}
}
