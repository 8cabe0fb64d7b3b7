// Package markdown makes the HTML of a message from its text.
//
// What people type is Markdown as CommonMark has it, with strikethrough, links
// that are only written down, and line breaks where they were typed. Tags are
// text like any other, link definitions and tables are none: in a chat they are
// mostly accidents, and a short text could be blown up by them. What comes out
// has been through a sanitiser as well, so it can be put into a page as it is.
package markdown
