package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/task"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// player makes random calls on one app and lets the model follow. What the
// model says of a call (taken or refused) must be what the server does.
type player struct {
	failer
	draw    func(name string, n int) int // a number below n
	r       *rig
	m       *model
	app     store.App
	prefix  string // of all its ids
	v2      bool
	real    bool // times are the server's own, and not compared
	message int
}

type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

const (
	taken   = true
	refused = false
)

// call makes a request at an instant of its own, which it returns.
func (p *player) call(ok bool, method, path string, body any) reply {
	var in io.Reader
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			p.Fatal(err)
		}
		text = string(b)
		in = bytes.NewReader(b)
	}
	full := path
	if p.v2 {
		full = v2Path(path)
	}
	a := p.r.send(p.r.request(p.app, method, full, in))
	if got := a.status < http.StatusMultipleChoices; got != ok {
		p.Fatalf("%s %s %s: %d %s, want it taken: %v", method, full, text, a.status, a.body, ok)
	}
	if !ok && (a.status < 400 || a.status > 404) {
		p.Fatalf("%s %s %s: %d %s", method, full, text, a.status, a.body)
	}
	return a
}

// next moves the clock to the next instant and returns it.
func (p *player) next() int {
	t := p.m.tick()
	if !p.real {
		p.r.clock.set(p.m.start.Add(time.Duration(t) * time.Second))
	}
	return t
}

func (p *player) flip(name string) bool { return p.draw(name, 2) == 1 }

func (p *player) pick(name string, n int) int { return p.draw(name, n) }

// seldom is for what would leave little to play with.
func (p *player) seldom() bool { return p.pick("seldom", 4) == 0 }

// begin makes something to play with.
func (p *player) begin() {
	for i := range 4 {
		p.putUser(fmt.Sprintf("%su%d", p.prefix, i))
	}
	for range 3 {
		p.createChannel()
		p.members()
	}
}

// userID is mostly that of somebody who can do things.
func (p *player) userID() string {
	var able []string
	for _, id := range slices.Sorted(maps.Keys(p.m.users)) {
		if active(p.m.users[id]) {
			able = append(able, id)
		}
	}
	if len(able) > 0 && p.pick("any user", 8) > 0 {
		return able[p.pick("user", len(able))]
	}
	return fmt.Sprintf("%su%d", p.prefix, p.pick("user", 4))
}

// cid is mostly that of a channel that takes writes.
func (p *player) cid() (string, *modelChannel) {
	var able []*modelChannel
	for _, cid := range p.m.cids() {
		if c := p.m.channels[cid]; open(c) && !c.frozen {
			able = append(able, c)
		}
	}
	if len(able) > 0 && p.pick("any channel", 8) > 0 {
		c := able[p.pick("channel", len(able))]
		return c.id, c
	}
	id := fmt.Sprintf("%sc%d", p.prefix, p.pick("channel", 3))
	return id, p.m.channels["messaging:"+id]
}

// anyMessage is mostly one that can be found.
func (p *player) anyMessage() (string, *modelMessage) {
	var able []string
	for _, id := range slices.Sorted(maps.Keys(p.m.messages)) {
		if reachable(p.m.messages[id]) {
			able = append(able, id)
		}
	}
	if len(able) > 0 && p.pick("any message", 10) > 0 {
		id := able[p.pick("message", len(able))]
		return id, p.m.messages[id]
	}
	id := fmt.Sprintf("%sm%d", p.prefix, p.pick("message", p.message+1))
	return id, p.m.messages[id]
}

// open is a channel that takes writes.
func open(c *modelChannel) bool { return c != nil && c.deleted == 0 }

// reachable is a message that API calls find.
func reachable(msg *modelMessage) bool {
	return msg != nil && open(msg.channel) && msg.created >= msg.channel.truncated
}

func active(u *modelUser) bool { return u != nil && !u.gone && u.deleted == 0 && u.deactivated == 0 }

func there(u *modelUser) bool { return u != nil && !u.gone }

func (p *player) custom(n int) object { return object{"n": json.RawMessage(fmt.Sprint(n))} }

func asModel(n int) object { return object{"n": number(n)} }

func (p *player) actions() map[string]func() {
	return map[string]func(){
		"upsert user": p.upsertUser, "patch user": p.patchUser, "deactivate": p.deactivate, "delete user": p.deleteUser,
		"create channel": p.createChannel, "patch channel": p.patchChannel, "members": p.members, "invites": p.invites,
		"truncate": p.truncate, "delete channel": p.deleteChannel, "read": p.read,
		"send 1": p.send, "send 2": p.send, "send 3": p.send, "send 4": p.send, "send 5": p.send, "update": p.update, "patch message": p.patchMessage, "pin": p.pin,
		"delete message": p.deleteMessage, "react": p.react, "react more": p.react, "unreact": p.unreact, "patch member": p.patchMember,
	}
}

func (p *player) upsertUser() { p.putUser(p.userID()) }

func (p *player) putUser(id string) {
	at := p.next()
	n := p.pick("n", 9)
	u := p.m.users[id]
	ok := !there(u) || u.deleted == 0
	user := object{"id": id, "name": fmt.Sprint("Name ", n)}
	if p.v2 {
		user["custom"] = p.custom(n)
	} else {
		user["n"] = n
	}
	p.call(ok, "POST", "/users", object{"users": object{id: user}})
	if !ok {
		return
	}
	if !there(u) {
		u = &modelUser{id: id, created: at}
		p.m.users[id] = u
	}
	u.name, u.custom, u.updated = fmt.Sprint("Name ", n), asModel(n), at
}

func (p *player) patchUser() {
	id, at := p.userID(), p.next()
	u := p.m.users[id]
	ok := there(u) && u.deleted == 0
	if p.flip("unset") {
		p.call(ok, "PATCH", "/users", object{"users": []any{object{"id": id, "unset": []any{"n", "name"}}}})
		if ok {
			delete(u.custom, "n")
			u.name, u.updated = "", at
		}
		return
	}
	p.call(ok, "PATCH", "/users", object{"users": []any{object{"id": id, "set": object{"deep.er": 1}}}})
	if ok {
		if u.custom == nil {
			u.custom = object{}
		}
		u.custom["deep"] = object{"er": number(1)}
		u.updated = at
	}
}

func (p *player) deactivate() {
	if !p.seldom() {
		return
	}
	id, at := p.userID(), p.next()
	u := p.m.users[id]
	if there(u) && u.deactivated != 0 {
		ok := u.deleted == 0
		restore := p.flip("restore messages")
		p.call(ok, "POST", "/users/"+id+"/reactivate", object{"restore_messages": restore})
		if !ok {
			return
		}
		u.deactivated, u.updated = 0, at
		for _, msg := range p.m.messages {
			if restore && msg.user == u && msg.deletedWithDeactivated {
				msg.deleted, msg.updated, msg.deletedWithDeactivated = 0, at, false
			}
		}
		return
	}
	ok := there(u) && u.deleted == 0
	mark := p.flip("mark messages deleted")
	p.call(ok, "POST", "/users/"+id+"/deactivate", object{"mark_messages_deleted": mark})
	if !ok {
		return
	}
	u.deactivated, u.updated = at, at
	for _, msg := range p.m.messages {
		if mark && msg.user == u && msg.deleted == 0 {
			msg.deleted, msg.updated, msg.deletedWithDeactivated = at, at, true
		}
	}
}

func (p *player) deleteUser() {
	if !p.seldom() {
		return
	}
	id, at := p.userID(), p.next()
	u := p.m.users[id]
	switch {
	case there(u) && u.deleted != 0:
		p.call(taken, "POST", "/users/restore", object{"user_ids": []any{id}})
		u.deleted, u.updated = 0, at
	case p.flip("hard") && there(u) && !slices.ContainsFunc(slices.Collect(maps.Values(p.m.users)), func(u *modelUser) bool { return u.gone }):
		p.hardDeleteUser(id, at)
	default:
		p.call(there(u), "DELETE", "/users/"+id, nil)
		if there(u) {
			u.deleted, u.updated = at, at
		}
	}
}

// hardDeleteUser deletes a user by a task. Its messages stay or go.
func (p *player) hardDeleteUser(id string, at int) {
	u := p.m.users[id]
	body := object{"user_ids": []any{id}, "user": "hard"}
	messages := p.flip("messages too")
	if messages {
		body["messages"] = "hard"
	}
	a := p.call(taken, "POST", "/users/delete", body)
	p.runTask(a.text("task_id"))
	u.gone, u.deleted = true, at
	for _, c := range p.m.channels {
		if mm := c.member(u); mm != nil {
			mm.custom = nil
		}
	}
	delete(p.m.users, id)
	p.m.users[goneID] = u
	if !messages {
		return
	}
	for _, msg := range slices.Collect(maps.Values(p.m.messages)) {
		if msg.user == u {
			p.remove(msg)
			continue
		}
		msg.reactions = slices.DeleteFunc(msg.reactions, func(r *modelReaction) bool { return r.user == u })
	}
}

// runTask does what a worker would.
func (p *player) runTask(id string) {
	t, err := p.r.store.Task(p.r.t.Context(), p.app.ID, id)
	if err != nil {
		p.Fatal(err)
	}
	handler := (&live.Service{Store: p.r.store, Now: p.r.clock.Now}).Handlers()[t.Kind]
	if handler == nil {
		p.Fatalf("nobody runs tasks of the kind %s", t.Kind)
	}
	if _, err := handler(p.r.t.Context(), &task.Attempt{Task: *t}); err != nil {
		p.Fatal(err)
	}
}

// remove takes a message away with the replies to it.
func (p *player) remove(msg *modelMessage) {
	for _, other := range slices.Collect(maps.Values(p.m.messages)) {
		if other.parent == msg.id {
			p.remove(other)
		}
	}
	delete(p.m.messages, msg.id)
	c := msg.channel
	for _, r := range c.reads {
		if r.last == msg.id {
			r.last = ""
		}
	}
	c.last = 0
	for _, other := range p.m.in(c) {
		if other.created >= c.truncated {
			c.last = max(c.last, other.created)
		}
	}
}

func (p *player) createChannel() {
	id := fmt.Sprintf("%sc%d", p.prefix, p.pick("channel", 3))
	c := p.m.channels["messaging:"+id]
	by, at := p.userID(), p.next()
	u := p.m.users[by]
	if open(c) {
		p.call(taken, "POST", "/channels/messaging/"+id+"/query", object{})
		return
	}
	n := p.pick("n", 9)
	data := object{"created_by_id": by, "members": []any{object{"user_id": by}}}
	if p.v2 {
		data["custom"] = p.custom(n)
	} else {
		data["n"] = n
	}
	p.call(there(u), "POST", "/channels/messaging/"+id+"/query", object{"data": data})
	if !there(u) {
		return
	}
	fresh := &modelChannel{
		typ: "messaging", id: id, by: u, custom: asModel(n), created: at, updated: at,
		members: []*modelMember{{user: u, role: "channel_member", created: at, updated: at}}, reads: map[*modelUser]*modelRead{},
	}
	if c != nil {
		fresh.truncated = at
		for _, msg := range p.m.messages {
			if msg.channel == c {
				msg.channel = fresh
			}
		}
	}
	p.m.channels["messaging:"+id] = fresh
}

func (p *player) patchChannel() {
	id, c := p.cid()
	at := p.next()
	frozen := p.flip("frozen")
	p.call(open(c), "PATCH", "/channels/messaging/"+id, object{"set": object{"frozen": frozen, "a.b": "c"}, "unset": []any{"n"}})
	if open(c) {
		c.frozen, c.custom, c.updated = frozen, object{"a": object{"b": "c"}}, at
	}
}

func (c *modelChannel) member(u *modelUser) *modelMember {
	for _, mm := range c.members {
		if mm.user == u {
			return mm
		}
	}
	return nil
}

func (p *player) members() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	if p.flip("remove") {
		ok := open(c) && there(u)
		p.call(ok, "POST", "/channels/messaging/"+id, object{"remove_members": []any{who}})
		if ok {
			if mm := c.member(u); mm != nil {
				c.members = slices.DeleteFunc(c.members, func(m *modelMember) bool { return m == mm })
				delete(c.reads, u)
			}
			c.updated = at
		}
		return
	}
	ok := open(c) && there(u)
	p.call(ok, "POST", "/channels/messaging/"+id, object{"add_members": []any{object{"user_id": who}}})
	if ok {
		if c.member(u) == nil {
			c.members = append(c.members, &modelMember{user: u, role: "channel_member", created: at, updated: at})
		}
		c.updated = at
	}
}

func (p *player) invites() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	if !open(c) || !there(u) {
		p.call(refused, "POST", "/channels/messaging/"+id, object{"invites": []any{object{"user_id": who}}})
		return
	}
	mm := c.member(u)
	if mm == nil {
		p.call(taken, "POST", "/channels/messaging/"+id, object{"invites": []any{object{"user_id": who}}})
		c.members = append(c.members, &modelMember{
			user: u, role: "channel_member", created: at, updated: at, invited: true, status: "pending",
		})
		c.updated = at
		return
	}
	what := "accept_invite"
	if p.flip("reject") {
		what = "reject_invite"
	}
	ok := mm.invited && mm.accepted == 0 && mm.rejected == 0
	p.call(ok, "POST", "/channels/messaging/"+id, object{what: true, "user_id": who})
	switch {
	case !ok:
		return
	case what == "accept_invite":
		mm.accepted, mm.status = at, "accepted"
	default:
		mm.rejected, mm.status = at, "rejected"
	}
	mm.updated, c.updated = at, at
}

func (p *player) patchMember() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	ok := open(c) && there(u) && c.member(u) != nil
	pinned := p.flip("pinned")
	p.call(ok, "PATCH", "/channels/messaging/"+id+"/member/"+who, object{"set": object{"pinned": pinned, "mood": "good"}})
	if !ok {
		return
	}
	mm := c.member(u)
	mm.custom, mm.updated = object{"mood": "good"}, at
	switch {
	case !pinned:
		mm.pinned = 0
	case mm.pinned == 0:
		mm.pinned = at
	}
}

func (p *player) truncate() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	hard := p.flip("hard")
	ok := open(c) && there(u)
	p.call(ok, "POST", "/channels/messaging/"+id+"/truncate", object{"hard_delete": hard, "user_id": who})
	if !ok {
		return
	}
	c.truncated, c.truncatedBy, c.updated, c.last = at, u, at, 0
	for _, msg := range p.m.in(c) {
		if hard && msg.created < at {
			delete(p.m.messages, msg.id)
			for _, r := range c.reads {
				if r.last == msg.id {
					r.last = ""
				}
			}
		}
	}
}

func (p *player) deleteChannel() {
	if !p.seldom() {
		return
	}
	id, c := p.cid()
	at := p.next()
	hard := p.flip("hard")
	path := "/channels/messaging/" + id
	if hard {
		path += "?hard_delete=true"
	}
	ok := open(c) || hard && c != nil
	p.call(ok, "DELETE", path, nil)
	switch {
	case !ok:
	case hard:
		for _, msg := range p.m.in(c) {
			delete(p.m.messages, msg.id)
		}
		delete(p.m.channels, "messaging:"+id)
	default:
		c.deleted, c.updated = at, at
	}
}

func (p *player) read() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	ok := open(c) && there(u) && c.member(u) != nil
	p.call(ok, "POST", "/channels/messaging/"+id+"/read", object{"user_id": who})
	if !ok {
		return
	}
	r := &modelRead{at: at}
	for _, msg := range p.m.in(c) {
		if msg.created >= c.truncated {
			r.last = msg.id
		}
	}
	c.reads[u] = r
}

func (p *player) send() {
	id, c := p.cid()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	text := "word" + strings.Repeat("x", p.pick("length", 5))
	msg := &modelMessage{
		id: fmt.Sprintf("%sm%d", p.prefix, p.message), text: text, channel: c, user: u, created: at, updated: at,
	}
	body := object{"id": msg.id, "text": text, "user_id": who}
	ok := open(c) && active(u) && !c.frozen
	switch p.pick("kind", 6) {
	case 0:
		parent, q := p.anyMessage()
		body["parent_id"], msg.parent = parent, parent
		msg.shown = p.flip("show in channel")
		body["show_in_channel"] = msg.shown
		ok = ok && reachable(q) && q.deleted == 0 && q.channel == c && q.parent == ""
	case 1:
		quoted, q := p.anyMessage()
		body["quoted_message_id"], msg.quoted = quoted, quoted
		ok = ok && reachable(q) && q.deleted == 0
	case 2:
		other := p.userID()
		body["mentioned_users"] = []any{other}
		msg.mentioned = []*modelUser{p.m.users[other]}
		ok = ok && there(p.m.users[other])
	case 3:
		msg.silent, msg.system = true, true
		body["silent"], body["type"] = true, "system"
	case 4:
		msg.pinned, msg.pinnedBy = at, u
		body["pinned"] = true
	case 5:
		msg.attachments = []any{object{"type": "image"}}
		body["attachments"] = msg.attachments
	}
	p.call(ok, "POST", "/channels/messaging/"+id+"/message", object{"message": body})
	if !ok {
		return
	}
	p.message++
	p.m.messages[msg.id] = msg
	c.last = max(c.last, at)
	if c.member(u) != nil {
		c.reads[u] = &modelRead{at: at, last: msg.id}
	}
}

func (p *player) update() {
	id, msg := p.anyMessage()
	at := p.next()
	ok := reachable(msg) && msg.deleted == 0
	text := fmt.Sprint("changed ", p.pick("n", 3))
	p.call(ok, "POST", "/messages/"+id, object{"message": object{"text": text}})
	if !ok {
		return
	}
	if text != msg.text {
		msg.textUpdated = at
	}
	msg.history = append([]string{msg.text}, msg.history...)
	msg.text, msg.updated, msg.custom, msg.attachments, msg.mentioned = text, at, nil, nil, nil
	msg.silent = false
	msg.pinned, msg.pinnedBy = 0, nil
}

func (p *player) patchMessage() {
	id, msg := p.anyMessage()
	at := p.next()
	ok := reachable(msg) && msg.deleted == 0
	p.call(ok, "PUT", "/messages/"+id, object{"set": object{"a.b": 7}, "unset": []any{"attachments"}})
	if ok {
		msg.custom, msg.attachments, msg.updated = object{"a": object{"b": number(7)}}, nil, at
		msg.history = append([]string{msg.text}, msg.history...)
	}
}

func (p *player) pin() {
	id, msg := p.anyMessage()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	ok := reachable(msg) && msg.deleted == 0 && there(u)
	pinned := p.flip("pinned")
	p.call(ok, "PUT", "/messages/"+id, object{"set": object{"pinned": pinned}, "user_id": who})
	if !ok {
		return
	}
	msg.updated = at
	switch {
	case !pinned:
		msg.pinned, msg.pinnedBy = 0, nil
	case msg.pinned == 0:
		msg.pinned, msg.pinnedBy = at, u
	}
}

func (p *player) deleteMessage() {
	id, msg := p.anyMessage()
	at := p.next()
	switch {
	case !reachable(msg):
		p.call(refused, "DELETE", "/messages/"+id, nil)
	case p.flip("hard"):
		p.call(taken, "DELETE", "/messages/"+id+"?hard=true", nil)
		p.remove(msg)
	case msg.deleted == 0:
		p.call(taken, "DELETE", "/messages/"+id, nil)
		msg.deleted, msg.updated = at, at
	default:
		who := p.userID()
		ok := there(p.m.users[who])
		p.call(ok, "POST", "/messages/"+id+"/undelete", object{"undeleted_by": who})
		if ok {
			msg.deleted, msg.updated, msg.deletedWithDeactivated = 0, at, false
		}
	}
}

func (p *player) react() {
	id, msg := p.anyMessage()
	who, at := p.userID(), p.next()
	u := p.m.users[who]
	typ := []string{"like", "love", "sad"}[p.pick("type", 3)]
	score, unique := p.pick("score", 4)+1, p.flip("unique")
	ok := reachable(msg) && msg.deleted == 0 && !msg.channel.frozen && active(u)
	p.call(ok, "POST", "/messages/"+url.PathEscape(id)+"/reaction",
		object{"reaction": object{"type": typ, "user_id": who, "score": score}, "enforce_unique": unique})
	if !ok {
		return
	}
	re := &modelReaction{user: u, typ: typ, score: score, created: at, updated: at}
	msg.reactions = slices.DeleteFunc(msg.reactions, func(r *modelReaction) bool {
		if r.user == u && r.typ == typ {
			re.created = r.created
			return true
		}
		return r.user == u && unique
	})
	msg.reactions = append(msg.reactions, re)
}

func (p *player) unreact() {
	id, msg := p.anyMessage()
	who, typ := p.userID(), []string{"like", "love", "sad"}[p.pick("type", 3)]
	p.next()
	u := p.m.users[who]
	mine := func(r *modelReaction) bool { return r.user == u && r.typ == typ }
	ok := reachable(msg) && msg.deleted == 0 && !msg.channel.frozen && there(u) && slices.ContainsFunc(msg.reactions, mine)
	p.call(ok, "DELETE", "/messages/"+id+"/reaction/"+typ+"?user_id="+who, nil)
	if ok {
		msg.reactions = slices.DeleteFunc(msg.reactions, mine)
	}
}

// check exports all channels and compares the file with the model.
func (p *player) check() {
	cids := p.m.cids()
	if len(cids) == 0 {
		return
	}
	truncated := p.flip("include truncated messages")
	body := object{"version": "v1", "include_soft_deleted_channels": true, "include_truncated_messages": truncated}
	var channels []any
	for _, cid := range cids {
		channels = append(channels, object{"cid": cid})
	}
	body["channels"] = channels
	a := p.call(taken, "POST", "/export_channels", body)
	t, err := p.r.store.Task(p.r.t.Context(), p.app.ID, a.text("task_id"))
	if err != nil {
		p.Fatal(err)
	}
	result, err := p.r.exports.RunChannels(p.r.t.Context(), &task.Attempt{Task: *t})
	if err != nil {
		p.Fatal(err)
	}
	var where struct{ Path string }
	if err := json.Unmarshal(result, &where); err != nil {
		p.Fatal(err)
	}
	got := p.decode(p.file(where.Path))
	want := any(p.m.v1(cids, truncated))
	if p.real {
		want = timeless(want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.Fatalf("the export (+) is not what the model says (-):\n%s", diff)
	}
}

func (p *player) file(path string) []byte {
	f, _, err := p.r.blob.Open(p.r.t.Context(), path)
	if err != nil {
		p.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		p.Fatal(err)
	}
	return b
}

// decode reads an export into the form that the model writes.
func (p *player) decode(file []byte) any {
	d := json.NewDecoder(bytes.NewReader(madeID.ReplaceAll(file, []byte(goneID))))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		p.Fatal(err)
	}
	v = plainNumbers(v)
	for _, entry := range v.([]any) {
		delete(entry.(object)["channel"].(object), "config")
	}
	if p.real {
		v = timeless(v)
	}
	return v
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case object:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}

var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT`)

// timeless replaces all times by one word.
func timeless(v any) any {
	switch v := v.(type) {
	case string:
		if instant.MatchString(v) {
			return "then"
		}
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	case object:
		for k := range v {
			v[k] = timeless(v[k])
		}
	}
	return v
}

func v2Path(classic string) string {
	r := rig{v2: true}
	return r.path(classic)
}

func (r *rig) newApp(t failer) store.App {
	app := store.App{Name: "model", Key: auth.NewKey(), Secret: auth.NewSecret()}
	if err := r.store.CreateApp(r.t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	return app
}

// TestModel plays random sequences of calls and compares the export with what a
// plain model says that it is.
func TestModel(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := newRig(t, func(r *rig) {
		r.clock.set(start)
		r.opts.OnEnqueue = nil // tasks are run by hand
	})
	rapid.Check(t, func(rt *rapid.T) {
		p := &player{failer: rt, r: r, m: newModel(start), app: r.newApp(rt), v2: rapid.Bool().Draw(rt, "v2")}
		p.draw = func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(rt, name) }
		p.begin()
		actions := p.actions()
		names := slices.Sorted(maps.Keys(actions))
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 40).Draw(rt, "calls") {
			actions[name]()
		}
		p.check()
	})
}

// TestModelInParallel is TestModel with several clients of one app at once,
// each with channels and users of its own.
func TestModelInParallel(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.opts.OnEnqueue = nil })
	app := r.newApp(t)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for round := range 20 {
				p := &player{
					failer: t, r: r, m: newModel(time.Time{}), app: app, prefix: fmt.Sprintf("p%d-%d-", i, round), v2: i%2 == 1, real: true,
					draw: func(_ string, n int) int { return random.IntN(n) },
				}
				p.begin()
				actions := p.actions()
				names := slices.Sorted(maps.Keys(actions))
				for range 60 {
					actions[names[random.IntN(len(names))]]()
				}
				p.check()
			}
		})
	}
}
