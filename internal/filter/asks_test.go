package filter_test

import (
	"testing"

	"hansard/internal/filter"
)

func TestAsks(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{}`:                             false,
		`{"team":"red"}`:                 false,
		`{"type":"a"}`:                   true,
		`{"type":{"$exists":false}}`:     true,
		`{"$or":[{"n":1},{"type":"a"}]}`: true,
		`{"$nor":[{"$and":[{"type":{"$in":["a"]}}]}]}`: true,
		`{"$nor":[{"$and":[{"n":{"$gt":3}}]}]}`:        false,
	} {
		f, err := filter.Parse([]byte(raw), fields)
		if err != nil {
			t.Fatal(err)
		}
		if f.Asks("type") != want {
			t.Errorf("%s: want %v", raw, want)
		}
	}
}
