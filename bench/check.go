package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// digest is of the messages in an output: the same for the same ids and texts
// in any order.
type digest struct {
	messages int
	sum      uint64
}

func (d *digest) add(id, text string) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id+"\x00"+text) // a hash; never fails
	d.messages++
	d.sum += h.Sum64()
}

// check holds what a measure has written, the first time it is taken, against
// what the first one had: the same messages are to be in it.
func (b *bench) check(ctx context.Context, name, path string) error {
	if _, ok := b.sums[name]; ok || name == exportUsers && b.chat.name != byFew {
		return nil
	}
	d, err := digestOf(ctx, path, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if d.messages != b.chat.messages {
		return fmt.Errorf("%s: %d messages are in its output, and not %d", name, d.messages, b.chat.messages)
	}
	for other, sum := range b.sums {
		if sum != d {
			return fmt.Errorf("its messages are not those of: %s", other)
		}
	}
	if b.sums == nil {
		b.sums = map[string]digest{}
	}
	b.sums[name] = d
	return nil
}

// digestOf reads the output of a measure.
func digestOf(ctx context.Context, path, name string) (d digest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := bufio.NewReaderSize(f, 1<<20)
	var plain io.Reader = in
	switch magic, _ := in.Peek(4); {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		if plain, err = gzip.NewReader(in); err != nil {
			return d, err
		}
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in)
		if err != nil {
			return d, err
		}
		defer z.Close()
		plain = z
	}
	if name == exportV1 {
		return d, d.array(ctx, plain)
	}
	return d, d.lines(ctx, plain, strings.HasPrefix(name, "psql"))
}

// lines reads JSON lines: messages as they are, or of v2. In a text of COPY
// backslashes are doubled; an array with an element a line will do too.
func (d *digest) lines(ctx context.Context, r io.Reader, copied bool) error {
	type fields struct{ ID, Text string }
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<20), maxLine)
	for lines.Scan() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		line := lines.Bytes()
		if copied {
			line = bytes.ReplaceAll(line, []byte(`\\`), []byte(`\`))
		}
		line = bytes.TrimRight(bytes.TrimPrefix(line, []byte("[")), ",]")
		if bytes.HasPrefix(line, []byte(`{"type":"`)) {
			var l struct{ Data fields }
			if !bytes.HasPrefix(line, []byte(`{"type":"message"`)) {
				continue
			}
			if err := json.Unmarshal(line, &l); err != nil {
				return err
			}
			d.add(l.Data.ID, l.Data.Text)
			continue
		}
		var m fields
		if err := json.Unmarshal(line, &m); err != nil {
			return err
		}
		d.add(m.ID, m.Text)
	}
	return lines.Err()
}

// array reads a v1 file.
func (d *digest) array(ctx context.Context, r io.Reader) error {
	in := json.NewDecoder(r)
	for depth, key := 0, ""; ; {
		t, err := in.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case json.Delim:
			if depth == 2 && key == "messages" && t == '[' {
				if err := d.messagesOf(ctx, in); err != nil {
					return err
				}
				continue
			}
			depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[t]
		case string:
			if depth == 2 {
				key = t
			}
		}
	}
}

func (d *digest) messagesOf(ctx context.Context, in *json.Decoder) error {
	for in.More() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var m struct{ ID, Text string }
		if err := in.Decode(&m); err != nil {
			return err
		}
		d.add(m.ID, m.Text)
	}
	_, err := in.Token()
	return err
}
