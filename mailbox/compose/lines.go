package compose

import (
	"bytes"
	"io"

	"github.com/mailtether/mailtether/mailbox"
)

// line is one line of a message, or a piece of a line that is longer than the
// buffer. Its bytes are valid until the next call of [lineReader.next].
type line struct {
	text []byte // without the line end
	end  []byte // the line end; empty if more of the line follows, or the input ends here
	head bool   // text is the beginning of the line
}

// blank reports whether the whole line is empty.
func (l line) blank() bool { return l.head && len(l.text) == 0 }

const (
	bufferSize       = 32 << 10
	headerBufferSize = 8 << 10 // holds most headers
	// maxCRs is how many CR in front of a LF still make one line end. Gateways
	// that convert twice write CR CR LF.
	maxCRs = 3
	// maxEmptyReads is how often in a row a source may give neither bytes nor an
	// error.
	maxEmptyReads = 100
)

// lineReader splits a stream into lines. CR LF, LF and CR each end a line, in
// any mixture.
type lineReader struct {
	src        io.Reader
	buf        []byte
	start, end int  // what is buffered and not yet returned
	lf         int  // first LF at or after start; end when there is none; below start when not known
	inside     bool // the last line returned goes on
	err        error
}

func newLineReader(src io.Reader, size int) *lineReader {
	return &lineReader{src: src, buf: make([]byte, max(size, 64)), lf: -1}
}

// next returns the next line. The error is io.EOF or that of the source, and
// comes after all lines.
func (r *lineReader) next() (line, error) {
	for {
		if r.start < r.end {
			n, end := r.cut()
			full := r.start == 0 && r.end == len(r.buf)
			if end > 0 || r.err != nil || full && n > 0 {
				return r.take(n, end), nil
			}
		} else if r.err != nil {
			return line{}, r.err
		}
		r.fill()
	}
}

func (r *lineReader) take(n, end int) line {
	b := r.buf[r.start : r.start+n+end]
	l := line{text: b[:n:n], end: b[n:], head: !r.inside}
	r.inside = end == 0
	r.start += n + end
	return l
}

// cut returns the length of the first buffered line and of its end. The latter
// is 0 when the buffer does not tell where the line ends.
func (r *lineReader) cut() (n, end int) {
	if r.lf < r.start {
		r.lf = r.end
		if i := bytes.IndexByte(r.buf[r.start:r.end], '\n'); i >= 0 {
			r.lf = r.start + i
		}
	}
	b := r.buf[r.start:r.lf]
	hasLF := r.lf < r.end
	n = bytes.IndexByte(b, '\r')
	if n < 0 {
		if hasLF {
			return len(b), 1
		}
		return len(b), 0
	}
	run := 1
	for run < maxCRs && n+run < len(b) && b[n+run] == '\r' {
		run++
	}
	switch {
	case n+run < len(b):
		return n, 1 // a CR on its own
	case hasLF:
		return n, run + 1
	case r.err != nil:
		return n, 1
	default:
		return n, 0 // the next byte decides
	}
}

// fill reads until the buffer is full, which keeps the work per byte constant
// however small the pieces are that the source gives.
func (r *lineReader) fill() {
	copy(r.buf, r.buf[r.start:r.end])
	r.end -= r.start
	r.start = 0
	for empty := 0; r.end < len(r.buf) && r.err == nil; {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		switch {
		case n > 0:
			empty = 0
		case err == nil:
			if empty++; empty == maxEmptyReads {
				r.err = io.ErrNoProgress
			}
		}
	}
	r.lf = -1
}

// unread puts bytes back that were taken too much. They begin a line.
func (r *lineReader) unread(b []byte) {
	rest := make([]byte, 0, len(b)+r.end-r.start)
	rest = append(append(rest, b...), r.buf[r.start:r.end]...)
	r.src = io.MultiReader(bytes.NewReader(rest), r.src)
	r.start, r.end, r.lf = 0, 0, -1
	r.inside = false
	r.err = nil
}

// buffered returns what next will give first, as far as it is buffered.
func (r *lineReader) buffered() []byte {
	if r.err == nil && r.end-r.start < len(r.buf) {
		r.fill()
	}
	return r.buf[r.start:r.end]
}

// headerSize is how long the header is that comes next, as far as the buffer
// holds it.
func (r *lineReader) headerSize() int {
	b := r.buffered()
	blank := []byte("\n\n")
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
		blank = []byte("\n\r\n")
	}
	if i := bytes.Index(b, blank); i >= 0 {
		return i + 1
	}
	return len(b)
}

// limitReader fails when the source holds more than max bytes. Its errors are
// sticky.
type limitReader struct {
	src  io.Reader
	max  int64
	read int64
	err  error
}

func (r *limitReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.read += int64(n)
	r.err = err
	if r.read > r.max {
		r.err = mailbox.Invalid("message", atMost(r.max), "is too large")
	}
	return n, r.err
}
