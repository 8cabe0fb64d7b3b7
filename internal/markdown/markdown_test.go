package markdown_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"hansard/internal/markdown"

	"github.com/microcosm-cc/bluemonday"
	"pgregory.net/rapid"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"   ", ""},
		{"\n\n", ""},
		{"hello", "<p>hello</p>\n"},
		{"  hello  ", "<p>hello</p>\n"},
		{"Don't say \"x\" & y", "<p>Don&#39;t say &#34;x&#34; &amp; y</p>\n"},
		{"Привет, мир! 👋", "<p>Привет, мир! 👋</p>\n"},
		{"**b** _i_ ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <del>s</del> <code>c</code></p>\n"},
		{"two\nlines", "<p>two<br>\nlines</p>\n"},
		{"two\n\nparagraphs", "<p>two</p>\n<p>paragraphs</p>\n"},
		{"- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"},
		{"1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n"},
		{"# head", "<h1>head</h1>\n"},
		{"> said", "<blockquote>\n<p>said</p>\n</blockquote>\n"},
		{"```go\nx < y\n```", "<pre><code>x &lt; y\n</code></pre>\n"},
		{"a &amp; b &copy;", "<p>a &amp; b ©</p>\n"},
		{"[y](http://a.example)", "<p><a href=\"http://a.example\" rel=\"nofollow\">y</a></p>\n"},
		{"see www.a.example.", "<p>see <a href=\"http://www.a.example\" rel=\"nofollow\">www.a.example</a>.</p>\n"},
		{
			"https://a.example/x?y=1&z=2",
			"<p><a href=\"https://a.example/x?y=1&amp;z=2\" rel=\"nofollow\">https://a.example/x?y=1&amp;z=2</a></p>\n",
		},
		{"![i](http://a.example/y.png)", "<p><img src=\"http://a.example/y.png\" alt=\"i\"></p>\n"},
		// Tags, addresses of mail, tables and definitions are text.
		{"<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"},
		{"<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"},
		{"<!-- x -->", "<p>&lt;!-- x --&gt;</p>\n"},
		{"bob@a.example", "<p>bob@a.example</p>\n"},
		{"| a |\n|---|\n| 1 |", "<p>| a |<br>\n|---|<br>\n| 1 |</p>\n"},
		{"[a]: http://x\n\n[a]", "<p>[a]: http://x</p>\n<p>[a]</p>\n"},
		// No address that does something.
		{"[x](javascript:alert(1))", "<p>x</p>\n"},
		{"![x](data:text/html;base64,eA==)", "<p><img alt=\"x\"></p>\n"},
		{"<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"},
	} {
		if got := markdown.HTML(tt.text); got != tt.want {
			t.Errorf("HTML(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// Texts that are made to grow, or to take long, do neither.
func TestBounds(t *testing.T) {
	t.Parallel()
	const size = 8 << 10
	for _, piece := range []string{
		">", "> - ", "- ", "1) ", "#\n", "-\n", "a\n\n", "*a ", "*a **a ", "a*_", "[", "![", "[a](", "[a](<", "*_~~[", "`a``",
		"<", "\"'", "((((", "_a", "www.a_", "(http://a", " https://a.b/", "a@", "&#", "[a]", "[a]: b\n",
	} {
		text := strings.Repeat(piece, size/len(piece))
		html := markdown.HTML(text)
		if most := markdown.MaxGrowth*len(text) + 1<<10; len(html) > most {
			t.Errorf("%d times %q gives %d bytes", size/len(piece), piece, len(html))
		}
	}
	// What is too long is not looked through.
	if got, want := markdown.HTML(strings.Repeat("*a* ", 100<<10)), "<p>*a* *a*"; !strings.HasPrefix(got, want) {
		t.Errorf("got %.100q…", got)
	}
	// What grew too much is shown as it was typed.
	if got := markdown.HTML(strings.Repeat(">", size)); got != "<p>"+strings.Repeat("&gt;", size)+"</p>\n" {
		t.Errorf("got %.100q…", got)
	}
	if got, want := markdown.TypedHTML(" <a>\r\n'b'\x00 "), "<p>&lt;a&gt;<br>\n&#39;b&#39;\uFFFD</p>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// alphabet has what means something, to Markdown or to HTML, and what does not.
var alphabet = []rune("ab yz AZ 09 .,;:?!'\"()-+=%$#/ éжあ🎉\u0301 \u00a0\u2028\u3000\ufeff\u200d\ufffd\u0085 *_`~[]<>&\\|{}@^\t\n\r\x00\x01\x7f")

func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 40, -1),
		rapid.StringOfN(rapid.SampledFrom(alphabet[:45]), 0, 40, -1),
		rapid.StringMatching(`[a-z]{0,3}[0-9]{0,3}[.)]? ?(www\.|https?://|ftp:|&)?[a-z'.,/:;=()#-]{0,9}( -|\+|=|#)*[ a-z]{0,9}`),
		rapid.String(),
	)
}

// TestShortcut: a plain text looks the same whichever way it goes.
func TestShortcut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Filter(markdown.IsPlain).Draw(t, "text")
		if got, want := markdown.HTML(text), markdown.FullHTML(text); got != want {
			t.Fatalf("HTML(%q) = %q, want %q", text, got, want)
		}
	})
}

func TestEverydayTextIsPlain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hello", "Don't worry, I'll be there at 5:30 (or 6)!", "Как дела?", "message 17: ok", "100% sure; a/b"} {
		if !markdown.IsPlain(text) {
			t.Errorf("%q takes the long way", text)
		}
	}
}

var policy = bluemonday.UGCPolicy()

// check holds for every text: what comes out is well-formed, bounded, and has
// nothing left that a sanitiser would change.
func check(t interface{ Fatalf(string, ...any) }, text string) {
	html := markdown.HTML(text)
	if len(html) > markdown.MaxGrowth*len(text)+1<<10 {
		t.Fatalf("HTML(%q) has %d bytes", text, len(html))
	}
	if utf8.ValidString(text) && !utf8.ValidString(html) {
		t.Fatalf("HTML(%q) = %q is not UTF-8", text, html)
	}
	if again := policy.Sanitize(html); again != html {
		t.Fatalf("HTML(%q) = %q is sanitised to %q", text, html, again)
	}
	if html != "" && !strings.HasSuffix(html, "\n") {
		t.Fatalf("HTML(%q) = %q", text, html)
	}
}

func TestSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { check(t, texts().Draw(t, "text")) })
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{"hello", "**a** [b](c \"d\") `e`\n> f\n- g\n\n    h", "<a href='javascript:x'>", "&#0;&#x110000;", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}

func BenchmarkHTML(b *testing.B) {
	for name, text := range map[string]string{
		"plain": "Hello Bob, shall we meet at the station?",
		"full":  "**Hello** Bob, see https://a.example/x\n- one\n- two",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				markdown.HTML(text)
			}
		})
	}
}
