package filter_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/filter"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseSort(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]filter.Sort{
		``:     nil,
		`null`: nil,
		`[]`:   nil,
		`{}`:   nil,
		`[{"field":"at","direction":-1},{"field":"type"}]`:                {{"at", true}, {"type", false}},
		`[{"direction":1,"type":"number","field":"n"},{"field":"color"}]`: {{"n", false}, {"color", false}},
		`[{"field":"at","direction":null}]`:                               {{"at", false}},
		`{"at":-1,"custom.a.b":1}`:                                        {{"at", true}, {"a.b", false}},
	} {
		if got, err := filter.ParseSort([]byte(raw), options); err != nil || !gocmp.Equal(got, want) {
			t.Errorf("%s: got %v, %v", raw, got, err)
		}
	}
	var many []string
	for i := range 11 {
		many = append(many, fmt.Sprintf(`{"field":"f%d"}`, i))
	}
	for raw, want := range map[string]string{
		`nope`:                                   "JSON",
		`[`:                                      "JSON",
		`7`:                                      "must be a list",
		`["at"]`:                                 "entry: must be an object",
		`[{"direction":1}]`:                      "needs a field",
		`[{"field":7}]`:                          "field: must be a string",
		`[{"field":"at","direction":0}]`:         "at: direction must be 1 or -1",
		`[{"field":"at","direction":"1"}]`:       "at: direction must be 1 or -1",
		`{"at":"desc"}`:                          "at: direction must be 1 or -1",
		`{"color":[]}`:                           `"color": direction`,
		`{"members":1}`:                          "members: cannot be sorted by",
		`[{"field":"at"},{"field":"at"}]`:        "at: stands there twice",
		`{"` + strings.Repeat("x", 300) + `":1}`: "1 to 255 bytes",
		`[` + strings.Join(many, ",") + `]`:      "more than 10 fields",
	} {
		if _, err := filter.ParseSort([]byte(raw), options); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 250 {
			t.Errorf("%.60s: got %v, want %s", raw, err, want)
		}
	}
	if _, err := filter.ParseSort([]byte(`{"color":1}`), filter.Options{Fields: fields}); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("no custom fields: got %v", err)
	}
}

// TestSortOrder has values of every kind, the smallest first. What is not there
// is last whichever way.
func TestSortOrder(t *testing.T) {
	t.Parallel()
	value := func(raw string) filter.Value { return filter.JSONValue([]byte(raw)) }
	ladder := []filter.Value{
		filter.BoolValue(false), value(`true`),
		value(`-1e400`), value(`-12345678901234567891`), value(`-2.5`), filter.IntValue(0), value(`1e-400`), value(`0.1`), value(`2.50`),
		filter.IntValue(3), value(`9007199254740993`), value(`9007199254740993.5`), value(`12345678901234567891`), value(`1e400`), value(`1e99999999999999999999`),
		filter.TimeValue(1), filter.TimeValue(2),
		value(`""`), value(`"B"`), filter.StringValue("a"), value(`"aa"`), value(`"\u00e9"`),
		value(`[1]`), value(`{}`), filter.SetValue(1, nil),
	}
	missing := []filter.Value{{}, value(`null`), value(``), filter.StringValue(""), filter.TimeValue(0), filter.SetValue(0, nil), filter.CustomValue([]byte(`{}`), "a")}
	up, down := filter.Sort{{Field: "x"}}, filter.Sort{{Field: "x", Descending: true}}
	for i, a := range ladder {
		for j, b := range ladder {
			want := cmp.Compare(i, j)
			if got := up.Compare([]filter.Value{a}, []filter.Value{b}); got != want {
				t.Errorf("%d and %d: got %d", i, j, got)
			}
			if got := down.Compare([]filter.Value{a}, []filter.Value{b}); got != -want {
				t.Errorf("%d and %d, descending: got %d", i, j, got)
			}
		}
		for j, b := range missing {
			for _, s := range []filter.Sort{up, down} {
				if s.Compare([]filter.Value{a}, []filter.Value{b}) >= 0 || s.Compare([]filter.Value{b}, []filter.Value{a}) <= 0 {
					t.Errorf("%d does not come before what is missing (%d)", i, j)
				}
			}
		}
	}
	for _, equal := range [][2]string{{`1000`, `1e3`}, {`2.5`, `2.50`}, {`0`, `-0.0e5`}, {`1e20`, `100000000000000000000.0`}, {`[1]`, `[2]`}, {`"\u0061"`, `"a"`}} {
		if order(value(equal[0]), value(equal[1])) != 0 {
			t.Errorf("%v are not equal", equal)
		}
	}
	if up.Compare(nil, nil) != 0 || up.Compare(nil, ladder[:1]) <= 0 {
		t.Error("a key that is too short")
	}
}

func TestSortKey(t *testing.T) {
	t.Parallel()
	s := filter.Sort{{Field: "n", Descending: true}, {Field: "type"}}
	key, err := s.AppendKey(nil, get)
	if err != nil || len(key) != 2 {
		t.Fatalf("got %d values, %v", len(key), err)
	}
	for _, test := range []struct {
		n    int64
		kind string
		want int
	}{{7, "messaging", 0}, {8, "a", -1}, {6, "a", 1}, {7, "a", -1}, {7, "z", 1}} {
		if got := s.Compare([]filter.Value{filter.IntValue(test.n), filter.StringValue(test.kind)}, key); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
	broken := errors.New("broken")
	if _, err := s.AppendKey(nil, func(string) (filter.Value, error) { return filter.Value{}, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestNumbersAreExact compares numbers as fractions do.
func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	numbers := rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?`),
		rapid.StringMatching(`-?[12](\.[05]0{0,3})?(e[+-]?[0-3])?`),
		rapid.StringMatching(`-?92233720368547758(0[67]|1[0-9])(\.0)?`),
	)
	rapid.Check(t, func(r *rapid.T) {
		a, b := numbers.Draw(r, "a"), numbers.Draw(r, "b")
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if !okX || !okY {
			r.Fatalf("%s or %s is no number", a, b)
		}
		if got := order(filter.JSONValue([]byte(a)), filter.JSONValue([]byte(b))); got != x.Cmp(y) {
			r.Errorf("%s and %s: got %d", a, b, got)
		}
	})
}

func TestPage(t *testing.T) {
	t.Parallel()
	byN := filter.Sort{{Field: "n"}}
	for _, test := range []struct {
		offset, limit int
		want          []string
	}{
		{0, 3, []string{"a", "b", "c"}},
		{1, 2, []string{"b", "c"}},
		{3, 5, []string{"d", "e"}},
		{5, 5, []string{}},
		{9, 5, []string{}},
		{0, 0, []string{}},
		{2, 0, []string{}},
		{-1, -1, []string{}},
		{-1, 1, []string{"a"}},
	} {
		p := filter.NewPage[string](byN, test.offset, test.limit)
		for i, id := range []string{"c", "e", "a", "d", "b"} {
			p.Add([]filter.Value{filter.IntValue(int64(id[0] / 'c'))}, id, id) // two keys, and ids among them
			if i == 2 {
				p.Items() // changes nothing
			}
		}
		if got := p.Items(); !gocmp.Equal(got, test.want) {
			t.Errorf("%d, %d: got %v", test.offset, test.limit, got)
		}
	}
}

// TestPageCopies: what a page keeps does not change with the memory that it was
// shown.
func TestPageCopies(t *testing.T) {
	t.Parallel()
	p := filter.NewPage[int](filter.Sort{{Field: "x"}}, 0, 2)
	key := make([]filter.Value, 1)
	for i, s := range []string{"b", "c", "a", "d"} {
		key[0] = filter.StringValue(s)
		if p.Wants(key, "id") != (i < 3) {
			t.Errorf("%s: wants %v", s, i >= 3)
		}
		p.Add(key, "id", i)
	}
	if got := p.Items(); !gocmp.Equal(got, []int{2, 0}) {
		t.Errorf("got %v", got)
	}
}

// TestPageIsASortedList: a page is the stretch of the sorted list that it is
// meant to be.
func TestPageIsASortedList(t *testing.T) {
	t.Parallel()
	type row struct {
		id  string
		key []filter.Value
	}
	values := rapid.OneOf(
		rapid.Custom(func(r *rapid.T) filter.Value { return filter.IntValue(rapid.Int64Range(-2, 2).Draw(r, "n")) }),
		rapid.Custom(func(r *rapid.T) filter.Value {
			return filter.StringValue(rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(r, "s"))
		}),
		rapid.Custom(func(r *rapid.T) filter.Value {
			return filter.JSONValue([]byte(rapid.SampledFrom([]string{"null", "true", "0.5", "-1e30", "[1]", "[2]", "{}", `"a"`}).Draw(r, "json")))
		}),
		rapid.Custom(func(r *rapid.T) filter.Value { return filter.TimeValue(chat.Time(rapid.IntRange(0, 2).Draw(r, "t"))) }),
	)
	rapid.Check(t, func(r *rapid.T) {
		var by filter.Sort
		for i := range rapid.IntRange(0, 3).Draw(r, "fields") {
			by = append(by, filter.Order{Field: fmt.Sprint(i), Descending: rapid.Bool().Draw(r, "descending")})
		}
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]{1,4}`), 0, 60, rapid.ID).Draw(r, "ids")
		offset, limit := rapid.IntRange(0, 30).Draw(r, "offset"), rapid.IntRange(0, 30).Draw(r, "limit")
		page := filter.NewPage[string](by, offset, limit)
		var rows []row
		for _, id := range ids {
			one := row{id, rapid.SliceOfN(values, len(by), len(by)).Draw(r, "key")}
			rows = append(rows, one)
			wanted := page.Wants(one.key, id)
			page.Add(one.key, id, id)
			if kept := slices.Contains(page.Items(), id); kept && !wanted {
				r.Fatalf("%s was not wanted, but kept", id)
			}
		}
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
		sort.SliceStable(rows, func(i, j int) bool { return by.Compare(rows[i].key, rows[j].key) < 0 })
		want := []string{}
		for _, one := range rows[min(offset, len(rows)):min(offset+limit, len(rows))] {
			want = append(want, one.id)
		}
		if got := page.Items(); !slices.Equal(got, want) {
			r.Errorf("got %q, want %q", got, want)
		}
	})
}
