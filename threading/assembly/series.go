package assembly

import (
	"strconv"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// series is the place of a message among several that were sent together, such
// as "[PATCH v2 3/7] …" or "Photos (2/5)". The zero value is none.
type series struct {
	// key is the same for all messages of a series by one author.
	key uint64
	// n counts from 0, the cover letter, or from 1.
	n, total int
}

// maxSeries is how many parts a series has at most.
const maxSeries = 1000

// readSeries finds "n/m" in brackets in a subject that no answer has. Without
// brackets it may be a date.
func readSeries(subject string) series {
	subject = strings.ToLower(strings.Join(strings.Fields(subject), " "))
	for rest, before := subject, 0; ; {
		open := strings.IndexAny(rest, "[(")
		if open < 0 {
			return series{}
		}
		inside := rest[open+1:]
		end := strings.IndexAny(inside, "])")
		if end < 0 {
			return series{}
		}
		start := before + open
		words := strings.Fields(inside[:end])
		before += open + 1 + end + 1
		rest = subject[before:]
		if len(words) == 0 {
			continue
		}
		n, total, ok := numbers(words[len(words)-1])
		if !ok {
			continue
		}
		if strings.Contains(subject[:start], ":") { // behind a reply prefix, or text
			return series{}
		}
		words[len(words)-1] = "#/" + strconv.Itoa(total)
		key := strings.Join(words, " ")
		if len(words) == 1 { // the same subject for every part
			key += "\n" + subject[:start] + "\n" + rest
		}
		return series{hash(key), n, total}
	}
}

// numbers reads "3/7".
func numbers(s string) (n, total int, ok bool) {
	first, last, found := strings.Cut(s, "/")
	if !found || len(first) > 4 || len(last) > 4 {
		return 0, 0, false
	}
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0, 0, false
	}
	total, err = strconv.Atoi(last)
	ok = err == nil && 0 <= n && n <= total && 1 < total && total <= maxSeries
	return n, total, ok
}

// stem returns a hash of an id without its last number between dashes: tools
// that send a series number the ids ("20260302.1234-3-ann@example.com"). It is
// 0 when there is no number.
func stem(id mailbox.RFCMessageID) uint64 {
	s := string(id)
	end := strings.LastIndexByte(s, '-')
	for end > 0 {
		start := strings.LastIndexByte(s[:end], '-')
		if start < 0 {
			return 0
		}
		if part := s[start+1 : end]; len(part) > 0 && len(part) <= 4 && strings.Trim(part, "0123456789") == "" {
			return hash(s[:start] + "-#" + s[end:])
		}
		end = start
	}
	return 0
}
