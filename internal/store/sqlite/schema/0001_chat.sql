-- +goose Up

-- Users are known by key inside the database; bodies refer to them by it.
CREATE TABLE users (
	key            INTEGER PRIMARY KEY,
	app            INTEGER NOT NULL,
	id             TEXT    NOT NULL,
	created_at     INTEGER NOT NULL, -- µs since the epoch, as all times here
	deactivated_at INTEGER NOT NULL DEFAULT 0,
	deleted_at     INTEGER NOT NULL DEFAULT 0,
	body           BLOB    NOT NULL  -- the user object
);
CREATE UNIQUE INDEX users_by_id ON users (app, id);

CREATE TABLE channels (
	key             INTEGER PRIMARY KEY,
	app             INTEGER NOT NULL,
	cid             TEXT    NOT NULL,
	type            TEXT    NOT NULL,
	id              TEXT    NOT NULL,
	created_by      INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	updated_at      INTEGER NOT NULL,
	deleted_at      INTEGER NOT NULL,
	truncated_at    INTEGER NOT NULL,
	truncated_by    INTEGER NOT NULL,
	last_message_at INTEGER NOT NULL,
	frozen          INTEGER NOT NULL,
	disabled        INTEGER NOT NULL,
	team            TEXT    NOT NULL,
	cooldown        INTEGER NOT NULL,
	custom          BLOB    NOT NULL, -- a JSON object
	member_count    INTEGER NOT NULL DEFAULT 0,
	message_count   INTEGER NOT NULL DEFAULT 0, -- neither deleted nor truncated
	total_messages  INTEGER NOT NULL DEFAULT 0, -- all rows
	sequence        INTEGER NOT NULL DEFAULT 0  -- raised by each message sent live; see reads
);
CREATE UNIQUE INDEX channels_by_cid ON channels (app, cid);

CREATE TABLE members (
	app        INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	user       INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	body       BLOB    NOT NULL,
	PRIMARY KEY (app, channel, user)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (app, user);

-- unread counts what was unread when the row was written; each message sent
-- since raises the channel's sequence above the row's. -1 = to be counted.
CREATE TABLE reads (
	app             INTEGER NOT NULL,
	channel         INTEGER NOT NULL,
	user            INTEGER NOT NULL,
	last_read       INTEGER NOT NULL,
	last_message_id TEXT    NOT NULL,
	unread          INTEGER NOT NULL,
	sequence        INTEGER NOT NULL,
	PRIMARY KEY (app, channel, user)
) WITHOUT ROWID;

-- Clustered in the order of export: an export is one scan.
CREATE TABLE messages (
	app        INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	user       INTEGER NOT NULL,
	kind       INTEGER NOT NULL, -- 0 regular, 1 reply, 2 system
	deleted_at INTEGER NOT NULL,
	parent     TEXT,
	quoted     TEXT,
	body       BLOB NOT NULL,
	reactions  BLOB,
	thread     BLOB,
	pin        BLOB,
	PRIMARY KEY (app, channel, created_at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_id ON messages (app, id);
CREATE INDEX messages_by_user ON messages (app, user, created_at, id);

-- The replies of each thread, in order.
CREATE TABLE replies (
	app        INTEGER NOT NULL,
	parent     TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	user       INTEGER NOT NULL,
	deleted_at INTEGER NOT NULL,
	PRIMARY KEY (app, parent, created_at, id)
) WITHOUT ROWID;

-- Parents that were named by a reply before they were stored themselves.
CREATE TABLE orphans (
	app    INTEGER NOT NULL,
	parent TEXT    NOT NULL,
	PRIMARY KEY (app, parent)
) WITHOUT ROWID;

CREATE TABLE reactions (
	app        INTEGER NOT NULL,
	message    TEXT    NOT NULL,
	user       INTEGER NOT NULL,
	type       TEXT    NOT NULL,
	score      INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	body       BLOB    NOT NULL,
	PRIMARY KEY (app, message, user, type)
) WITHOUT ROWID;
CREATE INDEX reactions_by_user ON reactions (app, user, created_at, message, type);

CREATE TABLE calls (
	key        INTEGER PRIMARY KEY,
	app        INTEGER NOT NULL,
	cid        TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	body       BLOB    NOT NULL
);
CREATE UNIQUE INDEX calls_by_cid ON calls (app, cid);

-- Who created a call, was a member of it or took part in it.
CREATE TABLE call_users (
	app  INTEGER NOT NULL,
	user INTEGER NOT NULL,
	call INTEGER NOT NULL,
	PRIMARY KEY (app, user, call)
) WITHOUT ROWID;
CREATE INDEX call_users_by_call ON call_users (app, call);

CREATE TABLE secrets (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
);

-- +goose Down
DROP TABLE secrets;
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
