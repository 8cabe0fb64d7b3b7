package filter_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"hansard/internal/filter"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var options = filter.Options{Fields: fields, Custom: true}

const custom = `{"color":"Dark Red","empty":"","big":12345678901234567891,"price":2.50,"tiny":-1.5e-7,"huge":1e500,"monster":1e99999999999999999999,
	"count":1e3,"least":-9223372036854775808,"on":true,"off":false,"none":null,"tags":["a","b",7,2.50,false,null,["c"],{"d":1}],"bare":[],
	"name":"Zoë O’Neil-Σίσυφος","hi":"नमस्ते","address":{"city":"Bern","geo":{"lat":46.9,"a.b":1},"zip":"3000"},"address.zip":"4000","x":{"y":"1"},"x.z":{"q":"2"}}`

// getCustom is the object of get, with custom fields.
func getCustom(field string) (filter.Value, error) {
	if _, ok := fields[field]; ok {
		return get(field)
	}
	return filter.CustomValue([]byte(custom), field), nil
}

func TestMatchWith(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		raw  string
		want bool
	}{
		{``, true},
		{`null`, true},
		{` {} `, true},

		// Custom fields, by kind.
		{`{"color":"Dark Red"}`, true},
		{`{"color":"dark red"}`, false},
		{`{"custom.color":"Dark Red"}`, true},
		{`{"color":{"$ne":"blue"}}`, true},
		{`{"color":{"$ne":7}}`, true},
		{`{"color":{"$nin":["blue",7]}}`, true},
		{`{"color":{"$nin":["blue","Dark Red"]}}`, false},
		{`{"color":{"$in":[7,"Dark Red"]}}`, true},
		{`{"color":{"$gt":"Dark","$lt":"E"}}`, true},
		{`{"color":{"$gt":1}}`, false},
		{`{"color":{"$lt":1}}`, false},
		{`{"on":true}`, true},
		{`{"on":false}`, false},
		{`{"off":false}`, true},
		{`{"off":0}`, false},
		{`{"on":1}`, false},
		{`{"on":"true"}`, false},
		{`{"tags":"a"}`, false},
		{`{"address":"Bern"}`, false},

		// What is there and what is not.
		{`{"empty":{"$exists":true}}`, true},
		{`{"empty":""}`, true},
		{`{"off":{"$exists":true}}`, true},
		{`{"none":{"$exists":true}}`, false},
		{`{"nowhere":{"$exists":false}}`, true},
		{`{"nowhere":null}`, true},
		{`{"none":null}`, true},
		{`{"color":null}`, false},
		{`{"color":{"$ne":null}}`, true},
		{`{"none":{"$ne":null}}`, false},
		{`{"none":{"$in":["a",null]}}`, true},
		{`{"none":{"$in":["a"]}}`, false},
		{`{"color":{"$nin":[null]}}`, true},
		{`{"none":{"$nin":[null,"a"]}}`, false},
		{`{"none":{"$ne":"a"}}`, true},
		{`{"none":{"$lt":"a"}}`, false},
		{`{"team":null}`, true},
		{`{"team":{"$ne":null}}`, false},
		{`{"at":null}`, false},
		{`{"frozen":{"$ne":null}}`, true},
		{`{"members":null}`, false},

		// Numbers.
		{`{"big":12345678901234567891}`, true},
		{`{"big":12345678901234567890}`, false},
		{`{"big":{"$gt":12345678901234567890,"$lt":12345678901234567892}}`, true},
		{`{"big":{"$gt":9223372036854775807}}`, true},
		{`{"big":{"$gt":-12345678901234567892}}`, true},
		{`{"big":1.2345678901234567891e19}`, true},
		{`{"price":2.5}`, true},
		{`{"price":25e-1}`, true},
		{`{"price":{"$in":[1,2.500]}}`, true},
		{`{"price":{"$gt":2.49999999999999999999,"$lte":2.50000000000000000000}}`, true},
		{`{"price":{"$gte":3}}`, false},
		{`{"price":{"$gt":2}}`, true},
		{`{"price":{"$gt":0}}`, true},
		{`{"price":"2.50"}`, false},
		{`{"tiny":-0.00000015}`, true},
		{`{"tiny":{"$lt":0,"$gt":-1}}`, true},
		{`{"tiny":{"$lt":-0.00000014,"$gt":-0.00000016}}`, true},
		{`{"huge":1E+500}`, true},
		{`{"huge":{"$gt":1e499}}`, true},
		{`{"huge":{"$lt":2e500}}`, true},
		{`{"monster":{"$gt":1e900}}`, true},
		{`{"count":1000}`, true},
		{`{"count":1000.0}`, true},
		{`{"least":-9223372036854775808}`, true},
		{`{"least":-9.223372036854775808e18}`, true},
		{`{"least":{"$gt":-9223372036854775809}}`, true},
		{`{"least":{"$lt":0.5}}`, true},

		// Lists.
		{`{"tags":{"$contains":"a"}}`, true},
		{`{"tags":{"$contains":"c"}}`, false},
		{`{"tags":{"$contains":7.0}}`, true},
		{`{"tags":{"$contains":2.5}}`, true},
		{`{"tags":{"$contains":"7"}}`, false},
		{`{"tags":{"$contains":false}}`, true},
		{`{"tags":{"$contains":true}}`, false},
		{`{"bare":{"$contains":"a"}}`, false},
		{`{"color":{"$contains":"Dark Red"}}`, false},
		{`{"none":{"$contains":"a"}}`, false},

		// Sets.
		{`{"members":{"$contains":"alice"}}`, true},
		{`{"members":{"$contains":"zoe"}}`, false},
		{`{"members":{"$eq":["alice","bob"]}}`, true},
		{`{"members":{"$exists":true}}`, true},

		// Dots.
		{`{"address.city":"Bern"}`, true},
		{`{"custom.address.city":"Bern"}`, true},
		{`{"address.geo.lat":{"$gt":46,"$lt":47}}`, true},
		{`{"address.geo.a.b":1}`, true},
		{`{"address.geo.lat.x":null}`, true},
		{`{"address.zip":"4000"}`, true},
		{`{"x.z.q":"2"}`, true},
		{`{"x.y":"1"}`, true},
		{`{"x.z.":null}`, true},
		{`{"tags.0":null}`, true},
		{`{"address":{"$exists":true}}`, true},

		// Search.
		{`{"name":{"$autocomplete":"zo"}}`, true},
		{`{"name":{"$autocomplete":"ZOË"}}`, true},
		{`{"name":{"$autocomplete":"oë"}}`, false},
		{`{"name":{"$q":"neil zoë"}}`, true},
		{`{"name":{"$q":"neil bob"}}`, false},
		{`{"name":{"$q":"zoëx"}}`, false},
		{`{"name":{"$q":"σίσυφοσ"}}`, true},
		{`{"name":{"$q":"ΣΊΣ, o"}}`, true},
		{`{"hi":{"$q":"नमस्"}}`, true},
		{`{"hi":{"$q":"स्ते"}}`, false},
		{`{"color":{"$autocomplete":"re"}}`, true},
		{`{"big":{"$autocomplete":"1"}}`, false},
		{`{"none":{"$autocomplete":"1"}}`, false},
		{`{"type":{"$autocomplete":"Mess"}}`, true},
		{`{"type":{"$q":"mess"}}`, true},
		{`{"team":{"$q":"mess"}}`, false},

		{`{"$and":[{"color":{"$exists":true}},{"$nor":[{"price":{"$gt":3}}]}],"type":"messaging"}`, true},
	} {
		f, err := filter.ParseWith([]byte(test.raw), options)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		if got, err := f.Match(getCustom); err != nil || got != test.want {
			t.Errorf("%s: got %v, %v", test.raw, got, err)
		}
	}
}

// TestMatchInLargeLists has operands in no order, in which each must be found.
func TestMatchInLargeLists(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 999 {
		list = append(list, strconv.Itoa((i*7919)%999), strconv.Quote(strconv.Itoa(i)))
	}
	for _, operands := range [][]string{list[:998], list[998:]} {
		f, err := filter.ParseWith([]byte(`{"x":{"$in":[`+strings.Join(operands, ",")+`]}}`), options)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			got, err := f.Match(func(string) (filter.Value, error) { return filter.JSONValue([]byte(one)), nil })
			if want := slices.Contains(operands, one); err != nil || got != want {
				t.Errorf("%s: got %v, %v", one, got, err)
			}
		}
	}
}

func TestRefusedWith(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for raw, want := range map[string]string{
		`nope`:               "JSON",
		` `:                  "JSON",
		`7`:                  "object",
		`{"":1}`:             `""`,
		`{"custom.":1}`:      `"custom."`,
		`{"` + long + `":1}`: "1 to 255 bytes",
		`{"a` + strings.Repeat(".a", 17) + `":1}`: "at most 16 dots",
		`{"color":{}}`:                                                   `"color": needs an operator`,
		`{"color":{"$regex":"x"}}`:                                       `"color": does not take the operator "$regex"`,
		`{"color":{"` + long + `":"x"}}`:                                 "…",
		`{"color":["a"]}`:                                                `"color" $eq: must be a string, a number, true or false`,
		`{"color":{"$eq":{}}}`:                                           `"color" $eq: must be`,
		`{"color":{"$in":"a"}}`:                                          `"color" $in: must be a list`,
		`{"color":{"$in":[[]]}}`:                                         `"color" $in: must be`,
		`{"color":{"$gt":true}}`:                                         `"color" $gt: must be a string or a number`,
		`{"color":{"$lt":null}}`:                                         `"color" $lt: must be a string or a number`,
		`{"color":{"$exists":null}}`:                                     `"color" $exists: must be true or false`,
		`{"color":{"$contains":null}}`:                                   `"color" $contains: must be`,
		`{"color":{"$contains":["a"]}}`:                                  `"color" $contains: must be`,
		`{"color":{"$autocomplete":7}}`:                                  `"color" $autocomplete: must be a string`,
		`{"color":{"$autocomplete":" - "}}`:                              `"color" $autocomplete: must have a letter or a digit`,
		`{"color":{"$q":"` + strings.Repeat("a ", 33) + `"}}`:            "at most 32 words",
		`{"color":1` + strings.Repeat("0", 1000) + `}`:                   "at most 1000 characters",
		`{"color":1e2000}`:                                               "must be a number between",
		`{"color":-1e-2000}`:                                             "must be a number between",
		`{"color":1e99999999999999999999}`:                               "must be a number between",
		`{"type":{"$contains":"a"}}`:                                     `type: does not take the operator "$contains"`,
		`{"type":{"$in":[null]}}`:                                        "type $in: must be a string",
		`{"members":{"$contains":["alice"]}}`:                            "members $contains: must be a string",
		`{"members":{"$in":["alice",null]}}`:                             "members $in: must be a string",
		`{"members":{"$in":"alice"}}`:                                    "members $in: must be a list",
		`{"n":{"$gt":null}}`:                                             "n $gt: must be a whole number",
		`{"x":{"$in":[` + strings.Repeat(`1,`, 1000) + `1]}}`:            "at most 1000",
		`{"$and":[` + strings.Repeat(`{"x":1},`, 200) + `{"x":1}]}`:      "more than 200",
		strings.Repeat(`{"$or":[`, 20) + `{}` + strings.Repeat(`]}`, 20): "nested",
	} {
		_, err := filter.ParseWith([]byte(raw), options)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 250 {
			t.Errorf("%.60s: got %v, want %s", raw, err, want)
		}
	}
	if _, err := filter.ParseWith([]byte(`{"color":"red"}`), filter.Options{Fields: fields}); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("no custom fields: got %v", err)
	}
}

// TestExportsKeepTheirOperators: what the data API adds is not in their contract.
func TestExportsKeepTheirOperators(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`null`:                              "object",
		``:                                  "JSON",
		`{"type":null}`:                     "type $eq: must be a string",
		`{"type":{"$autocomplete":"a"}}`:    "it takes $eq $ne $in $nin $gt $gte $lt $lte $exists",
		`{"type":{"$q":"a"}}`:               `"$q"`,
		`{"members":{"$contains":"alice"}}`: "it takes $eq $in $nin $exists",
		`{"custom.color":"red"}`:            "unknown field",
	} {
		if _, err := filter.Parse([]byte(raw), fields); err == nil || !strings.HasSuffix(err.Error(), want) && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", raw, err, want)
		}
	}
}

func TestEquals(t *testing.T) {
	t.Parallel()
	many := `["d","c","b","a","b"]`
	for _, test := range []struct {
		raw, field string
		want       []string
		ok         bool
	}{
		{`{}`, "type", nil, false},
		{`{"type":"a"}`, "type", []string{"a"}, true},
		{`{"type":"a"}`, "team", nil, false},
		{`{"type":{"$in":` + many + `}}`, "type", []string{"a", "b", "c", "d"}, true},
		{`{"type":{"$in":[]}}`, "type", []string{}, true},
		{`{"type":{"$in":` + many + `,"$eq":"c"}}`, "type", []string{"c"}, true},
		{`{"type":{"$ne":"a"}}`, "type", nil, false},
		{`{"type":{"$nin":["a"]}}`, "type", nil, false},
		{`{"type":{"$gte":"a"}}`, "type", nil, false},
		{`{"type":{"$q":"a"}}`, "type", nil, false},
		{`{"type":null}`, "type", nil, false},
		{`{"n":7}`, "n", nil, false},
		{`{"$and":[{"n":7},{"$and":[{"type":"a"}]}]}`, "type", []string{"a"}, true},
		{`{"$and":[{"type":{"$in":` + many + `}},{"type":"a"}]}`, "type", []string{"a"}, true},
		{`{"type":"a","$or":[{"type":"b"},{"type":"a"}]}`, "type", []string{"a"}, true},
		{`{"$or":[{"type":"b"}]}`, "type", nil, false},
		{`{"$nor":[{"type":"b"}]}`, "type", nil, false},
		{`{"members":{"$in":["b","a"]}}`, "members", []string{"a", "b"}, true},
		{`{"members":{"$in":["b","a"]},"$and":[{"members":{"$contains":"b"}}]}`, "members", []string{"b"}, true},
		{`{"members":"a"}`, "members", []string{"a"}, true},
		{`{"members":["b","a"]}`, "members", []string{"a"}, true},
		{`{"members":[]}`, "members", nil, false},
		{`{"members":{"$nin":["a"]}}`, "members", nil, false},
		{`{"color":{"$in":["b","a"]}}`, "color", []string{"a", "b"}, true},
		{`{"custom.color":"a"}`, "color", []string{"a"}, true},
		{`{"color":{"$in":["a",7]}}`, "color", nil, false},
		{`{"color":{"$in":["a",null]}}`, "color", nil, false},
		{`{"color":7}`, "color", nil, false},
		{`{"color":{"$contains":"a"}}`, "color", nil, false},
	} {
		f, err := filter.ParseWith([]byte(test.raw), options)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		got, ok := f.Equals(test.field)
		if ok != test.ok || !cmp.Equal(got, test.want) {
			t.Errorf("%s: got %v, %v", test.raw, got, ok)
		}
	}
}

// FuzzQuery: whatever is asked of whatever custom fields, nothing panics, a sort
// is an order, and what Equals says holds for what is meant.
func FuzzQuery(f *testing.F) {
	f.Add(`{"$or":[{"color":{"$in":["a",2.5,null]}},{"at":null}],"x.y":{"$q":"Zoë"}}`, `[{"field":"x.y","direction":-1}]`, custom)
	f.Add(`{"color":"Dark Red","tags":{"$contains":7},"big":{"$gt":1e19}}`, `{"created_at":-1,"color":1}`, custom)
	f.Fuzz(func(t *testing.T, rawFilter, rawSort, object string) {
		get := func(field string) (filter.Value, error) {
			if _, ok := fields[field]; ok {
				return get(field)
			}
			return filter.CustomValue([]byte(object), field), nil
		}
		if query, err := filter.ParseWith([]byte(rawFilter), options); err == nil {
			meant, err := query.Match(get)
			if err != nil {
				t.Error(err)
			}
			pinned, ok := query.Equals("color")
			if meant && ok {
				v, _ := get("color")
				if !slices.ContainsFunc(pinned, func(s string) bool { return order(v, filter.JSONValue(quote(s))) == 0 }) {
					t.Errorf("%s means %s, but Equals says %q", rawFilter, object, pinned)
				}
			}
		}
		sort, err := filter.ParseSort([]byte(rawSort), options)
		if err != nil {
			return
		}
		a, err := sort.AppendKey(nil, get)
		if err != nil {
			t.Error(err)
		}
		b, err := sort.AppendKey(nil, getCustom)
		if err != nil {
			t.Error(err)
		}
		if sort.Compare(a, a) != 0 || sort.Compare(a, b) != -sort.Compare(b, a) {
			t.Errorf("%s is no order", rawSort)
		}
	})
}

// order compares two values as a sort does.
func order(a, b filter.Value) int {
	return filter.Sort{{Field: "x"}}.Compare([]filter.Value{a}, []filter.Value{b})
}

func quote(s string) []byte {
	b, _ := jsontext.AppendQuote(nil, s)
	return b
}
