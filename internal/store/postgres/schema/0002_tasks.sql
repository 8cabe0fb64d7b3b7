-- +goose Up

-- key is NULL once the app is being deleted: nobody finds it any more, and the
-- key is free again. The ids come from a sequence: none is given twice.
CREATE TABLE apps (
	id         BIGSERIAL PRIMARY KEY,
	created_at BIGINT NOT NULL,
	key        TEXT   COLLATE "C" UNIQUE,
	secret     TEXT   NOT NULL,
	name       TEXT   NOT NULL
);

-- Whose turn it is. Apart from the apps, which every request reads, since it
-- changes with each task that is claimed.
CREATE SEQUENCE turn;
CREATE TABLE turns (
	app    BIGINT PRIMARY KEY,
	served BIGINT NOT NULL DEFAULT 0 -- rises with each task claimed; lowest = waited longest
) WITH (fillfactor = 50);

-- A heartbeat changes columns that are in no index, nor in the condition of
-- one: so it takes place within the page, and leaves the indexes alone.
CREATE TABLE tasks (
	seq        BIGSERIAL PRIMARY KEY, -- order of arrival
	app        BIGINT  NOT NULL,
	created_at BIGINT  NOT NULL,
	updated_at BIGINT  NOT NULL,
	run_at     BIGINT  NOT NULL,
	due_at     BIGINT, -- when it can be claimed: run_at, or the end of the lease
	attempt    BIGINT  NOT NULL DEFAULT 0 CHECK (attempt >= 0),
	epoch      BIGINT  NOT NULL DEFAULT 0,
	done       BIGINT  NOT NULL DEFAULT 0,
	total      BIGINT  NOT NULL DEFAULT 0,
	cancel     BOOLEAN NOT NULL DEFAULT false,
	id         TEXT    NOT NULL COLLATE "C" UNIQUE,
	kind       TEXT    NOT NULL COLLATE "C",
	status     TEXT    NOT NULL COLLATE "C" CHECK (status IN ('waiting', 'running', 'pending', 'completed', 'failed')),
	owner      TEXT    NOT NULL COLLATE "C" DEFAULT '',
	request    BYTEA,
	checkpoint BYTEA,
	detail     BYTEA,
	result     BYTEA,
	error      BYTEA,
	CHECK ((due_at IS NULL) = (status IN ('completed', 'failed'))),
	CHECK (due_at = run_at OR status NOT IN ('waiting', 'pending')),
	CHECK ((owner != '') = (status = 'running')),
	CHECK (error IS NULL OR status = 'failed'),
	CHECK (result IS NULL OR status = 'completed')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
-- What idle workers look at, several times a second.
CREATE INDEX tasks_to_run ON tasks (run_at) WHERE status IN ('waiting', 'pending');
CREATE INDEX tasks_running ON tasks (app) WHERE status = 'running';
-- The queue of each app, and the imports in it.
CREATE INDEX tasks_in_order ON tasks (app, seq) WHERE status IN ('waiting', 'running', 'pending');
CREATE INDEX tasks_imports ON tasks (app, seq) WHERE kind = 'import' AND status IN ('waiting', 'running', 'pending');
CREATE INDEX tasks_by_app ON tasks (app, created_at, seq);
CREATE INDEX tasks_by_time ON tasks (created_at, seq);

CREATE TABLE idempotency (
	app        BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	key        BYTEA  NOT NULL, -- a client's own, of whatever bytes
	hash       BYTEA  NOT NULL,
	task       TEXT   NOT NULL COLLATE "C",
	PRIMARY KEY (app, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- +goose Down
DROP TABLE idempotency;
DROP TABLE tasks;
DROP TABLE turns;
DROP SEQUENCE turn;
DROP TABLE apps;
