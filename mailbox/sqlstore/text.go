package sqlstore

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// escape marks text that stands in base64.
const escape = "base64:"

// encodeText returns s in a form that every database and JSON can hold: itself,
// nearly always. No two texts have the same form.
func encodeText(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, 0) && !strings.HasPrefix(s, escape) {
		return s
	}
	return escape + base64.RawStdEncoding.EncodeToString([]byte(s))
}

// decodeText is the inverse of encodeText.
func decodeText(s string) (string, bool) {
	encoded, ok := strings.CutPrefix(s, escape)
	if !ok {
		return s, true
	}
	b, err := base64.RawStdEncoding.DecodeString(encoded)
	return string(b), err == nil
}

// maxColumn bounds text that may be in an index: PostgreSQL refuses entries of
// more than a third of a page.
const maxColumn = 1000

// column returns s as it stands in a column to search by. Longer text is
// replaced by its hash, which encodeText never gives: base64 has no colon.
func column[S ~string](s S) string {
	c := encodeText(string(s))
	if len(c) > maxColumn {
		sum := sha256.Sum256([]byte(s))
		c = escape + "sha256:" + base64.RawStdEncoding.EncodeToString(sum[:])
	}
	return c
}
