package compose

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// TestLinear reads a megabyte of each construct that careless parsers need
// quadratic time for. A thousandth of the allowed time is normal; quadratic
// time would be hours.
func TestLinear(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	part := func(unit string) string {
		return head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + fill(unit)
	}
	inputs := map[string]string{
		"CR":                       fill("\r"),
		"CR in the body":           head + "\n" + fill("\r"),
		"LF":                       fill("\n"),
		"CR CR LF":                 head + "\n" + fill("\r\r\n"),
		"colons":                   fill(":"),
		"fields":                   fill("a:\n"),
		"no fields":                head + fill("a\n") + "X-End: x\n",
		"no fields in a part":      part("a\n"),
		"envelope lines":           fill("From \n"),
		"folded":                   head + "X: y" + fill("\n "),
		"boundaries":               part("--b\n"),
		"closing boundaries":       part("--b--\n"),
		"almost boundaries":        part("--bb\n"),
		"headers of parts":         part("--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n"),
		"nested without end":       part("Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
		"parts without boundary":   part("--b\nContent-Type: multipart/mixed\n\nx\n"),
		"parts without blank line": part("--b\nx\n"),
		"parameters":               head + "Content-Type: a/b" + fill("; a=b") + "\n\n",
		"segments":                 head + "Content-Type: a/b" + fill("; name*1=b") + "\n\n",
		"quotes in a parameter":    head + `Content-Type: a/b; name="` + fill(`\"`) + "\n\n",
		"encoded words":            head + "Subject: " + fill("=?utf-8?q?a?= ") + "\n\n",
		"encoded words in pieces":  head + "Subject: " + fill("=?utf-8?b?YQ?= ") + "\n\n",
		"open encoded words":       head + "Subject: " + fill("=?a?q?") + "\n\n",
		"begun encoded words":      head + "Subject: " + fill("=?") + "\n\n",
		"question marks":           head + "Subject: =?a?q?" + fill("?") + "\n\n",
		"question marks in names":  head + "To: " + fill("=?a?q?,") + "\n\n",
		"comments":                 head + "To: " + fill("(") + "\n\n",
		"closed comments":          head + "To: " + fill("()") + "\n\n",
		"quotes":                   head + "To: " + fill(`"`) + "\n\n",
		"escaped quotes":           head + "To: " + fill(`"\`) + "\n\n",
		"brackets":                 head + "To: " + fill("<") + "\n\n",
		"routes":                   head + "To: " + fill("<@,") + "\n\n",
		"quotes in brackets":       head + "To: " + fill(`<"`) + "\n\n",
		"words":                    head + "To: " + fill("a ") + "x@y" + fill(" :") + "\n\n",
		"glued words":              head + "To: " + fill(`""`) + "@x\n\n",
		"@":                        head + "To: " + fill("@") + "\n\n",
		"literals":                 head + "To: " + fill("@[") + "\n\n",
		"commas":                   head + "To: " + fill("a,") + "\n\n",
		"groups":                   head + "To: " + fill("a:") + "\n\n",
		"ids":                      head + "References: " + fill("<") + "\nMessage-ID: " + fill("<a@") + "\n\n",
		"dates":                    head[:len(head)-1] + fill(" 1") + "\n\n",
		"quoted-printable":         head + "Content-Transfer-Encoding: quoted-printable\n\n" + fill("="),
		"base64":                   head + "Content-Transfer-Encoding: base64\n\n" + fill("="),
		"UTF-7":                    head + "Content-Type: text/plain; charset=utf-7\n\n" + fill("+"),
		"HTML and text":            part("Content-Type: text/html\n\n<blockquote>\n--b\n\n"),
	}
	for name, raw := range inputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			m, err := Read(strings.NewReader(raw), ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			self := mailbox.Identity{Address: "me@example.com"}
			out := ReplyTo(m, self, ReplyOptions{All: true, Quote: true})
			out.Text, out.HTML = "x", "x"
			Bodies(out)
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("%d bytes took %v", len(raw), d)
			}
		})
	}
	for name, unit := range map[string]string{
		"elements": "<b>", "closing": "</b>", "crossed": "<i><b></i></b>", "quotes": "<blockquote>x",
		"brackets": "<", "attributes": "<a b='", "entities": "&", "comments": "<!--", "pre": "<pre>\n", "hidden": "<style>",
	} {
		t.Run("HTML "+name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			htmlToText(fill(unit))
			quotableHTML(fill(unit))
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestMemory reads a message of 100 MB and allocates next to nothing: files are
// measured, not kept. It must not run beside other tests.
func TestMemory(t *testing.T) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	const lines = 1_300_000
	raw := io.MultiReader(
		strings.NewReader(crlf(head+"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: video/mp4\nContent-Transfer-Encoding: base64\n\n")),
		&repeatReader{unit: []byte(line), left: lines * len(line)},
		strings.NewReader("--b--\r\n"),
	)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := Read(raw, ReadOptions{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if m.Body.Text != "text" || len(m.Attachments) != 1 || m.Attachments[0].Size != lines*57 || m.Size < 100<<20-1<<23 {
		t.Errorf("%d bytes: %q, %v", m.Size, m.Body.Text, m.Attachments)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}

// repeatReader gives the unit again and again.
type repeatReader struct {
	unit []byte
	left int
	pos  int
}

func (r *repeatReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		c := copy(p[n:], r.unit[r.pos:])
		c = min(c, r.left)
		n += c
		r.left -= c
		r.pos = (r.pos + c) % len(r.unit)
	}
	return n, nil
}

// TestLines splits every mixture of line ends, however the source gives them.
func TestLines(t *testing.T) {
	t.Parallel()
	const alphabet = "a\r\n"
	for n := range 3 * 3 * 3 * 3 * 3 * 3 * 3 {
		var in []byte
		for x := n; x > 0; x /= 3 {
			in = append(in, alphabet[x%3])
		}
		var want []string
		for rest := string(in); rest != ""; {
			i := strings.IndexAny(rest, "\r\n")
			if i < 0 {
				want = append(want, rest)
				break
			}
			end := i
			for end < len(rest) && rest[end] == '\r' && end-i < maxCRs {
				end++
			}
			if end < len(rest) && rest[end] == '\n' {
				end++
			} else {
				end = i + 1
			}
			want = append(want, rest[:end])
			rest = rest[end:]
		}
		for _, size := range []int{4, 5, 64} {
			r := &lineReader{src: bytes.NewReader(in), buf: make([]byte, size), lf: -1}
			var got []string
			for {
				l, err := r.next()
				if err == io.EOF {
					break
				}
				if l.head {
					got = append(got, "")
				}
				got[len(got)-1] += string(l.text) + string(l.end)
			}
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Fatalf("%q in a buffer of %d: got %q, want %q", in, size, got, want)
			}
		}
	}
}
