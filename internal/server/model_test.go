package server_test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"hansard/internal/chat"
)

// model is what a chat is, written down as plainly as possible: what a sequence
// of API calls makes of it, and what an export then has to show. Its time is a
// counter of seconds; each call happens at one of its own.
type model struct {
	start    time.Time
	now      int
	users    map[string]*modelUser
	channels map[string]*modelChannel
	messages map[string]*modelMessage // hard-deleted ones are not in here
	removed  map[string]bool          // ids that were taken once
}

type object = map[string]any

type modelUser struct {
	id                                     string
	name                                   string
	custom                                 object
	created, updated, deactivated, deleted int
	gone                                   bool // hard-deleted: the id is made up by the server
}

type modelChannel struct {
	typ, id                              string
	by                                   *modelUser
	custom                               object
	created, updated, deleted, truncated int
	truncatedBy                          *modelUser
	frozen                               bool
	last                                 int
	members                              []*modelMember
	reads                                map[*modelUser]*modelRead
}

type modelMember struct {
	user             *modelUser
	role             string // channel_role
	created, updated int
	invited          bool
	status           string
	accepted         int
	rejected         int
	custom           object
	pinned, archived int
}

type modelRead struct {
	at   int
	last string // message id
}

type modelMessage struct {
	id, text               string
	channel                *modelChannel
	user                   *modelUser
	system                 bool
	silent                 bool
	parent                 string
	shown                  bool
	quoted                 string
	mentioned              []*modelUser
	attachments            []any
	custom                 object
	created, updated       int
	deleted, textUpdated   int
	pinned                 int
	pinnedBy               *modelUser
	reactions              []*modelReaction
	history                []string // earlier texts, newest first
	deletedWithDeactivated bool
}

type modelReaction struct {
	user             *modelUser
	typ              string
	score            int
	created, updated int
}

func newModel(start time.Time) *model {
	return &model{
		start: start, users: map[string]*modelUser{}, channels: map[string]*modelChannel{}, messages: map[string]*modelMessage{},
		removed: map[string]bool{},
	}
}

// tick is the time of the next call.
func (m *model) tick() int {
	m.now++
	return m.now
}

func (m *model) at(t int) string {
	return chat.TimeOf(m.start.Add(time.Duration(t) * time.Second)).String()
}

// optional sets a time that is left out when it is not set.
func (m *model) optional(o object, key string, t int) {
	if t != 0 {
		o[key] = m.at(t)
	}
}

func (m *model) orNull(t int) any {
	if t == 0 {
		return nil
	}
	return m.at(t)
}

func (m *model) cids() []string { return slices.Sorted(maps.Keys(m.channels)) }

// in lists the messages of a channel in order.
func (m *model) in(c *modelChannel) []*modelMessage {
	var list []*modelMessage
	for _, msg := range m.messages {
		if msg.channel == c {
			list = append(list, msg)
		}
	}
	slices.SortFunc(list, func(a, b *modelMessage) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id))
	})
	return list
}

// goneID stands for every id that the server makes for a hard-deleted user.
const goneID = "deleted-user-X"

var madeID = regexp.MustCompile(`deleted-user-[A-Za-z0-9_@!-]+`)

func (m *model) user(u *modelUser) object {
	if u.gone {
		return object{"id": goneID, "deleted_at": m.at(u.deleted)}
	}
	o := maps.Clone(u.custom)
	if o == nil {
		o = object{}
	}
	o["id"], o["role"], o["banned"], o["online"] = u.id, "user", false, false
	o["created_at"], o["updated_at"] = m.at(u.created), m.at(u.updated)
	if u.name != "" {
		o["name"] = u.name
	}
	m.optional(o, "deactivated_at", u.deactivated)
	m.optional(o, "deleted_at", u.deleted)
	return o
}

func (m *model) channel(c *modelChannel) object {
	o := maps.Clone(c.custom)
	if o == nil {
		o = object{}
	}
	count := 0
	for _, msg := range m.in(c) {
		if msg.deleted == 0 && msg.created >= c.truncated {
			count++
		}
	}
	o["cid"], o["id"], o["type"] = c.typ+":"+c.id, c.id, c.typ
	o["created_by"], o["created_at"], o["updated_at"] = m.user(c.by), m.at(c.created), m.at(c.updated)
	o["frozen"], o["disabled"] = c.frozen, false
	o["member_count"], o["message_count"] = number(len(c.members)), number(count)
	m.optional(o, "last_message_at", c.last)
	m.optional(o, "deleted_at", c.deleted)
	m.optional(o, "truncated_at", c.truncated)
	if c.truncatedBy != nil {
		o["truncated_by"] = m.user(c.truncatedBy)
	}
	return o
}

func (m *model) member(c *modelChannel, mm *modelMember) object {
	o := maps.Clone(mm.custom)
	if o == nil {
		o = object{}
	}
	o["user_id"], o["user"] = m.user(mm.user)["id"], m.user(mm.user)
	o["created_at"], o["updated_at"] = m.at(mm.created), m.at(mm.updated)
	o["banned"], o["shadow_banned"], o["notifications_muted"] = false, false, false
	o["archived_at"], o["pinned_at"] = m.orNull(mm.archived), m.orNull(mm.pinned)
	o["role"], o["channel_role"] = "member", mm.role
	if mm.user == c.by {
		o["role"] = "owner"
	}
	if mm.invited {
		o["invited"] = true
	}
	if mm.status != "" {
		o["status"] = mm.status
	}
	m.optional(o, "invite_accepted_at", mm.accepted)
	m.optional(o, "invite_rejected_at", mm.rejected)
	return o
}

func (m *model) read(c *modelChannel, u *modelUser, r *modelRead) object {
	unread := 0
	for _, msg := range m.in(c) {
		if msg.created > r.at && msg.created >= c.truncated && msg.deleted == 0 && !msg.silent && msg.user != u {
			unread++
		}
	}
	o := object{"user": m.user(u), "last_read": m.at(r.at), "unread_messages": number(unread)}
	if r.last != "" {
		o["last_read_message_id"] = r.last
	}
	return o
}

func (m *model) message(msg *modelMessage, truncated, quote bool) object {
	o := maps.Clone(msg.custom)
	if o == nil {
		o = object{}
	}
	o["id"], o["text"], o["html"] = msg.id, msg.text, ""
	if msg.text != "" {
		o["html"] = "<p>" + msg.text + "</p>\n"
	}
	o["type"] = "regular"
	switch {
	case msg.deleted != 0:
		o["type"] = "deleted"
	case msg.system:
		o["type"] = "system"
	case msg.parent != "":
		o["type"] = "reply"
	}
	o["user"], o["cid"] = m.user(msg.user), msg.channel.typ+":"+msg.channel.id
	o["attachments"], o["own_reactions"], o["mentioned_users"] = msg.attachments, []any{}, []any{}
	if msg.attachments == nil {
		o["attachments"] = []any{}
	}
	for _, u := range msg.mentioned {
		o["mentioned_users"] = append(o["mentioned_users"].([]any), m.user(u))
	}
	o["shadowed"], o["silent"] = false, msg.silent
	o["created_at"], o["updated_at"] = m.at(msg.created), m.at(msg.updated)
	m.optional(o, "deleted_at", msg.deleted)
	m.optional(o, "message_text_updated_at", msg.textUpdated)
	o["pinned"], o["pinned_at"], o["pinned_by"], o["pin_expires"] = msg.pinned != 0, m.orNull(msg.pinned), nil, nil
	if msg.pinnedBy != nil {
		o["pinned_by"] = m.user(msg.pinnedBy)
	}
	m.addReactions(o, msg)
	m.addThread(o, msg)
	if msg.parent != "" {
		o["parent_id"] = msg.parent
		if msg.shown {
			o["show_in_channel"] = true
		}
	}
	if msg.quoted != "" {
		o["quoted_message_id"] = msg.quoted
		q := m.messages[msg.quoted]
		if quote && q != nil && (truncated || q.channel != msg.channel || q.created >= q.channel.truncated) {
			o["quoted_message"] = m.message(q, truncated, false)
		}
	}
	return o
}

func (m *model) reaction(msg *modelMessage, r *modelReaction) object {
	return object{
		"message_id": msg.id, "user_id": m.user(r.user)["id"], "user": m.user(r.user), "type": r.typ, "score": number(r.score),
		"created_at": m.at(r.created), "updated_at": m.at(r.updated),
	}
}

func (m *model) addReactions(o object, msg *modelMessage) {
	list := slices.Clone(msg.reactions)
	slices.SortFunc(list, func(a, b *modelReaction) int { return cmp.Compare(b.created, a.created) })
	latest, counts, scores, groups := []any{}, object{}, object{}, object{}
	sums, ns := map[string]int{}, map[string]int{}
	for _, r := range list {
		latest = append(latest, m.reaction(msg, r))
		sums[r.typ] += r.score
		ns[r.typ]++
		g, ok := groups[r.typ].(object)
		if !ok {
			g = object{"last_reaction_at": m.at(r.created)}
			groups[r.typ] = g
		}
		g["first_reaction_at"] = m.at(r.created)
		g["count"], g["sum_scores"] = number(ns[r.typ]), number(sums[r.typ])
		counts[r.typ], scores[r.typ] = number(ns[r.typ]), number(sums[r.typ])
	}
	o["latest_reactions"], o["reaction_counts"], o["reaction_scores"], o["reaction_groups"] = latest, counts, scores, nil
	if len(groups) > 0 {
		o["reaction_groups"] = groups
	}
}

func (m *model) addThread(o object, msg *modelMessage) {
	replies, deleted := 0, 0
	var participants []any
	seen := map[*modelUser]bool{}
	for _, r := range m.in(msg.channel) {
		switch {
		case r.parent != msg.id:
		case r.deleted != 0:
			deleted++
		default:
			replies++
			if !seen[r.user] {
				seen[r.user] = true
				participants = append(participants, m.user(r.user))
			}
		}
	}
	o["reply_count"], o["deleted_reply_count"] = number(replies), number(deleted)
	if participants != nil {
		o["thread_participants"] = participants
	}
}

// v1 is the export of the channels named.
func (m *model) v1(cids []string, truncated bool) []any {
	file := []any{}
	for _, cid := range cids {
		c := m.channels[cid]
		messages, members, reads := []any{}, []any{}, []any{}
		for _, msg := range m.in(c) {
			if truncated || msg.created >= c.truncated {
				messages = append(messages, m.message(msg, truncated, true))
			}
		}
		sorted := slices.Clone(c.members)
		slices.SortFunc(sorted, func(a, b *modelMember) int {
			return cmp.Or(cmp.Compare(a.created, b.created), strings.Compare(a.user.key(), b.user.key()))
		})
		for _, mm := range sorted {
			members = append(members, m.member(c, mm))
		}
		for _, u := range slices.SortedFunc(maps.Keys(c.reads), func(a, b *modelUser) int { return strings.Compare(a.key(), b.key()) }) {
			reads = append(reads, m.read(c, u, c.reads[u]))
		}
		entry := object{"channel": m.channel(c), "messages": messages, "members": members}
		if len(reads) > 0 {
			entry["read"] = reads
		}
		file = append(file, entry)
	}
	return file
}

// key is the id by which a user is sorted.
func (u *modelUser) key() string {
	if u.gone {
		return goneID
	}
	return u.id
}

// number is how a decoded JSON number compares.
func number(n int) any { return fmt.Sprint(n) }
