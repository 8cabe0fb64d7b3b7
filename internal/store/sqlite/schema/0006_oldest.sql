-- +goose Up

-- The schema that the oldest program must have been made for which still works
-- with this one: while processes are replaced one by one, and when that is taken
-- back, older ones run on a newer schema. A migration that they cannot live with
-- writes its own number here.
CREATE TABLE oldest (schema INTEGER NOT NULL);
INSERT INTO oldest (schema) VALUES (6);

-- +goose Down
DROP TABLE oldest;
