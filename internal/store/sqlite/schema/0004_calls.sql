-- +goose Up

-- The call with what exports leave out; NULL if there is no such thing.
ALTER TABLE calls ADD COLUMN details BLOB;

-- +goose Down
ALTER TABLE calls DROP COLUMN details;
