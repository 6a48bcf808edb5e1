package quota

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// saysWhen reports whether a header may say when to try again.
func saysWhen(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Retry-After", "Ratelimit", "Ratelimit-Remaining", "Ratelimit-Reset":
		return true
	}
	return false
}

// rateLimitReset reads RateLimit headers, both forms of
// draft-ietf-httpapi-ratelimit-headers: the longest reset of a limit of which
// nothing remains.
func rateLimitReset(h http.Header) (time.Duration, bool) {
	wait, named := resetSeconds(h.Get("RateLimit-Reset"))
	if left := strings.TrimSpace(h.Get("RateLimit-Remaining")); left != "" && left != "0" {
		wait, named = 0, false // it is another limit that refused
	}
	for item := range fields(strings.Join(h.Values("RateLimit"), ","), ',') {
		var remaining, reset string
		for param := range fields(item, ';') {
			switch name, value, _ := strings.Cut(strings.TrimSpace(param), "="); name {
			case "r":
				remaining = value
			case "t":
				reset = value
			}
		}
		if remaining != "0" {
			continue
		}
		if d, ok := resetSeconds(reset); ok {
			wait, named = max(wait, d), true
		}
	}
	return wait, named
}

// resetSeconds reads a reset. One of more than a day is not believed: some
// services send a time since 1970 there.
func resetSeconds(v string) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	if v == "" || strings.Trim(v, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err != nil || seconds > int64(mailbox.MaxRetryAfter/time.Second) {
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

// fields yields what stands between separators outside of quoted strings.
func fields(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == separator && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}
