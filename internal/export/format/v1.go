package format

import "hansard/internal/store"

// V1 is one JSON array with an object for each channel: its channel,
// messages, members and, if there are any, reads.
type V1 struct {
	// More is set when the file has a channel already.
	More bool
}

var _ Pieces = (*V1)(nil)

// Resumable reports true.
func (*V1) Resumable() bool { return true }

// Begin opens the array.
func (*V1) Begin(out Out) error {
	b := out.To(Messages)
	b.B = append(b.B, '[')
	return nil
}

// Steps is one: channels stand one after the other.
func (f *V1) Steps() []Step {
	return []Step{func(src *Source, out Out) error { return f.Piece(src, out, true, true) }}
}

// Head is empty.
func (*V1) Head() []Step { return nil }

// Piece adds a stretch of the channel's object.
func (f *V1) Piece(src *Source, out Out, first, last bool) (err error) {
	b := out.To(Messages)
	if first {
		if err := f.open(src, b); err != nil {
			return err
		}
	}
	sep := separator{more: !first}
	err = src.Messages(func(row *store.MessageRow) (err error) {
		b.B = sep.next(b.B)
		if b.B, err = src.Render.Message(b.B, row); err != nil {
			return err
		}
		src.Counts.Reactions += countReactions(row.Reactions)
		return b.Flush()
	})
	if err != nil || !last {
		return err
	}
	return closeChannel(src, b)
}

// open adds what stands before the first message.
func (f *V1) open(src *Source, b *Buffer) (err error) {
	if f.More {
		b.B = append(b.B, ',')
	}
	f.More = true
	b.B = append(b.B, `{"channel":`...)
	if b.B, err = src.Render.Channel(b.B, &src.Row); err != nil {
		return err
	}
	src.Counts.Channels++
	b.B = append(b.B, `,"messages":[`...)
	return nil
}

// closeChannel adds what stands after the last message.
func closeChannel(src *Source, b *Buffer) error {
	b.B = append(b.B, `],"members":[`...)
	sep := separator{}
	err := src.Reader.Members(src.Row.Key, func(row *store.MemberRow) (err error) {
		b.B = sep.next(b.B)
		if b.B, err = src.Render.Member(b.B, row, src.Row.CreatedBy); err != nil {
			return err
		}
		src.Counts.Members++
		return b.Flush()
	})
	if err != nil {
		return err
	}
	b.B = append(b.B, ']')
	sep = separator{}
	err = src.Reader.Reads(src.Row.Key, func(row *store.ReadRow) (err error) {
		if !sep.more {
			b.B = append(b.B, `,"read":[`...)
		}
		b.B = sep.next(b.B)
		if b.B, err = src.Render.Read(b.B, row); err != nil {
			return err
		}
		return b.Flush()
	})
	if err != nil {
		return err
	}
	if sep.more {
		b.B = append(b.B, ']')
	}
	b.B = append(b.B, '}')
	return b.Flush()
}

// End closes the array.
func (*V1) End(out Out) error {
	b := out.To(Messages)
	b.B = append(b.B, "]\n"...)
	return nil
}

// separator puts commas between the elements of a list.
type separator struct{ more bool }

func (s *separator) next(dst []byte) []byte {
	if s.more {
		return append(dst, ',')
	}
	s.more = true
	return dst
}
