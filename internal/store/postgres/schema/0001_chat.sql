-- +goose Up

-- Every key leads with the app, and what belongs to a channel has the channel
-- next. Ids compare byte by byte. Times are µs since the epoch.

-- Users are known by key inside the database; bodies refer to them by it.
CREATE TABLE users (
	app            BIGINT NOT NULL,
	key            BIGSERIAL,
	created_at     BIGINT NOT NULL,
	deactivated_at BIGINT NOT NULL DEFAULT 0,
	deleted_at     BIGINT NOT NULL DEFAULT 0,
	id             TEXT   NOT NULL COLLATE "C",
	body           BYTEA  NOT NULL, -- the user object
	PRIMARY KEY (app, key)
);
CREATE UNIQUE INDEX users_by_id ON users (app, id);

CREATE TABLE channels (
	app             BIGINT  NOT NULL,
	key             BIGSERIAL,
	created_by      BIGINT  NOT NULL,
	created_at      BIGINT  NOT NULL,
	updated_at      BIGINT  NOT NULL,
	deleted_at      BIGINT  NOT NULL,
	truncated_at    BIGINT  NOT NULL,
	truncated_by    BIGINT  NOT NULL,
	last_message_at BIGINT  NOT NULL,
	cooldown        BIGINT  NOT NULL,
	member_count    BIGINT  NOT NULL DEFAULT 0,
	message_count   BIGINT  NOT NULL DEFAULT 0, -- neither deleted nor truncated
	total_messages  BIGINT  NOT NULL DEFAULT 0, -- all rows
	sequence        BIGINT  NOT NULL DEFAULT 0, -- raised by each message sent live; see reads
	frozen          BOOLEAN NOT NULL,
	disabled        BOOLEAN NOT NULL,
	cid             TEXT    NOT NULL COLLATE "C",
	type            TEXT    NOT NULL COLLATE "C",
	id              TEXT    NOT NULL COLLATE "C",
	team            BYTEA   NOT NULL, -- a text, of any characters at all
	custom          BYTEA   NOT NULL, -- a JSON object
	PRIMARY KEY (app, key)
) WITH (fillfactor = 70); -- the counts change with every message, in place
CREATE UNIQUE INDEX channels_by_cid ON channels (app, cid);

CREATE TABLE members (
	app        BIGINT NOT NULL,
	channel    BIGINT NOT NULL,
	"user"     BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	body       BYTEA  NOT NULL,
	PRIMARY KEY (app, channel, "user")
);
CREATE INDEX members_by_user ON members (app, "user");

-- unread counts what was unread when the row was written; each message sent
-- since raises the channel's sequence above the row's. -1 = to be counted.
CREATE TABLE reads (
	app             BIGINT NOT NULL,
	channel         BIGINT NOT NULL,
	"user"          BIGINT NOT NULL,
	last_read       BIGINT NOT NULL,
	unread          BIGINT NOT NULL,
	sequence        BIGINT NOT NULL,
	last_message_id TEXT   NOT NULL COLLATE "C",
	PRIMARY KEY (app, channel, "user")
) WITH (fillfactor = 70);

-- In the order of export.
CREATE TABLE messages (
	app        BIGINT   NOT NULL,
	channel    BIGINT   NOT NULL,
	created_at BIGINT   NOT NULL,
	"user"     BIGINT   NOT NULL,
	deleted_at BIGINT   NOT NULL,
	kind       SMALLINT NOT NULL, -- 0 regular, 1 reply, 2 system; 4 = silent, 8 = a reply that its channel shows
	id         TEXT     NOT NULL COLLATE "C",
	parent     TEXT     COLLATE "C",
	quoted     TEXT     COLLATE "C",
	body       BYTEA    NOT NULL,
	reactions  BYTEA,
	thread     BYTEA,
	pin        BYTEA,
	PRIMARY KEY (app, channel, created_at, id)
) WITH (fillfactor = 85); -- reactions, replies and edits find room beside the message
CREATE UNIQUE INDEX messages_by_id ON messages (app, id);
CREATE INDEX messages_by_user ON messages (app, "user", created_at, id);
CREATE INDEX messages_pinned ON messages (app, channel, created_at, id) WHERE pin IS NOT NULL;

-- The replies of each thread, in order.
CREATE TABLE replies (
	app        BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	"user"     BIGINT NOT NULL,
	deleted_at BIGINT NOT NULL,
	parent     TEXT   NOT NULL COLLATE "C",
	id         TEXT   NOT NULL COLLATE "C",
	PRIMARY KEY (app, parent, created_at, id)
);

-- Parents that were named by a reply before they were stored themselves.
CREATE TABLE orphans (
	app    BIGINT NOT NULL,
	parent TEXT   NOT NULL COLLATE "C",
	PRIMARY KEY (app, parent)
);

CREATE TABLE reactions (
	app        BIGINT NOT NULL,
	"user"     BIGINT NOT NULL,
	score      BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	message    TEXT   NOT NULL COLLATE "C",
	type       TEXT   NOT NULL COLLATE "C",
	body       BYTEA  NOT NULL,
	PRIMARY KEY (app, message, "user", type)
);
CREATE INDEX reactions_by_user ON reactions (app, "user", created_at, message, type);

CREATE TABLE calls (
	app        BIGINT NOT NULL,
	key        BIGSERIAL,
	created_at BIGINT NOT NULL,
	cid        TEXT   NOT NULL COLLATE "C",
	body       BYTEA  NOT NULL,
	details    BYTEA, -- the call with what exports leave out; NULL if there is no such thing
	PRIMARY KEY (app, key)
);
CREATE UNIQUE INDEX calls_by_cid ON calls (app, cid);

-- Who created a call, was a member of it or took part in it.
CREATE TABLE call_users (
	app    BIGINT NOT NULL,
	"user" BIGINT NOT NULL,
	call   BIGINT NOT NULL,
	PRIMARY KEY (app, "user", call)
);
CREATE INDEX call_users_by_call ON call_users (app, call);

-- What messages were before each update.
CREATE TABLE history (
	app        BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	updated_by BIGINT NOT NULL,
	message    TEXT   NOT NULL COLLATE "C",
	object     BYTEA  NOT NULL,
	PRIMARY KEY (app, message, updated_at)
);
CREATE INDEX history_by_user ON history (app, updated_by, updated_at);

-- Messages that wait to be committed. No export sees them.
CREATE TABLE pending (
	app        BIGINT NOT NULL,
	channel    BIGINT NOT NULL,
	"user"     BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	id         TEXT   NOT NULL COLLATE "C",
	message    BYTEA  NOT NULL,
	metadata   BYTEA,
	PRIMARY KEY (app, id)
);
CREATE INDEX pending_by_channel ON pending (app, channel);
CREATE INDEX pending_by_user ON pending (app, "user");

-- What users note about channels, messages and each other; see store.MarkKind.
CREATE TABLE marks (
	app     BIGINT   NOT NULL,
	"user"  BIGINT   NOT NULL,
	at      BIGINT   NOT NULL,
	until   BIGINT   NOT NULL,
	kind    SMALLINT NOT NULL,
	subject TEXT     NOT NULL COLLATE "C",
	PRIMARY KEY (app, kind, "user", subject)
);
CREATE INDEX marks_by_subject ON marks (app, kind, subject);

CREATE TABLE settings (
	app   BIGINT NOT NULL,
	name  TEXT   NOT NULL COLLATE "C",
	value BYTEA  NOT NULL,
	PRIMARY KEY (app, name)
);

CREATE TABLE secrets (
	name  TEXT  PRIMARY KEY COLLATE "C",
	value BYTEA NOT NULL
);

-- +goose Down
DROP TABLE secrets;
DROP TABLE settings;
DROP TABLE marks;
DROP TABLE pending;
DROP TABLE history;
DROP TABLE call_users;
DROP TABLE calls;
DROP TABLE reactions;
DROP TABLE orphans;
DROP TABLE replies;
DROP TABLE messages;
DROP TABLE reads;
DROP TABLE members;
DROP TABLE channels;
DROP TABLE users;
