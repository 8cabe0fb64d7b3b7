-- +goose Up

-- Rows come in runs: what is sent live is run 0, and each part of a bulk load is
-- one of its own. The indexes by user are sorted within each run, so that a load
-- writes to a few pages of them, and not to all.
CREATE TABLE runs (
	app  INTEGER NOT NULL,
	kind INTEGER NOT NULL, -- of rows: 1 messages, 2 reactions
	run  INTEGER NOT NULL, -- from 1
	rows INTEGER NOT NULL, -- that came with it
	PRIMARY KEY (app, kind, run)
) WITHOUT ROWID;

ALTER TABLE messages ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
DROP INDEX messages_by_user;
CREATE INDEX messages_by_user ON messages (app, run, user, created_at, id);

ALTER TABLE reactions ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
DROP INDEX reactions_by_user;
CREATE INDEX reactions_by_user ON reactions (app, run, user, created_at, message, type);

-- +goose Down
DROP INDEX reactions_by_user;
ALTER TABLE reactions DROP COLUMN run;
CREATE INDEX reactions_by_user ON reactions (app, user, created_at, message, type);
DROP INDEX messages_by_user;
ALTER TABLE messages DROP COLUMN run;
CREATE INDEX messages_by_user ON messages (app, user, created_at, id);
DROP TABLE runs;
