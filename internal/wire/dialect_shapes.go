package wire

import (
	"strconv"
	"strings"
)

// shapes is the v2 dialect as data: what is listed for a kind is known, all
// else is custom. "Always" follows what clients decode strictly.
var shapes = makeShapes()

func makeShapes() map[Kind]*shape {
	var user, channel, member, message, reaction, read, call, task, imported, answer, callAnswer shape

	command := envelope().times("created_at updated_at").done()
	config := envelope().times("created_at updated_at").many(command, "commands").
		always("count_messages", "false", "delivery_events", "false", "mark_messages_pending", "false", "polls", "false",
			"shared_locations", "false", "skip_last_msg_update_for_system_msgs", "false", "user_message_reminders", "false").done()
	group := envelope().times("first_reaction_at last_reaction_at").done()
	session := envelope().times("started_at ended_at live_started_at live_ended_at timer_ends_at").
		many(envelope().times("joined_at").one(&user, "user").done(), "participants").done()
	callMember := entity().times("created_at updated_at deleted_at").one(&user, "user").
		raw("user_id role").done()
	result := envelope().times("expires_at").done()
	history := envelope().times("created_at").done()
	edit := envelope().times("message_updated_at").done()
	block := envelope().times("created_at").one(&user, "user blocked_user").done()
	event := entity().times("created_at received_at last_read_at channel_last_message_at").
		one(&user, "user").one(&channel, "channel").
		one(&member, "member").one(&message, "message").one(&reaction, "reaction").
		raw("type cid channel_type channel_id user_id message_id parent_id thread_id team last_read_message_id").
		raw("first_unread_message_id unread_messages unread_count unread_channels unread_threads total_unread_count").done()
	mute := envelope().times("created_at updated_at expires").one(&user, "user").one(&channel, "channel").done()
	app := envelope().times("created_at updated_at").many(config, "channel_configs").done()

	user = *entity().
		times("last_active deactivated_at deleted_at").
		raw("name image").
		always(
			"id", `""`, "role", `"user"`, "language", `""`, "banned", "false", "shadow_banned", "false",
			"online", "false", "invisible", "false", "created_at", "0", "updated_at", "0",
			"blocked_user_ids", "[]", "teams", "[]").
		times("created_at updated_at").done()
	channel = *entity().
		times("last_message_at deleted_at truncated_at hide_messages_before mute_expires_at").
		one(&user, "created_by truncated_by").many(&member, "members").one(config, "config").
		raw("member_count message_count team cooldown filter_tags hidden muted blocked").
		always("frozen", "false", "disabled", "false", "own_capabilities", "[]").
		raw("cid id type").times("created_at updated_at").done()
	member = *entity().
		times("archived_at pinned_at invite_accepted_at invite_rejected_at deleted_at ban_expires last_read").
		one(&user, "user").
		raw("user_id status role invited channel_cid channel_type channel_id").
		always("banned", "false", "shadow_banned", "false", "channel_role", `"channel_member"`,
			"notifications_muted", "false").
		times("created_at updated_at").done()
	message = *entity().
		times("created_at updated_at deleted_at message_text_updated_at pinned_at pin_expires").
		one(&user, "user pinned_by").many(&user, "mentioned_users thread_participants").
		many(&reaction, "latest_reactions own_reactions").many(group, "reaction_groups").
		one(&message, "quoted_message").one(&channel, "channel").one(&member, "member").
		raw("id cid type user_id parent_id show_in_channel quoted_message_id command i18n mml").
		raw("channel_cid channel_type channel_id deleted_for_me").
		always("text", `""`, "html", `""`, "attachments", "[]", "latest_reactions", "[]", "own_reactions", "[]",
			"mentioned_users", "[]", "restricted_visibility", "[]", "reaction_counts", "{}",
			"reaction_scores", "{}", "reaction_groups", "{}", "reply_count", "0", "deleted_reply_count", "0",
			"pinned", "false", "shadowed", "false", "silent", "false", "mentioned_channel", "false",
			"mentioned_here", "false").done()
	reaction = *entity().
		times("created_at updated_at").one(&user, "user").
		raw("message_id user_id type channel_cid channel_type channel_id").
		always("score", "1").done()
	read = *envelope().
		times("last_read last_delivered_at").one(&user, "user").
		always("unread_messages", "0").done()
	call = *entity().
		times("created_at updated_at starts_at ended_at deleted_at").one(&user, "created_by").
		many(callMember, "members").one(session, "session").
		raw("type id cid team own_capabilities").
		always("current_session_id", `""`, "backstage", "false", "recording", "false", "transcribing", "false",
			"translating", "false", "captioning", "false", "settings", "{}",
			"ingress", `{"rtmp":{"address":""}}`, "egress", `{"broadcasting":false,"rtmps":[]}`,
			"blocked_user_ids", "[]").done()
	task = *envelope().times("created_at updated_at").one(result, "result").done()
	imported = *envelope().times("created_at updated_at").many(history, "history").done()

	known := func() *builder {
		return envelope().
			one(&user, "user").many(&user, "users").
			one(&channel, "channel").states(&channel, "channels").
			one(&member, "member membership channel_member").many(&member, "members").
			one(&message, "message").many(&message, "messages pinned_messages").
			many(edit, "message_history").
			one(&reaction, "reaction").many(&reaction, "reactions").
			many(&read, "read").
			many(block, "blocks").times("created_at").
			one(&call, "call").states(&call, "calls").
			one(&task, "task").many(&task, "tasks").
			one(&imported, "import_task").many(&imported, "import_tasks").
			one(mute, "channel_mute").many(mute, "channel_mutes").times("hide_messages_before").
			one(event, "event").one(app, "app").many(config, "channel_types")
	}
	answer = *known().many(&answer, "results").done()
	callAnswer = *known().many(callMember, "members").done()

	return map[Kind]*shape{
		KindAnswer: &answer, KindCallAnswer: &callAnswer, KindUser: &user, KindChannel: &channel,
		KindMember: &member, KindMessage: &message, KindReaction: &reaction, KindRead: &read,
		KindCall: &call, KindTask: &task, KindImport: &imported, KindChannelType: config,
	}
}

// builder writes a shape down.
type builder struct{ s shape }

// entity begins a shape whose unknown members are custom data, envelope one
// whose unknown members stay where they are.
func entity() *builder   { return &builder{shape{fields: map[string]field{}, fold: true}} }
func envelope() *builder { return &builder{shape{fields: map[string]field{}}} }

func (b *builder) set(how how, of *shape, list string) *builder {
	for name := range strings.FieldsSeq(list) {
		f := b.s.fields[name]
		f.how, f.of = how, of
		b.s.fields[name] = f
	}
	return b
}

func (b *builder) raw(list string) *builder               { return b.set(asIs, nil, list) }
func (b *builder) times(list string) *builder             { return b.set(asTime, nil, list) }
func (b *builder) one(of *shape, list string) *builder    { return b.set(asObject, of, list) }
func (b *builder) many(of *shape, list string) *builder   { return b.set(asMany, of, list) }
func (b *builder) states(of *shape, list string) *builder { return b.set(asStates, of, list) }

// always takes names and values in turn; a name keeps how its value is turned.
func (b *builder) always(pairs ...string) *builder {
	for i := 0; i+1 < len(pairs); i += 2 {
		b.s.always = append(b.s.always, always{pairs[i], pairs[i+1]})
		f := b.s.fields[pairs[i]]
		f.slot = len(b.s.always)
		b.s.fields[pairs[i]] = f
	}
	return b
}

func (b *builder) done() *shape { return &b.s }

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
