package render_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hansard/internal/render"
	"hansard/internal/store"
)

// crowd is a Reader of users alone, who are as the test says.
type crowd struct {
	store.Reader
	objects [][]byte
	asked   int
}

func (c *crowd) UserInto(buf []byte, key int64) (string, []byte, error) {
	c.asked++
	if key >= int64(len(c.objects)) {
		return "", buf, errors.New("no such user")
	}
	return fmt.Sprint("user-", key), append(buf, c.objects[key]...), nil
}

// Whatever users look like, and however many there are, each is written as it is
// stored.
func TestUsers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(rapid.SampledFrom([]string{"", `,"name":"x"`, `":`, strings.Repeat("long ", 60), strings.Repeat("very long ", 500)}), rapid.String())
		c := &crowd{}
		for i := range rapid.IntRange(1, 300).Draw(rt, "users") {
			object := fmt.Sprintf(`{"id":"user-%d"`, i)
			for _, key := range []string{"role", "name", "image", "language", "title"} {
				if rapid.Bool().Draw(rt, "has "+key) {
					object += fmt.Sprintf(`,%q:%q`, key, value.Draw(rt, key))
				}
			}
			c.objects = append(c.objects, []byte(object+"}"))
		}
		for _, r := range []*render.Renderer{render.New(c), render.NewBulk(c)} {
			for _, key := range rapid.SliceOfN(rapid.IntRange(0, len(c.objects)-1), 1, 1000).Draw(rt, "asked for") {
				got, err := r.User([]byte("x"), int64(key))
				if want := "x" + string(c.objects[key]); err != nil || string(got) != want {
					rt.Fatalf("user %d: got %s, %v; want %s", key, got, err, want)
				}
				got, err = r.UserID([]byte("x"), int64(key))
				if want := fmt.Sprintf(`x"user-%d"`, key); err != nil || string(got) != want {
					rt.Fatalf("id of user %d: got %s, %v; want %s", key, got, err, want)
				}
			}
			r.Close()
		}
	})
}

// Of more users than there is room for those who appear often stay.
func TestUsersBeyondRoom(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60_000 {
		c.objects = append(c.objects, fmt.Appendf(nil, `{"id":"user-%d","token":"%016x%016x%016x%016x"}`, i, rnd.Uint64(), rnd.Uint64(), rnd.Uint64(), rnd.Uint64()))
	}
	r := render.NewBulk(c)
	defer r.Close()
	var b []byte
	often := 0
	for i := range 300_000 {
		key := rnd.IntN(len(c.objects))
		if i%2 == 0 {
			key %= 500
		}
		before := c.asked
		var err error
		if b, err = r.User(b[:0], int64(key)); err != nil || string(b) != string(c.objects[key]) {
			t.Fatalf("user %d: got %s, %v; want %s", key, b, err, c.objects[key])
		}
		if key < 500 {
			often += c.asked - before
		}
	}
	if often > 2000 {
		t.Errorf("500 users were read %d times", often)
	}
}

func BenchmarkUsers(b *testing.B) {
	const n = 20_000
	c := &crowd{}
	for i := range n {
		c.objects = append(c.objects, fmt.Appendf(nil, `{"id":"user-%05d","role":"user","created_at":"2019-12-31T%02d:%02d:39.%06dZ","banned":false,"online":false,"name":"Leila %d","image":"https://img.example.com/avatars/%08x.jpg","language":"en","time_zone":"Europe/Lisbon","title":"pocket"}`,
			i, i%24, i%60, i*7, i*3, i*1_000_003))
	}
	r := render.NewBulk(c)
	defer r.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if line, err = r.User(line[:0], int64(rnd.IntN(n))); err != nil {
			b.Fatal(err)
		}
	}
}
