package compose

import (
	"bytes"
	"io"
	"iter"
	"strconv"

	"github.com/mailtether/mailtether/mailbox"
)

// maxMboxMessage is the size above which Mbox passes over a message; the same
// as [ReadOptions.MaxMessage].
const maxMboxMessage = 256 << 20

// Mbox ranges over the messages of a mailbox file (RFC 4155), oldest first as
// they stand in it. The separator lines and the quoting of ">From " lines
// ("mboxrd") are removed, line ends are left as they are. What stands in front
// of the first separator is a message too, so that a file with a single message
// and no separator is read as well.
//
// A message above 256 MiB is passed over: it gives nil and a [mailbox.Invalid]
// error, and the ones behind it follow. An error of r gives nil and the error,
// and ends the sequence. The slices belong to the caller. The sequence can be
// ranged over once.
func Mbox(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		m := mboxReader{lines: newLineReader(r, bufferSize), max: maxMboxMessage}
		for {
			message, more, err := m.next()
			if err != nil || len(message) > 0 {
				if !yield(message, err) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

type mboxReader struct {
	lines *lineReader
	max   int
	n     int // messages seen
}

// next returns the lines up to the next separator. more is false at the end of
// input.
func (m *mboxReader) next() (message []byte, more bool, err error) {
	var b []byte
	size := 0
	blank := true // the line before was blank: a separator may follow
	for {
		l, err := m.lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, false, err
		}
		text := l.text
		if l.head {
			if blank && isSeparator(text) {
				more = true
				m.skipLine(l)
				break
			}
			blank = l.blank() && len(l.end) > 0
			if isQuotedFrom(text) {
				text = text[1:]
			}
		}
		size += len(text) + len(l.end)
		if size <= m.max {
			b = append(append(b, text...), l.end...)
		}
	}
	if size > 0 {
		m.n++
	}
	if size > m.max {
		return nil, more, mailbox.Invalid("message "+strconv.Itoa(m.n), atMost(int64(m.max)), "is too large")
	}
	if more {
		b = trimBlankLine(b)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		b = nil
	}
	return b, more, nil
}

// skipLine passes over the rest of a line that is longer than the buffer.
func (m *mboxReader) skipLine(l line) {
	for len(l.end) == 0 {
		next, err := m.lines.next()
		if err != nil || next.head {
			return
		}
		l = next
	}
}

// isSeparator recognises "From address date". The time of day tells it from a
// sentence that begins with "From" in files whose writer did not quote.
func isSeparator(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("From "))
	if !ok {
		return false
	}
	for i := 2; i+2 < len(rest) && i < 300; i++ {
		if rest[i] == ':' && isDigit(rest[i-2]) && isDigit(rest[i-1]) && isDigit(rest[i+1]) && isDigit(rest[i+2]) {
			return true
		}
	}
	return false
}

// isQuotedFrom recognises ">From ", with any number of ">".
func isQuotedFrom(text []byte) bool {
	rest := bytes.TrimLeft(text, ">")
	return len(rest) < len(text) && bytes.HasPrefix(rest, []byte("From "))
}

// trimBlankLine removes the blank line that stands in front of a separator.
func trimBlankLine(b []byte) []byte {
	for _, end := range [...]string{"\r\n\r\n", "\n\n"} {
		if bytes.HasSuffix(b, []byte(end)) {
			return b[:len(b)-len(end)/2]
		}
	}
	return b
}
