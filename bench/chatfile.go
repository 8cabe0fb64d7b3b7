package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// chatFile is an import file and what a benchmark must know of it.
type chatFile struct {
	name, path string
	size       int64 // bytes, unpacked
	messages   int
	users      int
	cids       []string // of all channels, the one with most messages first
	authors    []string // the 25 users who wrote most
}

// maxLine bounds a line of an import file.
const maxLine = 16 << 20

// examine reads an import file through once.
func examine(name, path string) (*chatFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReaderSize(f, 1<<20)
	var plain io.Reader = in
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if plain, err = gzip.NewReader(in); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	c := &chatFile{name: name, path: path}
	channels, authors := map[string]int{}, map[string]int{}
	lines := bufio.NewScanner(plain)
	lines.Buffer(make([]byte, 1<<20), maxLine)
	for n := 1; lines.Scan(); n++ {
		c.size += int64(len(lines.Bytes())) + 1
		if err := c.take(lines.Bytes(), channels, authors); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.messages == 0 || len(channels) == 0 {
		return nil, fmt.Errorf("%s: no messages in it", path)
	}
	c.cids = most(channels)
	c.authors = most(authors)
	c.authors = c.authors[:min(25, len(c.authors))]
	return c, nil
}

func (c *chatFile) take(line []byte, channels, authors map[string]int) error {
	var head struct {
		Type string
		Data struct {
			ID, Type    string
			ChannelType string `json:"channel_type"`
			ChannelID   string `json:"channel_id"`
			User        string
		}
	}
	if !bytes.Contains(line[:min(64, len(line))], []byte(`"reaction"`)) { // nothing to learn from these
		if err := json.Unmarshal(line, &head); err != nil {
			return err
		}
	}
	d := &head.Data
	switch head.Type {
	case "user":
		c.users++
	case "channel":
		if d.ID == "" {
			return errors.New("a channel without an id: channels by member_ids are not supported here")
		}
		channels[d.Type+":"+d.ID] += 0
	case "message":
		c.messages++
		channels[d.ChannelType+":"+d.ChannelID]++
		authors[d.User]++
	}
	return nil
}

// most gives the keys with the greatest counts first, the same every time.
func most(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
}
