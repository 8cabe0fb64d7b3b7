package markdown

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// HTML renders a text. It is safe to show, ends in a line break as every
// paragraph does, and is never longer than MaxGrowth times the text and some
// bytes: what would be, is shown as it was typed. No text gives no HTML.
func HTML(text string) string {
	switch {
	case isPlain(text):
		return plainHTML(text)
	case len(text) > maxText:
		return typedHTML(text)
	}
	return fullHTML(text)
}

// MaxGrowth bounds how much longer than its text a message's HTML is.
const MaxGrowth = 8

// maxText is the longest text, in bytes, that is looked through for Markdown:
// some texts take a time that grows with the square of their length.
const maxText = 32 << 10

// slack lets short texts have their tags.
const slack = 1 << 10

var markdown = goldmark.New(
	goldmark.WithParser(parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewEmphasisParser(), 500),
		),
	)),
	goldmark.WithRendererOptions(html.WithHardWraps()),
	goldmark.WithExtensions(
		extension.Strikethrough,
		// Addresses of mail are left alone: looking for them takes time that
		// grows with the square of the text.
		extension.NewLinkify(extension.WithLinkifyEmailRegexp(regexp.MustCompile(`^\b\B`))),
	),
)

var policy = bluemonday.UGCPolicy()

// errLong ends the rendering of what grows too much.
var errLong = errors.New("too long")

// bounded is a buffer that takes only so much.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, errLong
	}
	return b.Buffer.Write(p)
}

var buffers = sync.Pool{New: func() any { return &bounded{} }}

// maxKept is the largest buffer that is kept for the next text.
const maxKept = 256 << 10

func fullHTML(text string) string {
	b, _ := buffers.Get().(*bounded)
	defer func() {
		if b.Cap() <= maxKept {
			buffers.Put(b)
		}
	}()
	b.Reset()
	b.most = MaxGrowth*len(text) + slack
	if !renders(b, text) {
		return typedHTML(text)
	}
	clean := policy.SanitizeBytes(b.Bytes())
	if len(clean) > b.most {
		return typedHTML(text)
	}
	return string(clean)
}

// renders reports whether the text could be rendered within bounds. The
// library meets whatever people type: should it ever stumble, the message is
// sent all the same.
func renders(b *bounded, text string) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return markdown.Convert([]byte(text), b) == nil
}

// typedHTML shows a text as it was typed.
func typedHTML(text string) string {
	out := append(make([]byte, 0, len(text)+len(text)/4+16), `<p>`...)
	for line := range strings.Lines(strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))) {
		body, broken := strings.CutSuffix(line, "\n")
		out = appendEscaped(out, strings.TrimSuffix(body, "\r"))
		if broken {
			out = append(out, "<br>\n"...)
		}
	}
	return string(append(out, "</p>\n"...))
}

// isPlain reports whether a text is one line in which nothing has a meaning in
// Markdown, as most messages are.
func isPlain(text string) bool {
	if text == "" {
		return true
	}
	if !starts[text[0]] || text[len(text)-1] == ' ' {
		return false
	}
	ascii := true
	for i := range len(text) {
		if !plain[text[i]] {
			return false
		}
		ascii = ascii && text[i] < utf8.RuneSelf
	}
	return (ascii || isCommon(text)) && !isNumbered(text) && !mayLink(text)
}

// plain marks the bytes without a meaning in Markdown, starts those that a
// line can begin with. Bytes of other scripts are among them; see isCommon.
var plain, starts = func() (plain, starts [256]bool) {
	for c := range 256 {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= utf8.RuneSelf
		starts[c] = letter
		plain[c] = letter || strings.IndexByte(" ,.;:?!'\"()-+=%$#/", byte(c)) >= 0
	}
	return plain, starts
}()

// isCommon reports whether a text is well-formed and has no character that a
// parser could take for a space, or change.
func isCommon(text string) bool {
	for i, r := range text {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return false
			}
		case r >= 0x80 && r <= 0xA0, r == 0x1680, r >= 0x2000 && r <= 0x200F, r >= 0x2028 && r <= 0x202F,
			r == 0x205F, r == 0x3000, r == 0xFEFF:
			return false
		}
	}
	return true
}

// isNumbered reports whether a text may begin a numbered list.
func isNumbered(text string) bool {
	rest := strings.TrimLeft(text, "0123456789")
	return len(rest) < len(text) && rest != "" && (rest[0] == '.' || rest[0] == ')')
}

// mayLink reports whether a text may have an address in it.
func mayLink(text string) bool {
	return strings.Contains(text, "www.") || strings.Contains(text, "://")
}

// plainHTML is the HTML of a text that is plain.
func plainHTML(text string) string {
	if text == "" {
		return ""
	}
	out := append(make([]byte, 0, len(text)+len(text)/8+16), `<p>`...)
	return string(append(appendEscaped(out, text), "</p>\n"...))
}

// appendEscaped appends a text escaped as the sanitiser does it.
func appendEscaped(dst []byte, text string) []byte {
	start := 0
	for i := range len(text) {
		var escape string
		switch text[i] {
		case '&':
			escape = "&amp;"
		case '<':
			escape = "&lt;"
		case '>':
			escape = "&gt;"
		case '"':
			escape = "&#34;"
		case '\'':
			escape = "&#39;"
		case 0:
			escape = "\uFFFD"
		default:
			continue
		}
		dst = append(append(dst, text[start:i]...), escape...)
		start = i + 1
	}
	return append(dst, text[start:]...)
}
