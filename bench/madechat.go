package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// madeVersion is raised when the same number of messages no longer gives the
// same bytes.
const madeVersion = 1

// channels is how many channels a made chat has; the k-th of them gets 1/k as
// many messages as the first.
const channels = 20

// madeChat makes the chat with n messages in dir, unless it is there, and
// returns its path.
func madeChat(ctx context.Context, dir string, n int) (path string, err error) {
	return madeBy(ctx, dir, n, 0)
}

// A chat of few people, for exports of users: each has written as much as one
// export takes of a user.
const (
	byFew      = "made, of 25 users"
	fewAuthors = 25
	eachWrites = 10_000
)

// madeBy is madeChat; with few > 0 the chat is written by that many users, as
// much by each.
func madeBy(ctx context.Context, dir string, n, few int) (path string, err error) {
	name := fmt.Sprintf("made-v%d-%d", madeVersion, n)
	if few > 0 {
		name += fmt.Sprintf("-by-%d", few)
	}
	path = filepath.Join(dir, name+".jsonl")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	say("making a chat of %s messages", grouped(float64(n)))
	f, err := os.CreateTemp(dir, "made-*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := writeChatBy(ctx, w, n, few); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

// maker writes a chat. Everything about message i is drawn from a generator
// seeded with i, so that its reactions, which stand at the end of the file, can
// be drawn again without keeping anything of it.
type maker struct {
	n, users int
	few      int // of them write; 0 = all do
	out      *json.Encoder
	pcg      rand.PCG
	rnd      *rand.Rand
	share    [channels]float64 // of the messages, summed up
	recent   [channels]ring    // what can be answered to
	text     bytes.Buffer
}

// ring holds the ids of the last messages of a channel.
type ring struct {
	ids   [64]int
	count int
}

func (r *ring) add(i int) {
	r.ids[r.count%len(r.ids)] = i
	r.count++
}

func (r *ring) pick(rnd *rand.Rand) int { return r.ids[rnd.IntN(min(r.count, len(r.ids)))] }

// writeChat writes the chat with n messages in Stream's import format.
func writeChat(ctx context.Context, w io.Writer, n int) error { return writeChatBy(ctx, w, n, 0) }

func writeChatBy(ctx context.Context, w io.Writer, n, few int) error {
	m := newMaker(n, min(max(n/50, 200), 20_000))
	m.few = few
	m.out = json.NewEncoder(w)
	if err := errors.Join(m.writeUsers(), m.writeChannels(), m.writeMembers()); err != nil {
		return err
	}
	for _, write := range []func(i int) error{m.writeMessage, m.writeReactions} {
		for i := range n {
			if i%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := write(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func newMaker(n, users int) *maker {
	m := &maker{n: n, users: users}
	m.rnd = rand.New(&m.pcg)
	sum := 0.0
	for k := range m.share {
		sum += 1 / float64(k+1)
		m.share[k] = sum
	}
	for k := range m.share {
		m.share[k] /= sum
	}
	return m
}

// draw starts the random numbers of thing i of a kind.
func (m *maker) draw(kind uint64, i int) *rand.Rand {
	m.pcg.Seed(kind, uint64(i))
	return m.rnd
}

const (
	aUser uint64 = iota + 1
	aMessage
	aReaction
	aLive
)

type object = map[string]any

func (m *maker) line(kind string, data any) error {
	return m.out.Encode(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{kind, data})
}

func (m *maker) writeUsers() error {
	for i := range m.users {
		r := m.draw(aUser, i)
		u := object{
			"id": userID(i), "name": names[r.IntN(len(names))] + " " + surnames[r.IntN(len(surnames))],
			"image": fmt.Sprintf("https://img.example.com/avatars/%08x.jpg", r.Uint32()), "role": "user",
			"created_at": stamp(i - m.users), "language": []string{"en", "de", "fr", "he", "ja"}[r.IntN(5)],
			"title": words[r.IntN(len(words))], "time_zone": "Europe/Lisbon",
		}
		if r.IntN(4) == 0 {
			u["teams"] = []string{"red", "blue"}[:1+r.IntN(2)]
		}
		if err := m.line("user", u); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) writeChannels() error {
	for k := range channels {
		c := object{
			"type": "messaging", "id": channelID(k), "created_by": userID(k), "name": words[k] + " " + words[k+20],
			"created_at": stamp(k), "topic": awkward[k%len(awkward)], "budget": json.RawMessage("2.50"),
		}
		if err := m.line("channel", c); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) writeMembers() error {
	for k := range channels {
		for i := range min(m.users/4, 200) {
			d := object{"channel_type": "messaging", "channel_id": channelID(k), "user_id": userID(i), "created_at": stamp(m.when(i))}
			if i%2 == 0 {
				d["last_read"] = stamp(m.when(m.n * (i + 1) / 201))
			}
			if err := m.line("member", d); err != nil {
				return err
			}
		}
	}
	return nil
}

// when is the time of message i: four years are filled evenly.
func (m *maker) when(i int) int { return 1000 + int(float64(i)*4*365*86400/float64(m.n)) }

func stamp(second int) string {
	return time.Date(2020, 1, 1, 0, 0, second, second%997*1000, time.UTC).Format(time.RFC3339Nano)
}

func userID(i int) string    { return fmt.Sprintf("user-%05d", i) }
func channelID(k int) string { return fmt.Sprintf("room-%02d", k) }
func messageID(i int) string { return fmt.Sprintf("message-%08d-7f3a", i) }

func (m *maker) author(r *rand.Rand) string { return userID(m.anybody(r)) }

// anybody draws a user; the first ones write most.
func (m *maker) anybody(r *rand.Rand) int { return int(math.Pow(r.Float64(), 2) * float64(m.users)) }

func (m *maker) channel(r *rand.Rand) int {
	x := r.Float64()
	for k, s := range m.share {
		if x < s {
			return k
		}
	}
	return channels - 1
}

// message has its fields in a struct, and not in a map as what is written
// seldom, for speed.
type message struct {
	ID          string          `json:"id"`
	ChannelType string          `json:"channel_type"`
	ChannelID   string          `json:"channel_id"`
	User        string          `json:"user"`
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at,omitempty"`
	DeletedAt   string          `json:"deleted_at,omitempty"`
	ParentID    string          `json:"parent_id,omitempty"`
	ShowInChan  bool            `json:"show_in_channel,omitempty"`
	QuotedID    string          `json:"quoted_message_id,omitempty"`
	Mentioned   []string        `json:"mentioned_users_ids,omitempty"`
	Attachments []object        `json:"attachments,omitempty"`
	Priority    json.RawMessage `json:"priority,omitempty"`
	Labels      []string        `json:"labels,omitempty"`
	Origin      object          `json:"origin,omitempty"`
}

func (m *maker) writeMessage(i int) error {
	r := m.draw(aMessage, i)
	k := m.channel(r)
	at := m.when(i)
	d := message{
		ID: messageID(i), ChannelType: "messaging", ChannelID: channelID(k), User: m.author(r), Type: "regular",
		Text: m.sentence(r), CreatedAt: stamp(at),
	}
	if m.few > 0 {
		d.User = userID(i % m.few)
	}
	recent := &m.recent[k]
	switch p := r.IntN(100); {
	case p < 15 && recent.count > 0:
		d.Type, d.ParentID, d.ShowInChan = "reply", messageID(recent.pick(r)), p == 0
	case p < 17:
		d.Type = "system"
		recent.add(i)
	case p < 20 && recent.count > 0:
		d.QuotedID = messageID(recent.pick(r))
		recent.add(i)
	default:
		recent.add(i)
	}
	if r.IntN(10) == 0 {
		d.Mentioned = []string{m.author(r)}
	}
	if r.IntN(12) == 0 {
		d.Attachments = image(r)
	}
	if r.IntN(5) == 0 {
		d.Priority, d.Labels = json.RawMessage("12345678901234567890"), []string{words[r.IntN(len(words))], "made"}
		d.Origin = object{"client": "web", "build": r.IntN(9999), "beta": r.IntN(2) == 0}
	}
	if r.IntN(30) == 0 {
		d.UpdatedAt = stamp(at + 60 + r.IntN(3600))
	}
	if r.IntN(100) == 0 {
		d.DeletedAt = stamp(at + 4000)
	}
	return m.line("message", d)
}

func image(r *rand.Rand) []object {
	return []object{{
		"type": "image", "title": words[r.IntN(len(words))] + ".jpg", "image_url": fmt.Sprintf("https://cdn.example.com/i/%016x.jpg", r.Uint64()),
		"file_size": r.IntN(5_000_000), "original_width": 1600, "original_height": 1200,
	}}
}

func (m *maker) sentence(r *rand.Rand) string {
	m.text.Reset()
	for range 4 + r.IntN(28) {
		m.text.WriteString(words[r.IntN(len(words))])
		m.text.WriteByte(' ')
	}
	if r.IntN(25) == 0 {
		m.text.WriteString(awkward[r.IntN(len(awkward))])
	}
	return m.text.String()
}

func (m *maker) writeReactions(i int) error {
	r := m.draw(aReaction, i)
	if r.IntN(8) != 0 {
		return nil
	}
	first := r.IntN(m.users)
	for j := range 1 + r.IntN(3) {
		d := object{
			"message_id": messageID(i), "user_id": userID((first + j) % m.users), "type": reactions[r.IntN(len(reactions))],
			"score": 1, "created_at": stamp(m.when(i) + 30 + r.IntN(600)),
		}
		if err := m.line("reaction", d); err != nil {
			return err
		}
	}
	return nil
}
