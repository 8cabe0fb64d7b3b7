package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords bounds what one search looks for.
const maxWords = 32

// words are what a text is searched for, folded.
type words []string

// splitWords reads the operand of a search.
func splitWords(s string) (words, error) {
	w := words(strings.FieldsFunc(strings.Map(fold, s), func(r rune) bool { return !inWord(r) }))
	switch {
	case len(w) == 0:
		return nil, errors.New("must have a letter or a digit")
	case len(w) > maxWords:
		return nil, fmt.Errorf("takes at most %d words", maxWords)
	}
	return w, nil
}

// begin reports whether every one of w begins some word of s.
func (w words) begin(s string) bool {
	missing := uint64(1)<<len(w) - 1
	inside := false
	for i, r := range s {
		start := !inside
		inside = inWord(r)
		if !inside || !start {
			continue
		}
		for j, word := range w {
			if missing&(1<<j) != 0 && beginsWith(s[i:], word) {
				missing &^= 1 << j
			}
		}
		if missing == 0 {
			return true
		}
	}
	return false
}

// beginsWith reports whether s, which is not folded, begins with a word that is.
func beginsWith(s, word string) bool {
	for _, want := range word {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || fold(r) != want {
			return false
		}
		s = s[size:]
	}
	return true
}

// inWord reports whether a character is part of a word. Marks are: in many
// scripts vowels are written as such.
func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// fold makes the forms of a letter one. By way of the capital, because some
// have two small forms, such as σ and ς.
func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }
