package filter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/filter"
)

var fields = map[string]filter.Kind{
	"type": filter.String, "team": filter.String, "frozen": filter.Bool, "n": filter.Int, "at": filter.Time, "members": filter.Set,
}

// get is an object: a messaging channel of no team, made in 2001, with alice
// and bob.
func get(field string) (filter.Value, error) {
	switch field {
	case "type":
		return filter.StringValue("messaging"), nil
	case "team":
		return filter.StringValue(""), nil
	case "frozen":
		return filter.BoolValue(true), nil
	case "n":
		return filter.IntValue(7), nil
	case "at":
		return filter.TimeValue(1e15), nil
	}
	return filter.SetValue(2, func(id string) (bool, error) {
		return slices.Contains([]string{"alice", "bob"}, id), nil
	}), nil
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		raw  string
		want bool
	}{
		{`{}`, true},
		{`{"type":"messaging"}`, true},
		{`{"type":"team"}`, false},
		{`{"type":{"$in":["team","messaging"]}}`, true},
		{`{"type":{"$nin":["team","messaging"]}}`, false},
		{`{"type":{"$ne":"team"},"n":{"$gt":6,"$lt":8}}`, true},
		{`{"type":{"$ne":"team"},"n":{"$gt":6,"$lt":7}}`, false},
		{`{"n":{"$gte":7}}`, true},
		{`{"n":{"$lte":6}}`, false},
		{`{"team":{"$exists":false}}`, true},
		{`{"team":{"$exists":true}}`, false},
		{`{"team":{"$ne":"red"}}`, true},
		{`{"team":{"$lt":"z"}}`, false},
		{`{"frozen":true}`, true},
		{`{"frozen":{"$eq":false}}`, false},
		{`{"at":{"$gt":"2001-09-09T01:46:39Z"}}`, true},
		{`{"at":{"$gt":"2001-09-09T03:46:40+02:00"}}`, false},
		{`{"at":{"$lte":1000000000000000000}}`, true},
		{`{"at":{"$gt":"1970-01-01T00:00:00Z"}}`, true},
		{`{"at":{"$gte":"1900-01-01T00:00:00Z"}}`, true},
		{`{"at":{"$lt":-1}}`, false},
		{`{"at":{"$lt":"9999-12-31T23:59:59-12:00"}}`, true},
		{`{"at":{"$gte":1000000000000000001}}`, false},
		{`{"at":{"$lt":1000000000000000001}}`, true},
		{`{"at":{"$gt":999999999999999999}}`, true},
		{`{"at":{"$lte":999999999999999999}}`, false},
		{`{"members":{"$in":["alice","zoe"]}}`, true},
		{`{"members":{"$in":["zoe"]}}`, false},
		{`{"members":{"$nin":["zoe"]}}`, true},
		{`{"members":{"$eq":["bob","alice","bob"]}}`, true},
		{`{"members":["alice"]}`, false},
		{`{"members":"alice"}`, true},
		{`{"members":{"$eq":"zoe"}}`, false},
		{`{"$or":[{"type":"team"},{"n":7}]}`, true},
		{`{"$or":[{"type":"team"},{"n":8}]}`, false},
		{`{"$nor":[{"type":"team"},{"n":8}]}`, true},
		{`{"$nor":[{"type":"team"},{"n":7}]}`, false},
		{`{"$and":[{"type":"messaging"},{"$or":[{"n":1},{"frozen":true}]}]}`, true},
		{`{"$and":[{"type":"messaging"},{"n":1}]}`, false},
	} {
		f, err := filter.Parse([]byte(test.raw), fields)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		if got, err := f.Match(get); err != nil || got != test.want {
			t.Errorf("%s: got %v, %v", test.raw, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`[]`:                                "object",
		`{"type":`:                          "JSON",
		`{"color":"red"}`:                   `unknown field "color"`,
		`{"$xor":[]}`:                       "$xor",
		`{"$or":[]}`:                        "at least one",
		`{"$or":{}}`:                        "$or: must be a list",
		`{"type":7}`:                        "type $eq: must be a string",
		`{"type":{}}`:                       "type: needs an operator",
		`{"type":{"$regex":"x"}}`:           "$regex",
		`{"type":{"$in":"x"}}`:              "type $in: must be a list",
		`{"frozen":{"$gt":true}}`:           `frozen: does not take the operator "$gt"`,
		`{"frozen":"yes"}`:                  "true or false",
		`{"n":1.5}`:                         "whole number",
		`{"at":"yesterday"}`:                "RFC 3339",
		`{"at":true}`:                       "time",
		`{"team":{"$exists":1}}`:            "true or false",
		strings.Repeat(`{"$or":[`, 20):      "",
		`{"type":"a","type":"b"}`:           "JSON",
		`{"members":{"$in":["a",{"b":1}]}}`: "members $in: must be a string",
		`{"type":{"$in":[` + strings.Repeat(`"a",`, 1000) + `"a"]}}`: "at most 1000",
	} {
		if _, err := filter.Parse([]byte(raw), fields); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", raw, err, want)
		}
	}
}

func TestMatchPassesErrorsOn(t *testing.T) {
	t.Parallel()
	f, err := filter.Parse([]byte(`{"$or":[{"members":{"$in":["a"]}}]}`), fields)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	has := func(string) (bool, error) { return false, broken }
	for _, get := range []func(string) (filter.Value, error){
		func(string) (filter.Value, error) { return filter.Value{}, broken },
		func(string) (filter.Value, error) { return filter.SetValue(1, has), nil },
	} {
		if _, err := f.Match(get); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"$or":[{"type":{"$in":["a"]}},{"at":{"$gt":"2001-09-09T01:46:39Z"}}],"members":["a"]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := filter.Parse([]byte(raw), fields)
		if err != nil {
			return
		}
		if _, err := parsed.Match(func(field string) (filter.Value, error) {
			if field == "at" {
				return filter.TimeValue(chat.Time(1)), nil
			}
			return get(field)
		}); err != nil {
			t.Error(err)
		}
	})
}
