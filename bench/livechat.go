package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

const (
	// clients is how many send messages at the same time.
	clients = 16
	// writers is how many users they send them for, all of them members of
	// every channel: as many as one request may add.
	writers = 100
	// maxWrites bounds how many messages they send: all are made beforehand.
	maxWrites = 1_000_000
)

func writerID(i int) string    { return fmt.Sprintf("writer-%03d", i) }
func liveChannel(k int) string { return fmt.Sprintf("live-%02d", k) }

// outgoing is a message that is ready to be sent.
type outgoing struct {
	id      string
	channel int
	body    []byte
}

// newMessage has what applications usually send of a message.
type newMessage struct {
	ID          string          `json:"id"`
	Text        string          `json:"text"`
	UserID      string          `json:"user_id"`
	ParentID    string          `json:"parent_id,omitempty"`
	ShowInChan  bool            `json:"show_in_channel,omitempty"`
	QuotedID    string          `json:"quoted_message_id,omitempty"`
	Mentioned   []string        `json:"mentioned_users,omitempty"`
	Attachments []object        `json:"attachments,omitempty"`
	Priority    json.RawMessage `json:"priority,omitempty"`
	Labels      []string        `json:"labels,omitempty"`
	Origin      object          `json:"origin,omitempty"`
}

// liveMessages makes n messages and deals them out to the clients; n alone
// determines every byte. Messages answer and quote only earlier ones of the
// same client, which are known to be there by then.
func liveMessages(n int) ([][]outgoing, error) {
	m := newMaker(n, writers)
	dealt := make([][]outgoing, clients)
	for c := range dealt {
		m.recent = [channels]ring{}
		mine := make([]outgoing, 0, n/clients+1)
		for i := c; i < n; i += clients {
			r := m.draw(aLive, i)
			k := m.channel(r)
			d := newMessage{
				// Clients make ids up at random, which is also what is hardest on
				// an index.
				ID:   fmt.Sprintf("%016x-%016x", r.Uint64(), r.Uint64()),
				Text: m.sentence(r), UserID: writerID(m.anybody(r)),
			}
			m.embellish(r, &d, &m.recent[k], mine)
			if d.Text == "" {
				d.Text = words[r.IntN(len(words))]
			}
			body, err := json.Marshal(struct {
				Message newMessage `json:"message"`
			}{d})
			if err != nil {
				return nil, fmt.Errorf("encoding a message: %w", err)
			}
			mine = append(mine, outgoing{id: d.ID, channel: k, body: body})
		}
		dealt[c] = mine
	}
	return dealt, nil
}

// embellish gives a message what some have besides text, as often as in a made
// chat. It will be the one after those in mine; recent holds what of those is
// in the same channel and no reply.
func (m *maker) embellish(r *rand.Rand, d *newMessage, recent *ring, mine []outgoing) {
	switch p := r.IntN(100); {
	case p < 15 && recent.count > 0:
		d.ParentID, d.ShowInChan = mine[recent.pick(r)].id, p == 0
	case p < 18 && recent.count > 0:
		d.QuotedID = mine[recent.pick(r)].id
		recent.add(len(mine))
	default:
		recent.add(len(mine))
	}
	if r.IntN(10) == 0 {
		d.Mentioned = []string{writerID(m.anybody(r))}
	}
	if r.IntN(12) == 0 {
		d.Attachments = image(r)
	}
	if r.IntN(5) == 0 {
		d.Priority, d.Labels = json.RawMessage("12345678901234567890"), []string{words[r.IntN(len(words))], "made"}
		d.Origin = object{"client": "web", "build": r.IntN(9999), "beta": r.IntN(2) == 0}
	}
}

// setUp is how the users and channels of live messages are made: paths and
// bodies.
func setUp() ([][2]string, error) {
	users, members := object{}, make([]string, writers)
	for i := range writers {
		id := writerID(i)
		members[i] = id
		users[id] = object{"id": id, "name": names[i%len(names)] + " " + surnames[i/len(names)], "title": words[i]}
	}
	var calls [][2]string
	add := func(path string, body object) error {
		b, err := json.Marshal(body)
		calls = append(calls, [2]string{path, string(b)})
		return err
	}
	if err := add("/users", object{"users": users}); err != nil {
		return nil, err
	}
	for k := range channels {
		data := object{"created_by_id": writerID(k), "members": members, "name": words[k] + " " + words[k+20]}
		if err := add("/channels/messaging/"+liveChannel(k)+"/query", object{"data": data}); err != nil {
			return nil, err
		}
	}
	return calls, nil
}
