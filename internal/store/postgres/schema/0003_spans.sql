-- +goose Up

-- The spans of exports that several workers make together. Beats and claims
-- change columns that are in no index.
CREATE TABLE spans (
	app     BIGINT  NOT NULL,
	epoch   BIGINT  NOT NULL, -- of the task's attempt
	number  BIGINT  NOT NULL, -- order in the file
	claim   BIGINT  NOT NULL DEFAULT 0, -- raised by every claim
	try     BIGINT  NOT NULL DEFAULT 0 CHECK (try >= 0), -- claims that were not handed back
	due_at  BIGINT  NOT NULL, -- when it can be claimed
	done    BOOLEAN NOT NULL DEFAULT false,
	task    TEXT    NOT NULL COLLATE "C",
	owner   TEXT    NOT NULL COLLATE "C" DEFAULT '',
	request BYTEA   NOT NULL,
	result  BYTEA,
	state   BYTEA, -- of the file's checksum after this span
	PRIMARY KEY (app, task, epoch, number),
	CHECK ((result IS NOT NULL) = done)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX spans_open ON spans (app, task, epoch, number) WHERE NOT done;

-- +goose Down
DROP TABLE spans;
