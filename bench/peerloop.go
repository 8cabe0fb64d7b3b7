package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// What people write by hand to export a chat: rows into structs, structs
// through encoding/json. It is written with some care: users are read once, what
// belongs to messages is read for five hundred of them at a time, statements are
// prepared, and output is buffered.

type loopUser struct {
	ID        string          `json:"id"`
	Role      string          `json:"role"`
	Name      *string         `json:"name,omitempty"`
	Image     *string         `json:"image,omitempty"`
	Language  *string         `json:"language,omitempty"`
	Teams     json.RawMessage `json:"teams,omitempty"`
	CreatedAt *string         `json:"created_at"`
	UpdatedAt *string         `json:"updated_at"`
	Banned    bool            `json:"banned"`
	Online    bool            `json:"online"`
	Custom    json.RawMessage `json:"custom"`
}

type loopReaction struct {
	MessageID string          `json:"message_id"`
	UserID    string          `json:"user_id"`
	User      *loopUser       `json:"user"`
	Type      string          `json:"type"`
	Score     int             `json:"score"`
	CreatedAt *string         `json:"created_at"`
	UpdatedAt *string         `json:"updated_at"`
	Custom    json.RawMessage `json:"custom"`
}

type loopGroup struct {
	Count     int     `json:"count"`
	SumScores int     `json:"sum_scores"`
	First     *string `json:"first_reaction_at"`
	Last      *string `json:"last_reaction_at"`
}

type loopMessage struct {
	ChannelCID         string                `json:"channel_cid"`
	ChannelType        string                `json:"channel_type"`
	ChannelID          string                `json:"channel_id"`
	UserID             string                `json:"user_id"`
	MessageID          string                `json:"message_id"`
	ID                 string                `json:"id"`
	Text               string                `json:"text"`
	HTML               string                `json:"html"`
	Type               string                `json:"type"`
	User               *loopUser             `json:"user"`
	Attachments        json.RawMessage       `json:"attachments"`
	LatestReactions    []*loopReaction       `json:"latest_reactions"`
	OwnReactions       []*loopReaction       `json:"own_reactions"`
	ReactionCounts     map[string]int        `json:"reaction_counts"`
	ReactionScores     map[string]int        `json:"reaction_scores"`
	ReactionGroups     map[string]*loopGroup `json:"reaction_groups"`
	ThreadParticipants []*loopUser           `json:"thread_participants,omitempty"`
	ReplyCount         int                   `json:"reply_count"`
	DeletedReplyCount  int                   `json:"deleted_reply_count"`
	ParentID           *string               `json:"parent_id,omitempty"`
	ShowInChannel      bool                  `json:"show_in_channel,omitempty"`
	QuotedMessageID    *string               `json:"quoted_message_id,omitempty"`
	QuotedMessage      *loopMessage          `json:"quoted_message,omitempty"`
	CID                string                `json:"cid"`
	CreatedAt          *string               `json:"created_at"`
	UpdatedAt          *string               `json:"updated_at"`
	DeletedAt          *string               `json:"deleted_at,omitempty"`
	Shadowed           bool                  `json:"shadowed"`
	MentionedUsers     []*loopUser           `json:"mentioned_users"`
	Silent             bool                  `json:"silent"`
	Pinned             bool                  `json:"pinned"`
	PinnedAt           *string               `json:"pinned_at"`
	PinnedBy           *loopUser             `json:"pinned_by"`
	PinExpires         *string               `json:"pin_expires"`
	Custom             json.RawMessage       `json:"custom"`
}

type loopLine struct {
	Type string       `json:"type"`
	Data *loopMessage `json:"data"`
}

// loopBatch is how many messages are kept until what belongs to them is read.
const loopBatch = 500

type loop struct {
	ctx   context.Context //nolint:containedctx // that of one call
	db    *sql.DB
	out   *json.Encoder
	users map[string]*loopUser

	reactions, mentions, threads, quoted *sql.Stmt
}

// goLoop writes all messages of a peer's database to a file.
func goLoop(ctx context.Context, database, to string) (err error) {
	db, err := openSQLite(database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	l := &loop{ctx: ctx, db: db, out: json.NewEncoder(w), users: map[string]*loopUser{}}
	err = l.run()
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

const loopColumns = `SELECT m.id, m.cid, c.type, c.id, m.user_id, m.type, m.text, m.parent_id, m.show_in_channel, m.quoted_message_id,
	m.reply_count, m.attachments, m.created_at, m.updated_at, m.deleted_at, m.custom FROM messages m JOIN channels c ON c.cid = m.cid `

func (l *loop) run() error {
	if err := l.readUsers(); err != nil {
		return err
	}
	in := " IN (?" + strings.Repeat(",?", loopBatch-1) + ")"
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&l.reactions, `SELECT message_id, user_id, type, score, created_at, updated_at, custom FROM reactions WHERE message_id` + in + ` ORDER BY message_id, created_at DESC`},
		{&l.mentions, `SELECT message_id, user_id FROM mentions WHERE message_id` + in},
		{&l.threads, `SELECT message_id, user_id FROM thread_participants WHERE message_id` + in},
		{&l.quoted, loopColumns + `WHERE m.id` + in},
	} {
		var err error
		if *p.to, err = l.db.PrepareContext(l.ctx, p.sql); err != nil { //nolint:sqlclosecheck // ends with the database
			return err
		}
	}
	rows, err := l.db.QueryContext(l.ctx, loopColumns+`ORDER BY m.cid, m.created_at, m.id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	batch := make([]*loopMessage, 0, loopBatch)
	for rows.Next() {
		m, err := l.scan(rows)
		if err != nil {
			return err
		}
		if batch = append(batch, m); len(batch) == loopBatch {
			if err := l.write(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return l.write(batch)
}

func (l *loop) readUsers() error {
	rows, err := l.db.QueryContext(l.ctx, `SELECT id, role, name, image, language, teams, created_at, updated_at, custom FROM users`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		u := &loopUser{}
		var teams, custom *string
		if err := rows.Scan(&u.ID, &u.Role, &u.Name, &u.Image, &u.Language, &teams, &u.CreatedAt, &u.UpdatedAt, &custom); err != nil {
			return err
		}
		u.Teams, u.Custom = rawOr(teams, ""), rawOr(custom, "{}")
		l.users[u.ID] = u
	}
	return rows.Err()
}

func rawOr(s *string, none string) json.RawMessage {
	if s == nil {
		return json.RawMessage(none)
	}
	return json.RawMessage(*s)
}

func (l *loop) scan(rows *sql.Rows) (*loopMessage, error) {
	m := &loopMessage{
		LatestReactions: []*loopReaction{}, OwnReactions: []*loopReaction{}, MentionedUsers: []*loopUser{},
		ReactionCounts: map[string]int{}, ReactionScores: map[string]int{},
	}
	var attachments, custom *string
	err := rows.Scan(&m.ID, &m.CID, &m.ChannelType, &m.ChannelID, &m.UserID, &m.Type, &m.Text, &m.ParentID, &m.ShowInChannel, &m.QuotedMessageID,
		&m.ReplyCount, &attachments, &m.CreatedAt, &m.UpdatedAt, &m.DeletedAt, &custom)
	if err != nil {
		return nil, err
	}
	m.ChannelCID, m.MessageID, m.User = m.CID, m.ID, l.users[m.UserID]
	m.Attachments, m.Custom = rawOr(attachments, "[]"), rawOr(custom, "{}")
	return m, nil
}

func (l *loop) write(batch []*loopMessage) error {
	if len(batch) == 0 {
		return nil
	}
	byID := make(map[string]*loopMessage, len(batch))
	ids, quoted := make([]any, loopBatch), make([]any, loopBatch) // NULL is in no list
	for i, m := range batch {
		byID[m.ID] = m
		ids[i] = m.ID
		if m.QuotedMessageID != nil {
			quoted[i] = *m.QuotedMessageID
		}
	}
	if err := l.addReactions(byID, ids); err != nil {
		return fmt.Errorf("reactions: %w", err)
	}
	err := l.pairs(l.mentions, ids, func(m, u string) { byID[m].MentionedUsers = append(byID[m].MentionedUsers, l.users[u]) })
	if err != nil {
		return fmt.Errorf("mentions: %w", err)
	}
	err = l.pairs(l.threads, ids, func(m, u string) { byID[m].ThreadParticipants = append(byID[m].ThreadParticipants, l.users[u]) })
	if err != nil {
		return fmt.Errorf("threads: %w", err)
	}
	if err := l.addQuoted(batch, quoted); err != nil {
		return fmt.Errorf("quoted messages: %w", err)
	}
	for _, m := range batch {
		if err := l.out.Encode(loopLine{"message", m}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) addReactions(byID map[string]*loopMessage, ids []any) error {
	rows, err := l.reactions.QueryContext(l.ctx, ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		r := &loopReaction{}
		var custom *string
		if err := rows.Scan(&r.MessageID, &r.UserID, &r.Type, &r.Score, &r.CreatedAt, &r.UpdatedAt, &custom); err != nil {
			return err
		}
		r.User, r.Custom = l.users[r.UserID], rawOr(custom, "{}")
		m := byID[r.MessageID]
		m.LatestReactions = append(m.LatestReactions, r)
		m.ReactionCounts[r.Type]++
		m.ReactionScores[r.Type] += r.Score
		if m.ReactionGroups == nil {
			m.ReactionGroups = map[string]*loopGroup{}
		}
		g := m.ReactionGroups[r.Type]
		if g == nil {
			g = &loopGroup{Last: r.CreatedAt}
			m.ReactionGroups[r.Type] = g
		}
		g.Count++
		g.SumScores += r.Score
		g.First = r.CreatedAt // newest first
	}
	return rows.Err()
}

func (l *loop) pairs(stmt *sql.Stmt, ids []any, add func(message, user string)) error {
	rows, err := stmt.QueryContext(l.ctx, ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var message, user string
		if err := rows.Scan(&message, &user); err != nil {
			return err
		}
		add(message, user)
	}
	return rows.Err()
}

func (l *loop) addQuoted(batch []*loopMessage, ids []any) error {
	rows, err := l.quoted.QueryContext(l.ctx, ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	byID := map[string]*loopMessage{}
	for rows.Next() {
		m, err := l.scan(rows)
		if err != nil {
			return err
		}
		byID[m.ID] = m
	}
	for _, m := range batch {
		if m.QuotedMessageID != nil {
			m.QuotedMessage = byID[*m.QuotedMessageID]
		}
	}
	return rows.Err()
}
