package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/storetest/engine"

	"github.com/go-json-experiment/json/jsontext"
)

// split is an Out as exports have it: reactions apart from the rest.
type split struct{ rest, reactions format.Buffer }

func (s *split) To(section format.Section) *format.Buffer {
	if section == format.Reactions {
		return &s.reactions
	}
	return &s.rest
}

// FuzzFormats stores a chat of all kinds of things and holds its exports, v1, v2
// and of every user, against what encoding/json makes of the same.
func FuzzFormats(f *testing.F) {
	f.Add([]byte(nil), "", "")
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), "words <b>&</b> \"quoted\" \u2028 日本語 \x00 \\ \n end", `{"b":[1.50,2e400,null],"a<":"\u00e9\u2029"}`)
	f.Add([]byte{255, 1}, "👩‍👩‍👧 مرحبا \xff text", ` [ 1 , "x" ] `)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		choices := make([]byte, 500)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices, "a few <words>, \"quoted\" \\ \t日本語 \u2029 ", `{"b":[1.50,2e400],"a":123456789012345678901234567890}`)
	}
	s := engine.Open(f, nil)
	app := store.App{Name: "test", Key: "key", Secret: "secret"}
	if err := s.CreateApp(f.Context(), &app); err != nil {
		f.Fatal(err)
	}
	over := errors.New("nothing of this is to be kept")
	f.Fuzz(func(t *testing.T, choices []byte, words, value string) {
		talk := draw(choices, words, value)
		err := s.Update(t.Context(), app.ID, func(tx store.Tx) error {
			if err := talk.put(tx); err != nil {
				return err
			}
			if err := check(tx, talk); err != nil {
				return err
			}
			return over
		})
		if !errors.Is(err, over) {
			t.Fatal(err)
		}
	})
}

// check holds the exports of what a reader has against the reference.
func check(r store.Reader, talk *talk) error {
	row, err := r.Channel(talk.channel.CID())
	if err != nil {
		return err
	}
	newSource := func() *format.Source {
		return &format.Source{
			Reader: r, Render: render.New(r), Row: row, Since: talk.since, Until: talk.until, Hide: talk.hide,
			Counts: &format.Counts{}, Progress: func() error { return nil },
		}
	}
	for name, want := range map[string][]byte{"v1": talk.v1(), "v2": talk.v2()} {
		src := newSource()
		src.Render.Clear = talk.clear
		got, err := whole(layouts[name](), src)
		if err == nil {
			err = same(got, want)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if n := len(talk.exported()); src.Counts.Messages != int64(n) || src.Counts.Members != int64(len(talk.members)) {
			return fmt.Errorf("%s: counted %+v of %d messages and %d members", name, src.Counts, n, len(talk.members))
		}
	}
	for i := range talk.users {
		id := talk.users[i].ID
		key, err := r.UserKey(id)
		if err != nil {
			return err
		}
		var got bytes.Buffer
		b := format.Buffer{Sink: writeTo(&got)}
		err = errors.Join(format.User(newSource(), key, &b), b.FlushAll())
		if err == nil {
			err = same(got.Bytes(), talk.userLines(id))
		}
		if err != nil {
			return fmt.Errorf("export of %s: %w", id, err)
		}
	}
	return nil
}

// whole is the file that a format makes of one channel.
func whole(layout format.Format, src *format.Source) ([]byte, error) {
	var rest, reactions bytes.Buffer
	out := &split{format.Buffer{Sink: writeTo(&rest)}, format.Buffer{Sink: writeTo(&reactions)}}
	if err := layout.Begin(out); err != nil {
		return nil, err
	}
	for _, step := range layout.Steps() {
		if err := step(src, out); err != nil {
			return nil, err
		}
	}
	err := errors.Join(layout.End(out), out.rest.FlushAll(), out.reactions.FlushAll())
	return append(rest.Bytes(), reactions.Bytes()...), err
}

func writeTo(w *bytes.Buffer) func([]byte) error {
	return func(piece []byte) error {
		_, err := w.Write(piece)
		return err
	}
}

// same says where two files begin to differ.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	around := func(b []byte) []byte { return b[max(0, i-150):min(len(b), i+150)] }
	return fmt.Errorf("from byte %d on:\n got …%s…\nwant …%s…", i, around(got), around(want))
}

// put stores the chat, the way of bulk loads.
func (t *talk) put(tx store.Tx) error {
	for i := range t.users {
		if _, err := tx.PutUser(&t.users[i]); err != nil {
			return err
		}
	}
	if err := tx.PutSetting(store.ChannelTypePrefix+t.channel.Type, []byte(plainConfig)); err != nil {
		return err
	}
	key, err := tx.PutChannel(&t.channel)
	if err != nil {
		return err
	}
	for i := range t.members {
		if err := tx.PutMember(key, &t.members[i]); err != nil {
			return err
		}
	}
	if _, err := tx.InsertMessages(t.messages, false); err != nil {
		return err
	}
	if _, err := tx.InsertReactions(t.reactions, false); err != nil {
		return err
	}
	for i := range t.reads {
		if err := tx.PutRead(key, &t.reads[i]); err != nil {
			return err
		}
	}
	return nil
}

// chooser makes decisions out of bytes.
type chooser struct {
	choices []byte
	words   string
	value   chat.Raw // JSON, as decoding leaves it: compact and escaped
	i       int
}

// n is a number below limit.
func (c *chooser) n(limit int) int {
	if len(c.choices) == 0 {
		return 0
	}
	// Bytes that were used before give other numbers the next time.
	b := int(c.choices[c.i%len(c.choices)]) + 31*(c.i/len(c.choices))
	c.i++
	return b % limit
}

func (c *chooser) one(in int) bool { return c.n(in) == in-1 }

// text is a part of the words, as valid as what comes out of JSON.
func (c *chooser) text() string {
	from := c.n(len(c.words) + 1)
	to := from + c.n(len(c.words)-from+1)
	for from < len(c.words) && !utf8.RuneStart(c.words[from]) {
		from++
	}
	for to < len(c.words) && !utf8.RuneStart(c.words[to]) {
		to++
	}
	return c.words[min(from, to):to]
}

// time is one of a few, some of them with microseconds; or none.
func (c *chooser) time() chat.Time { return chat.Time(1e15 + c.n(9)*1_000_100 + c.n(2)*7) }

func (c *chooser) maybe() chat.Time {
	if c.one(3) {
		return c.time()
	}
	return 0
}

func (c *chooser) custom() (all chat.Custom) {
	for range c.n(3) {
		value := c.value
		if c.one(2) {
			value = chat.Raw(encode(c.text()))
		}
		all = append(all, chat.CustomField{Name: "x" + c.text(), Value: value})
	}
	// Decoding gives them in this order, each once.
	slices.SortFunc(all, func(a, b chat.CustomField) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b chat.CustomField) bool { return a.Name == b.Name })
}

// draw makes a chat up.
func draw(choices []byte, words, value string) *talk {
	c := &chooser{choices: choices, words: strings.ToValidUTF8(words[:min(len(words), 300)], "\ufffd"), value: chat.Raw("null")}
	if jsontext.Value(value).IsValid() { // as decoding is: no name twice, all of it UTF-8
		c.value = chat.Raw(encode(raw(value)))
	}
	t := &talk{since: c.maybe(), until: c.maybe(), hide: c.maybe(), clear: c.one(2)}
	if t.until < t.since {
		t.until = 0
	}
	for i := range 1 + c.n(4) {
		u := chat.User{
			ID: fmt.Sprint("user-", i), Role: "user", Name: c.text(), Image: c.text(), Language: c.text(), Banned: c.one(3), Invisible: c.one(3),
			CreatedAt: c.time(), UpdatedAt: c.time(), LastActive: c.maybe(), DeactivatedAt: c.maybe(), DeletedAt: c.maybe(), Custom: c.custom(),
		}
		if c.one(3) {
			u.Teams = []string{c.text(), "red"}
		}
		if i > 0 && c.one(5) {
			u = chat.User{ID: u.ID, DeletedAt: c.time()}
		}
		t.users = append(t.users, u)
	}
	t.channel = chat.Channel{
		Type: "messaging", ID: "one", CreatedBy: c.user(t), CreatedAt: c.time(), UpdatedAt: c.time(), DeletedAt: c.maybe(), TruncatedAt: c.maybe(),
		LastMessageAt: c.maybe(), Frozen: c.one(2), Disabled: c.one(2), Team: c.text(), Cooldown: c.n(3), Custom: c.custom(),
	}
	if c.one(3) {
		t.channel.TruncatedBy = c.user(t)
	}
	for i := range t.users {
		if c.one(2) {
			t.members = append(t.members, chat.Member{
				UserID: t.users[i].ID, Status: c.text(), ChannelRole: "channel_member", CreatedAt: c.time(), UpdatedAt: c.time(), Banned: c.one(2),
				ShadowBanned: c.one(2), Invited: c.one(2), NotificationsMuted: c.one(2), ArchivedAt: c.maybe(), PinnedAt: c.maybe(),
				InviteAcceptedAt: c.maybe(), InviteRejectedAt: c.maybe(), Custom: c.custom(),
			})
		}
		if c.one(2) {
			t.reads = append(t.reads, chat.Read{UserID: t.users[i].ID, LastRead: c.time(), LastReadMessageID: c.message(), Unread: c.n(3)})
		}
	}
	for i := range c.n(messageIDs) {
		t.messages = append(t.messages, c.drawMessage(t, i))
	}
	c.drawReactions(t)
	return t
}

// messageIDs is how many ids there are to refer to; not all of them are there.
const messageIDs = 9

func (c *chooser) message() string {
	if c.one(3) {
		return fmt.Sprint("message-", c.n(messageIDs))
	}
	return ""
}

func (c *chooser) user(t *talk) string { return t.users[c.n(len(t.users))].ID }

func (c *chooser) drawMessage(t *talk, i int) chat.Message {
	m := chat.Message{
		ID: fmt.Sprint("message-", i), CID: t.channel.CID(), UserID: c.user(t), Type: chat.Regular, Text: c.text(), HTML: c.text(), MML: c.text(),
		Command: c.text(), ParentID: c.message(), QuotedMessageID: c.message(), Silent: c.one(2), Shadowed: c.one(2), CreatedAt: c.time(), UpdatedAt: c.time(),
		DeletedAt: c.maybe(), TextUpdatedAt: c.maybe(), Custom: c.custom(),
	}
	if m.ParentID == m.ID {
		m.ParentID = ""
	}
	if m.ParentID != "" {
		m.Type, m.ShowInChannel = chat.Reply, c.one(2)
	}
	if c.one(3) {
		m.Attachments = chat.Raw(encode([]raw{raw(c.value), encode(c.text())}))
	}
	if c.one(3) {
		m.I18n = chat.Raw(encode(map[string]string{"en_text": c.text(), "language": "fr"}))
	}
	for range c.n(3) {
		m.MentionedUsers = append(m.MentionedUsers, c.user(t))
	}
	if c.one(4) {
		m.RestrictedVisibility = []string{c.user(t), "nobody"}
	}
	if c.one(3) {
		m.Pinned, m.PinnedAt, m.PinExpires = true, c.maybe(), c.maybe()
		if c.one(2) {
			m.PinnedBy = c.user(t)
		}
	}
	return m
}

func (c *chooser) drawReactions(t *talk) {
	for range c.n(8) {
		if len(t.messages) == 0 {
			return
		}
		r := chat.Reaction{
			MessageID: t.messages[c.n(len(t.messages))].ID, UserID: c.user(t), Type: []string{"like", "❤", "a<b"}[c.n(3)], Score: c.n(5),
			CreatedAt: c.time(), UpdatedAt: c.time(), Custom: c.custom(),
		}
		if !slices.ContainsFunc(t.reactions, func(o chat.Reaction) bool {
			return o.MessageID == r.MessageID && o.UserID == r.UserID && o.Type == r.Type
		}) {
			t.reactions = append(t.reactions, r)
		}
	}
}
