package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The functions here parse one value into to. Their errors complete a sentence
// that begins with the name of a setting, and never repeat the value.

func address(to *string, v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:3030")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("must have a port from 0 to 65535")
	}
	*to = v
	return nil
}

func optionalAddress(to *string, v string) error {
	if v == "" {
		return nil
	}
	return address(to, v)
}

func baseURL(to *string, v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("must be an http or https URL, such as https://chat.example.com")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return errors.New("must be a URL without user, query and fragment")
	}
	*to = strings.TrimRight(v, "/")
	return nil
}

func nonEmpty(to *string, v string) error {
	if v == "" {
		return errors.New("must not be empty")
	}
	*to = v
	return nil
}

func database(to *string, v string) error {
	if v != "" && !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		return errors.New("must be empty (the embedded store in --data) or postgres://user@host:5432/name")
	}
	*to = v
	return nil
}

func apiKey(to *string, v string) error {
	ok := len(v) <= 64
	for _, c := range []byte(v) {
		ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-')
	}
	if !ok {
		return errors.New("must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
	}
	*to = v
	return nil
}

func apiSecret(to *string, v string) error {
	if v != strings.TrimSpace(v) {
		return errors.New("must not begin or end with white space")
	}
	*to = v
	return nil
}

func count(to *int, v string, most int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		return fmt.Errorf("must be a whole number from 0 to %d", most)
	}
	*to = n
	return nil
}

func duration(to *time.Duration, v string) error {
	d, err := parseDuration(v)
	if err != nil || d < time.Second {
		return errors.New("must be a duration of at least 1s, such as 90s, 30m, 24h or 60d")
	}
	*to = d
	return nil
}

// parseDuration is time.ParseDuration that knows whole days as well.
func parseDuration(v string) (time.Duration, error) {
	const day = 24 * time.Hour
	days, ok := strings.CutSuffix(v, "d")
	if !ok {
		return time.ParseDuration(v)
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
		return 0, errors.New("not a number of days")
	}
	return time.Duration(n) * day, nil
}

// ParseRate reads "60/m", 60 in each minute; the window is s, m or h. "0" is no
// limit.
func ParseRate(v string) (Rate, error) {
	number, unit, cut := strings.Cut(v, "/")
	windows := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
	n, err := strconv.Atoi(number)
	window, ok := windows[unit]
	switch {
	case err != nil, n < 0, n > maxCount, cut && !ok, !cut && n != 0:
		return Rate{}, errors.New("must be a number per second, minute or hour, such as 60/m, or 0 for no limit")
	case n == 0:
		return Rate{}, nil
	}
	return Rate{Count: n, Window: window}, nil
}

func rate(to *Rate, v string) (err error) {
	*to, err = ParseRate(v)
	return err
}

func boolean(to *bool, v string) error {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return errors.New("must be true or false")
	}
	*to = b
	return nil
}

func level(to *slog.Level, v string) error {
	var name string
	if err := oneOf(&name, strings.ToLower(v), "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return to.UnmarshalText([]byte(name))
}

func oneOf(to *string, v string, values ...string) error {
	if !slices.Contains(values, v) {
		return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
	}
	*to = v
	return nil
}
