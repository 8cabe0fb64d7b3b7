package harness

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Chat is a made-up chat of any size, always the same for the same numbers.
type Chat struct {
	Users    int
	Channels int
	Messages int // in all; the first channel has half of them
	Text     int // bytes of text in a message, about
}

// CIDs are those of the channels.
func (c Chat) CIDs() []string {
	cids := make([]string, c.Channels)
	for i := range cids {
		cids[i] = fmt.Sprintf("messaging:room-%d", i)
	}
	return cids
}

// UserID is the id of the i-th user.
func (Chat) UserID(i int) string { return fmt.Sprintf("user-%d", i) }

var words = []string{"tide", "mast", "swell", "buoy", "drift", "rope", "gale", "harbour", "signal", "anchor", "\\\"quay\\\"", "søm", "波", "🌊", "<b>", "&"}

// Write writes the chat as an import file: threads, mentions, reactions and
// custom fields included.
func (c Chat) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	rnd := rand.New(rand.NewPCG(uint64(c.Messages), uint64(c.Channels)))
	start := time.Date(2024, 1, 1, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return start.Add(d).Format(time.RFC3339Nano) }
	for i := range c.Users {
		fmt.Fprintf(out, `{"type":"user","data":{"id":"user-%d","name":"User %d","role":"user","created_at":%q,"badge":%d}}`+"\n", i, i, at(0), i*7919)
	}
	for i := range c.Channels {
		fmt.Fprintf(out, `{"type":"channel","data":{"type":"messaging","id":"room-%d","created_by":"user-0","created_at":%q,"name":"Room %d"}}`+"\n", i, at(time.Second), i)
	}
	for i := range c.Channels {
		for u := range min(c.Users, 20) {
			fmt.Fprintf(out, `{"type":"member","data":{"channel_type":"messaging","channel_id":"room-%d","user_id":"user-%d","created_at":%q}}`+"\n", i, u, at(2*time.Second))
		}
	}
	text := make([]byte, 0, c.Text+32)
	for i := range c.Messages {
		room := 0
		if c.Channels > 1 && i%2 == 1 {
			room = 1 + i/2%(c.Channels-1)
		}
		for text = text[:0]; len(text) < c.Text; text = append(text, ' ') {
			text = append(text, words[rnd.IntN(len(words))]...)
		}
		typ, extra := "regular", ""
		switch i % 10 {
		case 3:
			extra = fmt.Sprintf(`,"mentioned_users":["user-%d"]`, rnd.IntN(c.Users))
		case 5:
			extra = fmt.Sprintf(`,"weight":%d.50,"origin":{"port":%d}`, i, i%65536)
		case 7: // the message before it in the same room, unless that is a reply itself
			if parent := i - 2*(c.Channels-1); room > 0 && parent > 0 && parent%10 != 7 {
				typ, extra = "reply", fmt.Sprintf(`,"parent_id":"m-%d"`, parent)
			}
		}
		fmt.Fprintf(out, `{"type":"message","data":{"id":"m-%d","channel_type":"messaging","channel_id":"room-%d","user":"user-%d","type":%q,"text":"%s","created_at":%q%s}}`+"\n",
			i, room, rnd.IntN(c.Users), typ, text, at(time.Minute+time.Duration(i)*time.Second), extra)
	}
	for i := 0; i < c.Messages; i += 20 {
		for u := range 1 + i%3 {
			fmt.Fprintf(out, `{"type":"reaction","data":{"message_id":"m-%d","user_id":"user-%d","type":"wave","created_at":%q}}`+"\n",
				i, u, at(time.Hour+time.Duration(i)*time.Second))
		}
	}
	return out.Flush()
}
