package live_test

import (
	"fmt"
	"testing"
	"time"

	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// talk makes the messages m0 … m9, a minute apart; r0 and r1 are replies to m4,
// sent at the same time as m5 and m6, and only r1 shows in the channel.
func talk(t *testing.T) *fixture {
	f := peopled(t)
	send := f.send("messaging:general")
	for i := range 10 {
		f.must(send, fmt.Sprintf(`{"message":{"id":"m%d","text":"%d","user_id":"bob"}}`, i, i))
		if i == 5 || i == 6 {
			f.must(send, fmt.Sprintf(`{"message":{"id":"r%d","text":"re","user_id":"ann","parent_id":"m4","show_in_channel":%v}}`, i-5, i == 6))
		}
		f.pass(time.Minute)
	}
	return f
}

func TestMessagePages(t *testing.T) {
	t.Parallel()
	f := talk(t)
	f.must(f.query("messaging:other"), `{"data":{"created_by_id":"ann"}}`)
	f.must(f.send("messaging:other"), `{"message":{"id":"elsewhere","text":"x","user_id":"bob"}}`)
	at := func(minute int) string { return fmt.Sprintf(`"2026-03-01T12:%02d:00Z"`, minute) }
	for _, tt := range []struct{ page, want string }{
		{`{}`, "m0 m1 m2 m3 m4 m5 m6 r1 m7 m8 m9"},
		{`{"limit":0}`, ""},
		{`{"limit":3}`, "m7 m8 m9"},
		{`{"limit":3,"offset":2}`, "m6 r1 m7"},
		{`{"limit":3,"offset":10}`, "m0"},
		{`{"limit":3,"offset":1000}`, ""},
		{`{"limit":3,"id_lt":"m9"}`, "r1 m7 m8"},
		{`{"limit":3,"id_lte":"m9"}`, "m7 m8 m9"},
		{`{"limit":3,"id_lt":"r1"}`, "m4 m5 m6"},
		{`{"limit":3,"id_lt":"r0"}`, "m3 m4 m5"},
		{`{"limit":3,"id_lt":"m0"}`, ""},
		{`{"limit":3,"id_lte":"m0"}`, "m0"},
		{`{"limit":3,"id_gt":"m0"}`, "m1 m2 m3"},
		{`{"limit":3,"id_gte":"m0"}`, "m0 m1 m2"},
		{`{"limit":3,"id_gt":"r0"}`, "m6 r1 m7"},
		{`{"limit":3,"id_gte":"r1"}`, "r1 m7 m8"},
		{`{"limit":3,"id_gt":"m9"}`, ""},
		{`{"limit":3,"id_gt":"m0","offset":2}`, "m3 m4 m5"},
		{`{"limit":3,"id_gt":"m2","id_lt":"m8"}`, "m6 r1 m7"},
		{`{"limit":30,"id_gt":"m2","id_lt":"m5"}`, "m3 m4"},
		{`{"limit":30,"id_gt":"m5","id_lt":"m5"}`, ""},
		{`{"limit":30,"id_gte":"m5","id_lte":"m5"}`, "m5"},
		{`{"limit":3,"created_at_before":` + at(3) + `}`, "m0 m1 m2"},
		{`{"limit":3,"created_at_before_or_equal":` + at(3) + `}`, "m1 m2 m3"},
		{`{"limit":2,"created_at_after":` + at(3) + `}`, "m4 m5"},
		{`{"limit":2,"created_at_after_or_equal":` + at(3) + `}`, "m3 m4"},
		{`{"created_at_after":` + at(3) + `,"created_at_before":` + at(6) + `,"limit":9}`, "m4 m5"},
		{`{"created_at_after":` + at(3) + `,"id_lt":"m5","limit":9}`, "m4"},
		{`{"limit":4,"id_around":"m4"}`, "m2 m3 m4 m5"},
		{`{"limit":5,"id_around":"m4"}`, "m2 m3 m4 m5 m6"},
		{`{"limit":5,"id_around":"m0"}`, "m0 m1 m2 m3 m4"},
		{`{"limit":5,"id_around":"m9"}`, "m6 r1 m7 m8 m9"},
		{`{"limit":1,"id_around":"m4"}`, "m4"},
		{`{"limit":4,"created_at_around":` + at(4) + `}`, "m2 m3 m4 m5"},
		{`{"limit":4,"created_at_around":1772366640500000000}`, "m3 m4 m5 m6"},
		{`{"limit":4,"created_at_around":"2001-01-01T00:00:00Z"}`, "m0 m1 m2 m3"},
		{`{"limit":30,"id_around":"m4"}`, "m0 m1 m2 m3 m4 m5 m6 r1 m7 m8 m9"},
	} {
		v := f.must(f.query("messaging:general"), `{"state":true,"messages":`+tt.page+`}`)
		got := ""
		for _, id := range each(get(v, "messages"), "id") {
			got += fmt.Sprint(" ", id)
		}
		want := tt.want
		if want != "" {
			want = " " + want
		}
		if got != want {
			t.Errorf("%s:%s, want%s", tt.page, got, want)
		}
	}
	for _, page := range []string{`{"id_lt":"nothing"}`, `{"id_gt":"elsewhere"}`, `{"id_around":"nothing"}`} {
		f.refused(f.query("messaging:general"), `{"state":true,"messages":`+page+`}`, wire.CodeBadInput, "messages.id_", "not in the channel")
	}
}

func TestStateShowsWhatIsThere(t *testing.T) {
	t.Parallel()
	f := talk(t)
	general := f.query("messaging:general")
	f.put(func(tx store.Tx) error {
		bob, err := tx.UserKey("bob")
		if err != nil {
			return err
		}
		return tx.PutMark(&store.Mark{Kind: store.DeletedForMe, User: bob, Subject: "m7", At: 1})
	})
	f.deleteMessage("m8")
	v := f.must(general, `{"state":true,"messages":{"limit":3}}`)
	f.want(each(get(v, "messages"), "id"), []any{"m7", "m8", "m9"})
	f.want(each(get(v, "messages"), "type"), []any{"regular", "deleted", "regular"})
	v = f.must(general, `{"state":true,"messages":{"limit":3},"user":{"id":"bob"}}`)
	f.want(each(get(v, "messages"), "id"), []any{"r1", "m8", "m9"})
	f.want(v, "bob", "membership", "user_id")
	f.want(each(get(v, "read"), "user", "id"), []any{"ann", "bob"})

	// A user's history begins where it was cleared.
	f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"member_ids":["bob"],"truncated_at":"2026-03-01T12:08:00Z"}`)
	v = f.must(general, `{"state":true,"user_id":"bob"}`)
	f.want(each(get(v, "messages"), "id"), []any{"m8", "m9"})
	f.want(v, "2026-03-01T12:08:00Z", "hide_messages_before")
	f.want(v, "2026-03-01T12:08:00Z", "channel", "hide_messages_before")
	f.refused(general, `{"state":true,"user_id":"bob","messages":{"id_gt":"m7"}}`, wire.CodeBadInput, "messages.id_gt")

	// What is truncated is for nobody.
	f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"truncated_at":"2026-03-01T12:09:00Z"}`)
	v = f.must(general, `{"state":true,"messages":{"created_at_after":"2001-01-01T00:00:00Z"}}`)
	f.want(each(get(v, "messages"), "id"), []any{"m9"})
	f.refused(general, `{"state":true,"messages":{"id_lte":"m8"}}`, wire.CodeBadInput, "messages.id_lte")
	f.must(f.send("messaging:general"), `{"message":{"id":"q","text":"q","user_id":"ann","quoted_message_id":"m9"}}`)
	v = f.must(general, `{"state":true}`)
	f.want(v, "m9", "messages", 1, "quoted_message", "id")
	f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"truncated_at":"2026-03-01T12:10:00Z"}`)
	v = f.must(general, `{"state":true}`)
	f.want(v, "q", "messages", 0, "id")
	f.want(v, nil, "messages", 0, "quoted_message")
}

func (f *fixture) deleteMessage(id string) {
	f.t.Helper()
	f.put(func(tx store.Tx) error {
		row, err := tx.Message(id)
		if err != nil {
			return err
		}
		object, err := render.New(tx).Message(nil, &row)
		if err != nil {
			return err
		}
		m, err := wire.DecodeMessage(object, nil)
		if err != nil {
			return err
		}
		m.DeletedAt = m.CreatedAt + 1
		return tx.PutMessage(&m)
	})
}

func TestPinnedMessages(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	send := f.send("messaging:general")
	for i := range 13 {
		f.must(send, fmt.Sprintf(`{"message":{"id":"p%02d","text":"x","user_id":"bob","pinned":true}}`, i))
	}
	f.must(send, `{"message":{"id":"short","text":"x","user_id":"bob","pinned":true,"pin_expires":"2026-03-01T12:05:00Z"}}`)
	f.must(send, `{"message":{"id":"plain","text":"x","user_id":"bob"}}`)
	f.must(send, `{"message":{"id":"reply","text":"x","user_id":"bob","parent_id":"p00","pinned":true}}`)
	pinned := func(body string) []any {
		return each(get(f.must(f.query("messaging:general"), body), "pinned_messages"), "id")
	}
	want := []any{"reply", "short", "p12", "p11", "p10", "p09", "p08", "p07", "p06", "p05"}
	if diff := cmp.Diff(want, pinned(`{"state":true}`)); diff != "" {
		t.Error(diff)
	}
	f.want(pinned(`{"state":false}`), []any{})
	f.deleteMessage("p12")
	f.pass(5 * time.Minute)
	want = []any{"reply", "p11", "p10", "p09", "p08", "p07", "p06", "p05", "p04", "p03"}
	if diff := cmp.Diff(want, pinned(`{"state":true}`)); diff != "" {
		t.Error(diff)
	}
	f.must(f.channel("messaging:general", f.live.TruncateChannel), ``)
	f.want(pinned(`{"state":true}`), []any{})
}

// TestManyReads has more read states than are shown: a user's own is shown all
// the same.
func TestManyReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 2 {
		users := ""
		for j := range 60 {
			users += fmt.Sprintf(`,"u%d-%d":{"id":"u%[1]d-%[2]d"}`, i, j)
		}
		f.must(f.users, `{"users":{`+users[1:]+`}}`)
	}
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"u0-0"}}`)
	for i := range 2 {
		list := ""
		for j := range 60 {
			list += fmt.Sprintf(`,"u%d-%d"`, i, j)
		}
		f.must(f.channel("messaging:general", f.live.UpdateChannel), `{"add_members":[`+list[1:]+`]}`)
		for j := range 60 {
			f.must(f.channel("messaging:general", f.live.MarkRead), fmt.Sprintf(`{"user_id":"u%d-%d"}`, i, j))
		}
	}
	v := f.must(f.query("messaging:general"), `{"user_id":"u1-9"}`)
	reads := each(get(v, "read"), "user", "id")
	if len(reads) != 101 || reads[100] != "u1-9" {
		t.Errorf("%d read states, the last of %v", len(reads), reads[len(reads)-1])
	}
	f.want(v, 120.0, "channel", "member_count")
	if members, _ := get(v, "members").([]any); len(members) != 100 {
		t.Errorf("%d members", len(members))
	}
}
