package quota

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// partWatch looks for refusals in the parts of a batch's answer while it is
// read. Gmail answers a batch with 200 and gives each part its own status
// (https://developers.google.com/workspace/gmail/api/guides/batch); several
// inner 429s are its normal answer to overload.
//
// It knows no boundary: a line that starts with "HTTP/" begins a part, and one
// that starts with "--" ends it. Inside a part is JSON, which holds no such
// lines.
type partWatch struct {
	date    string      // Date header of the whole answer
	line    []byte      // the line that is being read, as far as it is kept
	status  int         // of the part that is being read; 0 outside of parts
	headers bool        // its headers are being read
	header  http.Header // what its headers say about when to try again
	body    []byte
	found   []refusal
	refused bool // a part was refused
	whole   bool // the closing boundary was read
}

const (
	// maxLine and maxPart bound what is kept of a part.
	maxLine = 4 << 10
	maxPart = 16 << 10
	// maxWhen bounds the headers that are kept of a part.
	maxWhen = 8
)

// write takes the next bytes of the answer and returns the refusals that they
// complete.
func (w *partWatch) write(p []byte) []refusal {
	w.found = w.found[:0]
	for len(p) > 0 {
		chunk, rest, whole := bytes.Cut(p, []byte{'\n'})
		w.line = append(w.line, chunk[:min(len(chunk), maxLine-len(w.line))]...)
		if whole {
			w.endLine()
		}
		p = rest
	}
	return w.found
}

// end tells that there are no more bytes and returns the last refusals.
func (w *partWatch) end() []refusal { return w.write([]byte("\n--\n")) }

// passed reports whether the answer was read to its end and no part was refused.
func (w *partWatch) passed() bool { return w.whole && !w.refused }

func (w *partWatch) endLine() {
	line := bytes.TrimRight(w.line, "\r")
	w.line = w.line[:0]
	switch {
	case bytes.HasPrefix(line, []byte("HTTP/")):
		w.endPart()
		if f := bytes.Fields(line); len(f) > 1 {
			w.status, _ = strconv.Atoi(string(f[1]))
		}
		w.headers = true
	case bytes.HasPrefix(line, []byte("--")):
		w.endPart()
		w.whole = w.whole || len(line) > 4 && bytes.HasSuffix(line, []byte("--"))
	case w.status != http.StatusTooManyRequests && w.status != http.StatusServiceUnavailable && w.status != http.StatusForbidden:
	case w.headers && len(line) == 0:
		w.headers = false
	case w.headers:
		name, value, _ := bytes.Cut(line, []byte{':'})
		if key := string(name); saysWhen(key) && len(w.header) < maxWhen {
			if w.header == nil {
				w.header = make(http.Header, 1)
			}
			w.header.Set(key, string(bytes.TrimSpace(value)))
		}
	case len(w.body)+len(line) < maxPart:
		w.body = append(append(w.body, line...), '\n')
	}
}

func (w *partWatch) endPart() {
	refused := w.status == http.StatusTooManyRequests || w.status == http.StatusServiceUnavailable ||
		w.status == http.StatusForbidden && parseAPIError(w.body).isRateLimit()
	if refused {
		if w.header == nil {
			w.header = make(http.Header, 1)
		}
		w.header.Set("Date", w.date)
		w.found = append(w.found, refusalIn(w.header, w.body, time.Now()))
		w.refused = true
	}
	w.status, w.headers, w.header, w.body = 0, false, nil, w.body[:0]
}
