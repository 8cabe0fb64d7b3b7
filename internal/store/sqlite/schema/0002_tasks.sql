-- +goose Up

-- key is NULL once the app is being deleted: nobody finds it any more, and the
-- key is free again.
CREATE TABLE apps (
	id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
	key        TEXT UNIQUE,
	secret     TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	served     INTEGER NOT NULL DEFAULT 0 -- rises with each task claimed; lowest = waited longest
);

CREATE TABLE tasks (
	seq        INTEGER PRIMARY KEY, -- order of arrival
	id         TEXT    NOT NULL UNIQUE,
	app        INTEGER NOT NULL,
	kind       TEXT    NOT NULL,
	status     TEXT    NOT NULL CHECK (status IN ('waiting', 'running', 'pending', 'completed', 'failed')),
	request    BLOB,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	run_at     INTEGER NOT NULL,
	due_at     INTEGER, -- when it can be claimed: run_at, or the end of the lease
	attempt    INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
	epoch      INTEGER NOT NULL DEFAULT 0,
	owner      TEXT    NOT NULL DEFAULT '',
	cancel     INTEGER NOT NULL DEFAULT 0,
	done       INTEGER NOT NULL DEFAULT 0,
	total      INTEGER NOT NULL DEFAULT 0,
	checkpoint BLOB,
	detail     BLOB,
	result     BLOB,
	error      BLOB,
	CHECK ((due_at IS NULL) = (status IN ('completed', 'failed'))),
	CHECK ((owner != '') = (status = 'running')),
	CHECK (error IS NULL OR status = 'failed'),
	CHECK (result IS NULL OR status = 'completed')
);
CREATE INDEX tasks_due ON tasks (due_at, status, app) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_by_app ON tasks (app, created_at);
CREATE INDEX tasks_by_time ON tasks (created_at);

CREATE TABLE idempotency (
	app        INTEGER NOT NULL,
	key        TEXT    NOT NULL,
	hash       BLOB    NOT NULL,
	task       TEXT    NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- +goose Down
DROP TABLE idempotency;
DROP TABLE tasks;
DROP TABLE apps;
