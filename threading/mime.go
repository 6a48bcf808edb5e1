package threading

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// splitParts splits the body of a multipart entity. Unlike mime/multipart it
// reads on when the closing delimiter is missing, and when the boundary is
// missing or wrong: then the first line that looks like a delimiter is taken
// for one.
func splitParts(body []byte, boundary string) [][]byte {
	if boundary != "" {
		if parts := splitAt(body, boundary); len(parts) > 0 {
			return parts
		}
	}
	if boundary = guessBoundary(body); boundary != "" {
		return splitAt(body, boundary)
	}
	return nil
}

func splitAt(body []byte, boundary string) [][]byte {
	delimiter := []byte("--" + boundary)
	var parts [][]byte
	start := -1
	for at := 0; at < len(body); {
		next := len(body)
		if i := bytes.IndexByte(body[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		if rest, found := bytes.CutPrefix(body[at:next], delimiter); found {
			switch string(bytes.TrimSpace(rest)) {
			case "", "--":
				if start >= 0 {
					parts = append(parts, body[start:at])
				}
				if len(parts) == maxParts || bytes.HasPrefix(rest, []byte("--")) {
					return parts
				}
				start = next
			}
		}
		at = next
	}
	if start >= 0 {
		parts = append(parts, body[start:])
	}
	return parts
}

func guessBoundary(body []byte) string {
	candidate := ""
	for line := range bytes.Lines(body[:min(len(body), 64<<10)]) {
		line = bytes.TrimRight(line, " \t\r\n")
		if candidate != "" && hasFoldedPrefix(line, "content-") { // a rule of dashes is no delimiter
			return candidate
		}
		candidate = ""
		if rest, found := bytes.CutPrefix(line, []byte("--")); found && len(rest) > 0 && len(rest) <= 200 && !bytes.ContainsRune(rest, ' ') {
			candidate = string(rest)
		}
	}
	return ""
}

// decode undoes the transfer encoding of a part, as far as it can be undone.
func decode(h mailbox.Header, body []byte) []byte {
	var r io.Reader
	switch strings.ToLower(strings.TrimSpace(clip(h.Get("Content-Transfer-Encoding")))) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(body))
	default:
		return body
	}
	decoded, err := io.ReadAll(r)
	if err != nil && len(decoded) == 0 {
		return body // labelled wrongly: often plain text
	}
	return decoded
}

// splitHeader splits raw into the fields before the first blank line and what
// follows it. Lines that are no fields are skipped.
func splitHeader(raw []byte) (mailbox.Header, []byte) {
	var h mailbox.Header
	var folded []byte // the value of the last field, grown in place
	flush := func() {
		if folded != nil && len(h) > 0 {
			h[len(h)-1].Value = string(folded)
			folded = nil
		}
	}
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		raw = rest
		if len(bytes.TrimSpace(line)) == 0 {
			if len(h) == 0 {
				continue // blank lines before the first field
			}
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(h) > 0 {
				if folded == nil {
					folded = []byte(h[len(h)-1].Value)
				}
				folded = append(append(folded, ' '), bytes.TrimLeft(line, " \t")...)
			}
			continue
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !found || len(h) == maxFields || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			continue
		}
		flush()
		h = append(h, mailbox.Field{Name: string(name), Value: string(bytes.TrimSpace(value))})
	}
	flush()
	return h, raw
}

// maxFields bounds how many fields of one header are kept.
const maxFields = 10_000
