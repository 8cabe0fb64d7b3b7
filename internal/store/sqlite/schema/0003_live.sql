-- +goose Up

-- kind has flags from here on: 4 = silent, 8 = a reply that its channel shows.
UPDATE messages SET kind = kind | 4 WHERE instr(body, CAST('],"silent":true' AS BLOB)) > 0;
UPDATE messages SET kind = kind | 8 WHERE parent IS NOT NULL AND instr(body, CAST(',"show_in_channel":true' AS BLOB)) > 0;

CREATE INDEX messages_pinned ON messages (app, channel, created_at, id) WHERE pin IS NOT NULL;

-- What messages were before each update.
CREATE TABLE history (
	app        INTEGER NOT NULL,
	message    TEXT    NOT NULL,
	updated_at INTEGER NOT NULL,
	updated_by INTEGER NOT NULL,
	object     BLOB    NOT NULL,
	PRIMARY KEY (app, message, updated_at)
) WITHOUT ROWID;
CREATE INDEX history_by_user ON history (app, updated_by, updated_at);

-- Messages that wait to be committed. No export sees them.
CREATE TABLE pending (
	app        INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	channel    INTEGER NOT NULL,
	user       INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	message    BLOB    NOT NULL,
	metadata   BLOB,
	PRIMARY KEY (app, id)
) WITHOUT ROWID;
CREATE INDEX pending_by_channel ON pending (app, channel);
CREATE INDEX pending_by_user ON pending (app, user);

-- What users note about channels, messages and each other; see store.MarkKind.
CREATE TABLE marks (
	app     INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	user    INTEGER NOT NULL,
	subject TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	until   INTEGER NOT NULL,
	PRIMARY KEY (app, kind, user, subject)
) WITHOUT ROWID;
CREATE INDEX marks_by_subject ON marks (app, kind, subject);

CREATE TABLE settings (
	app   INTEGER NOT NULL,
	name  TEXT    NOT NULL,
	value BLOB    NOT NULL,
	PRIMARY KEY (app, name)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE settings;
DROP TABLE marks;
DROP TABLE pending;
DROP TABLE history;
DROP INDEX messages_pinned;
UPDATE messages SET kind = kind & 3 WHERE kind > 3;
