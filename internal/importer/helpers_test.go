package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/blob/disk"
	"hansard/internal/importer"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
)

// place is a service on a store of its own.
type place struct {
	*importer.Service
	app  store.App
	disk *disk.Store
}

func newPlace(t testing.TB) *place {
	t.Helper()
	s := engine.Open(t, nil)
	signer, err := auth.NewURLSigner(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	files, err := disk.Open(t.TempDir(), disk.Options{
		Signer:    signer,
		PublicURL: func() string { return "http://hansard.test" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	rerun := s
	if _, measured := t.(*testing.B); !measured {
		rerun = storetest.Rerun(s)
	}
	p := &place{
		Service: &importer.Service{Store: rerun, Blob: files, Scratch: t.TempDir(), Logger: slog.New(slog.DiscardHandler)},
		app:     store.App{Key: "acme", Secret: strings.Repeat("s", 32), Name: "Acme"},
		disk:    files,
	}
	if err := s.CreateApp(t.Context(), &p.app); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) importFile(ctx context.Context, file string, o importer.FileOptions) (*importer.Report, error) {
	return p.ImportFile(ctx, p.app, strings.NewReader(file), o)
}

func (p *place) mustImport(t testing.TB, file string, o importer.FileOptions) *importer.Report {
	t.Helper()
	report, err := p.importFile(t.Context(), file, o)
	if err != nil {
		if bad, ok := errors.AsType[*importer.FileError](err); ok {
			t.Fatalf("import failed: %v\n%v", err, bad.Problems)
		}
		t.Fatalf("import failed: %v", err)
	}
	return report
}

// rejected imports a file that must be refused, and lists what is said of it.
func (p *place) rejected(t testing.TB, file string) []string {
	t.Helper()
	_, err := p.importFile(t.Context(), file, importer.FileOptions{})
	var bad *importer.FileError
	if !errors.As(err, &bad) {
		t.Fatalf("import gave %v, want a FileError", err)
	}
	if bad.Failure.Type != importer.InvalidImport {
		t.Errorf("the failure has the type %q", bad.Failure.Type)
	}
	var list []string
	for _, problem := range bad.Problems {
		list = append(list, problem.String())
	}
	if bad.More {
		list = append(list, "and more")
	}
	return list
}

// parts is what a store holds, as classic JSON.
type parts struct {
	users    []string
	channels []channelParts
	calls    []string
}

type channelParts struct {
	cid, channel                        string
	members, reads, messages, reactions []string
}

// read renders everything in the store.
func (p *place) read(t testing.TB) *parts {
	t.Helper()
	all := &parts{}
	err := p.Store.View(t.Context(), p.app.ID, func(r store.Reader) error {
		rr := render.NewBulk(r)
		defer rr.Close()
		calls := map[string]bool{}
		err := r.Users(func(key int64, id string, object []byte) error {
			all.users = append(all.users, string(object))
			return r.UserCalls(key, func(row *store.CallRow) error {
				if calls[row.CID] {
					return nil
				}
				calls[row.CID] = true
				call, err := rr.Call(nil, row)
				all.calls = append(all.calls, string(call))
				return err
			})
		})
		if err != nil {
			return err
		}
		return r.Channels("", func(row *store.ChannelRow) error {
			channel, err := readChannel(r, rr, row)
			all.channels = append(all.channels, channel)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readChannel(r store.Reader, rr *render.Renderer, row *store.ChannelRow) (c channelParts, err error) {
	out, err := rr.Channel(nil, row)
	c.channel, c.cid = string(out), row.Channel.CID()
	if err != nil {
		return c, err
	}
	err = r.Members(row.Key, func(m *store.MemberRow) error {
		out, err := rr.Member(nil, m, row.CreatedBy)
		c.members = append(c.members, string(out))
		return err
	})
	if err != nil {
		return c, err
	}
	err = r.Reads(row.Key, func(m *store.ReadRow) error {
		out, err := rr.Read(nil, m)
		c.reads = append(c.reads, string(out))
		return err
	})
	if err != nil {
		return c, err
	}
	err = r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
		id := string(m.ID)
		out, err := rr.Message(nil, m)
		c.messages = append(c.messages, string(out))
		if err != nil {
			return err
		}
		return r.Reactions(id, func(m *store.ReactionRow) error {
			out, err := rr.Reaction(nil, m)
			c.reactions = append(c.reactions, string(out))
			return err
		})
	})
	return c, err
}

// text is everything, one entity a line.
func (a *parts) text() string {
	return a.withoutCalls() + strings.Join(a.calls, "\n")
}

func (a *parts) withoutCalls() string {
	var b strings.Builder
	section := func(name string, list []string) {
		fmt.Fprintf(&b, "%s\n", name)
		for _, s := range list {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	section("users", a.users)
	for _, c := range a.channels {
		fmt.Fprintln(&b, c.channel)
		section("members", c.members)
		section("reads", c.reads)
		section("messages", c.messages)
		section("reactions", c.reactions)
	}
	return b.String()
}

// v1 is a channels export of everything.
func (a *parts) v1() string {
	var channels []string
	for _, c := range a.channels {
		s := `{"channel":` + c.channel + `,"messages":[` + strings.Join(c.messages, ",") + `],"members":[` + strings.Join(c.members, ",") + `]`
		if len(c.reads) > 0 {
			s += `,"read":[` + strings.Join(c.reads, ",") + `]`
		}
		channels = append(channels, s+`}`)
	}
	return "[" + strings.Join(channels, ",") + "]"
}

// v2 is a channels export of everything, and the calls.
func (a *parts) v2(users bool) string {
	var b strings.Builder
	line := func(typ, data string) { fmt.Fprintf(&b, "{\"type\":%q,\"data\":%s}\n", typ, data) }
	// Lines of members and read states say which channel they belong to.
	within := func(c channelParts, data string) string {
		return strings.TrimSuffix(data, "}") + fmt.Sprintf(`,"channel_cid":%q}`, c.cid)
	}
	if users {
		for _, u := range a.users {
			line("user", u)
		}
	}
	for _, c := range a.channels {
		line("channel", c.channel)
	}
	for _, c := range a.channels {
		for _, m := range c.members {
			line("member", within(c, m))
		}
	}
	for _, c := range a.channels {
		for _, m := range c.reads {
			line("read", within(c, m))
		}
	}
	for _, c := range a.channels {
		for _, m := range c.messages {
			line("message", m)
		}
	}
	for _, c := range a.channels {
		for _, m := range c.reactions {
			line("reaction", m)
		}
	}
	for _, c := range a.calls {
		line("call", c)
	}
	return b.String()
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, s string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return string(z.EncodeAll([]byte(s), nil))
}

// assertTidy checks that no uploaded file and no scratch file is left.
func assertTidy(t testing.TB, p *place) {
	t.Helper()
	err := p.Blob.List(t.Context(), "", func(info blob.Info) error {
		t.Errorf("the file %s is left", info.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(p.Scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the scratch folder: %v (%v)", left, err)
	}
}
