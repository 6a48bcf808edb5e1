package compose

import (
	"errors"
	"io"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// ReadOptions bounds what [Read] takes and keeps. The zero value has defaults
// that fit whatever Gmail and Outlook deliver.
type ReadOptions struct {
	// HeadersOnly stops behind the header: no body, no attachments.
	HeadersOnly bool
	// MaxHeader is the size of the header in bytes above which a message is
	// refused; 0 means 16 MiB. The header of an inner part is cut there.
	MaxHeader int64
	// MaxBody is how many bytes of text are kept, all text parts together; 0
	// means 8 MiB. Longer text is cut, with a warning.
	MaxBody int64
	// MaxMessage is the size in bytes above which a message is refused; 0 means
	// 256 MiB.
	MaxMessage int64
	// MaxDepth is how deep multiparts may be nested; 0 means 50. Deeper ones
	// become attachments, with a warning.
	MaxDepth int
	// MaxParts is how many parts are looked at; 0 means 1,000. Further ones are
	// left out, with a warning.
	MaxParts int
}

func (o ReadOptions) withDefaults() ReadOptions {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxHeader, 16<<20)
	def(&o.MaxBody, 8<<20)
	def(&o.MaxMessage, 256<<20)
	if o.MaxDepth <= 0 {
		o.MaxDepth = 50
	}
	if o.MaxParts <= 0 {
		o.MaxParts = 1000
	}
	return o
}

// Read reads a whole message, however broken: any bytes give a message, and
// whatever had to be repaired is told in its Warnings. The only errors are
// those of src, and [mailbox.Invalid] for a message above the limits of opts.
//
// The body is the text a reader would see: the first text/plain and text/html
// of every multipart/alternative, and all inline text parts of a
// multipart/mixed joined. When some of those come in one form only and others
// in both, the missing form is derived, so that neither lacks anything. Line
// ends are "\n"; the line end in front of a boundary or at the end of the
// message belongs to neither. Everything else is listed in Attachments, with
// its position ("1.2") as ID and its decoded size: files, inline images,
// enclosed messages (which are not opened), the machine-readable parts of
// reports.
//
// Read sets Header, HeaderComplete, Size, Body, Attachments and what [Describe]
// sets.
func Read(src io.Reader, opts ReadOptions) (*mailbox.Message, error) {
	opts = opts.withDefaults()
	buffer := bufferSize
	if opts.HeadersOnly {
		buffer = headerBufferSize
	}
	if s, ok := src.(interface{ Len() int }); ok { // bytes.Reader and the like
		buffer = min(buffer, s.Len()+1)
	}
	source := &limitReader{src: src, max: opts.MaxMessage}
	msg := &mailbox.Message{HeaderComplete: true}
	r := &reader{
		opts:     opts,
		lines:    newLineReader(source, buffer),
		msg:      msg,
		textLeft: opts.MaxBody,
	}
	msg.Header = r.readHeader("")
	if r.err != nil {
		return nil, r.err
	}
	msg.Warnings = r.warnings
	Describe(msg)
	if opts.HeadersOnly {
		return msg, nil
	}
	r.warnings = msg.Warnings
	body := r.readPart(msg.Header, place{defaultType: "text/plain"})
	if r.err != nil {
		return nil, r.err
	}
	msg.Body = &mailbox.Body{Text: body.text, HTML: body.html}
	msg.Warnings = r.warnings
	msg.Size = source.read
	return msg, nil
}

// reader walks through the parts of one message, line by line.
type reader struct {
	opts     ReadOptions
	lines    *lineReader
	msg      *mailbox.Message
	warnings warnings
	textLeft int64
	parts    int
	leaves   int

	// open holds the boundaries of the multiparts around the current line,
	// outermost first.
	open []string
	// stop is set when next has met a boundary, or the end of input.
	stop *stop
	err  error
}

// stop is the boundary that ended a part.
type stop struct {
	level int  // index into open; -1 at the end of input
	last  bool // the closing boundary
}

// next returns the next line of the current part, or false at its end.
func (r *reader) next() (line, bool) {
	if r.stop != nil || r.err != nil {
		return line{}, false
	}
	l, err := r.lines.next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			r.err = err
		}
		r.stop = &stop{level: -1}
		return line{}, false
	}
	if s := r.boundary(l); s != nil {
		r.stop = s
		return line{}, false
	}
	return l, true
}

// boundary recognises the boundary of any open multipart, innermost first, so
// that one that was never closed ends with its parent.
func (r *reader) boundary(l line) *stop {
	if !l.head || len(r.open) == 0 || len(l.text) < 2 || l.text[0] != '-' || l.text[1] != '-' {
		return nil
	}
	text := l.text[2:]
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	for level, b := range slices.Backward(r.open) {
		switch {
		case string(text) == b:
			return &stop{level: level}
		case len(text) == len(b)+2 && string(text[:len(b)]) == b && string(text[len(b):]) == "--":
			return &stop{level: level, last: true}
		}
	}
	return nil
}

// unread puts lines back that turned out to belong to the body, and the
// boundary that ended them.
func (r *reader) unread(b []byte) {
	switch s := r.stop; {
	case s == nil:
		b = append(b, '\n') // the blank line that was taken for the end of the header
	case s.level >= 0:
		b = append(b, "--"+r.open[s.level]...)
		if s.last {
			b = append(b, "--"...)
		}
		b = append(b, '\n')
	}
	r.stop = nil
	r.lines.unread(b)
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) warn(code mailbox.WarningCode, part, detail string) {
	r.warnings.add(code, part, detail)
}
