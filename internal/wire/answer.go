package wire

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// AnswerError is the body of an answer to a request that failed (contract
// section 2), the same in both dialects. duration is what FormatDuration
// gives, moreInfo an address that explains the code.
func AnswerError(e *Error, duration, moreInfo string) []byte {
	dst := append(make([]byte, 0, 256), `{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code), 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, e.Message)
	dst = append(dst, `,"StatusCode":`...)
	dst = strconv.AppendInt(dst, int64(e.Code.Status()), 10)
	dst = append(dst, `,"duration":`...)
	dst = AppendString(dst, duration)
	dst = append(dst, `,"more_info":`...)
	dst = AppendString(dst, moreInfo)
	dst = append(dst, `,"details":[]`...)
	if len(e.Fields) > 0 {
		dst = append(dst, `,"exception_fields":{`...)
		for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
			dst = comma(dst)
			dst = AppendString(dst, name)
			dst = append(dst, ':')
			dst = AppendString(dst, e.Fields[name])
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// FormatDuration is how answers say how long they took: "1.87ms".
func FormatDuration(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64) + "ms"
}
