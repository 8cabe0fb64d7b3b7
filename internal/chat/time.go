package chat

import (
	"errors"
	"time"
)

// Time is an instant in microseconds since the Unix epoch, UTC. Zero means
// "not set": instants at or before the epoch do not occur in chat data.
type Time int64

// maxTime is the last instant RFC 3339 can write: 9999-12-31T23:59:59.999999Z.
const maxTime = Time(253402300799999999)

var errTime = errors.New("must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z")

// TimeOf converts t, cutting it to microseconds.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Std converts t to a time.Time in UTC; an unset Time gives the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// IsZero reports whether t is not set.
func (t Time) IsZero() bool { return t == 0 }

// Valid reports whether t can be stored and written: after the epoch and
// before the year 10000.
func (t Time) Valid() bool { return t > 0 && t <= maxTime }

// ParseTime reads RFC 3339 with any offset and up to nanoseconds, converts to
// UTC and cuts to microseconds. The error text names what is expected.
func ParseTime(s string) (Time, error) {
	std, err := ParseStd(s)
	if err != nil {
		return 0, err
	}
	t := Time(std.UnixMicro())
	if !t.Valid() {
		return 0, errors.New("must be a time between 1970 and 9999")
	}
	return t, nil
}

// Bound gives the first Time of chat data that is not before t, which may be any
// instant: what is stored is before it just if it is before t.
func Bound(t time.Time) Time {
	micro := t.Add(time.Microsecond - time.Nanosecond).UnixMicro()
	return min(max(Time(micro), 1), maxTime)
}

// ParseStd reads RFC 3339 with any offset, of whatever instant.
func ParseStd(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, errTime
	}
	return t, nil
}

// String gives RFC 3339 in UTC with microseconds, trailing zeros cut
// (contract section 2).
func (t Time) String() string { return string(t.Append(nil)) }

// Append appends the form that String gives, without allocating: every line
// of an export carries several of these.
func (t Time) Append(dst []byte) []byte {
	sec, micro := int64(t)/1e6, int64(t)%1e6
	if micro < 0 {
		sec, micro = sec-1, micro+1e6
	}
	days, rest := sec/86400, sec%86400
	if rest < 0 {
		days, rest = days-1, rest+86400
	}
	y, m, d := civil(days)
	dst = append4(dst, y)
	dst = append(dst, '-')
	dst = append2(dst, m)
	dst = append(dst, '-')
	dst = append2(dst, d)
	dst = append(dst, 'T')
	dst = append2(dst, int(rest/3600))
	dst = append(dst, ':')
	dst = append2(dst, int(rest/60%60))
	dst = append(dst, ':')
	dst = append2(dst, int(rest%60))
	if micro != 0 {
		dst = append(dst, '.')
		for div := int64(1e5); micro > 0; div /= 10 {
			dst = append(dst, byte('0'+micro/div))
			micro %= div
		}
	}
	return append(dst, 'Z')
}

// AppendJSON appends t as a JSON string.
func (t Time) AppendJSON(dst []byte) []byte {
	dst = append(dst, '"')
	dst = t.Append(dst)
	return append(dst, '"')
}

// MarshalJSON writes t as a JSON string, or null when it is not set.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return t.AppendJSON(nil), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = 0
		return nil
	}
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return errTime
	}
	v, err := ParseTime(string(b[1 : len(b)-1]))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func append4(dst []byte, n int) []byte {
	return append2(append2(dst, n/100), n%100)
}

// civil turns days since the epoch into a date of the proleptic Gregorian
// calendar, by counting from 1 March of the year 0 in cycles of 400 years.
func civil(days int64) (year, month, day int) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	if month > 12 {
		month -= 12
	}
	year = int(yoe + era*400)
	if month <= 2 {
		year++
	}
	return year, month, day
}
