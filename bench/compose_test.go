package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// mails are the messages that both libraries build.
func mails() map[string]*mailbox.Outgoing {
	short := &mailbox.Outgoing{
		From:         mailbox.Address{Name: "Anna Weiß", Address: "anna@example.com"},
		To:           []mailbox.Address{{Name: "Ben Doe", Address: "ben@example.org"}},
		Subject:      "Angebot für März: zwei Räume, drei Tage",
		Text:         "Guten Tag,\n\nanbei das Angebot.\n\nViele Grüße\nAnna\n",
		RFCMessageID: "0123456789abcdef@example.com",
		Date:         time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
	}
	alternative := *short
	alternative.Text = strings.Repeat("Ein Absatz, der etwas länger ist als eine Zeile, damit auch umgebrochen wird.\n", 60)
	alternative.HTML = "<html><body>" + strings.Repeat("<p>Ein Absatz, der etwas <b>länger</b> ist als eine Zeile.</p>\n", 60) + "</body></html>"
	alternative.Cc = []mailbox.Address{{Address: "carla@example.net"}, {Name: "Dörte", Address: "doerte@example.net"}}
	alternative.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com/unsubscribe?id=0123456789"}
	files := alternative
	files.Attachments = []mailbox.File{
		{Name: "logo.png", ContentType: "image/png", ContentID: "logo", Inline: true, Data: noise(20 << 10)},
		{Name: "Übersicht.pdf", ContentType: "application/pdf", Data: noise(1 << 20)},
	}
	return map[string]*mailbox.Outgoing{"text": short, "alternative": &alternative, "files": &files}
}

// noise is content that compresses badly, the same every time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func withCompose(out *mailbox.Outgoing) ([]byte, error) {
	built, err := compose.Build(out, compose.BuildOptions{})
	if err != nil {
		return nil, err
	}
	return built.Raw, nil
}

func withGoMail(out *mailbox.Outgoing) ([]byte, error) {
	m := gomail.NewMsg()
	if err := m.FromFormat(out.From.Name, out.From.Address); err != nil {
		return nil, err
	}
	for _, a := range out.To {
		if err := m.AddToFormat(a.Name, a.Address); err != nil {
			return nil, err
		}
	}
	for _, a := range out.Cc {
		if err := m.AddCcFormat(a.Name, a.Address); err != nil {
			return nil, err
		}
	}
	m.Subject(out.Subject)
	m.SetDateWithValue(out.Date)
	m.SetMessageIDWithValue(string(out.RFCMessageID))
	if out.Unsubscribe != nil {
		if err := m.SetListUnsubscribeOneClick(out.Unsubscribe.URL); err != nil {
			return nil, err
		}
	}
	m.SetBodyString(gomail.TypeTextPlain, out.Text)
	if out.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, out.HTML)
	}
	for _, f := range out.Attachments {
		contentType := gomail.WithFileContentType(gomail.ContentType(f.ContentType))
		if f.Inline {
			m.EmbedReadSeeker(f.Name, bytes.NewReader(f.Data), contentType, gomail.WithFileContentID(f.ContentID))
		} else {
			m.AttachReadSeeker(f.Name, bytes.NewReader(f.Data), contentType)
		}
	}
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	return b.Bytes(), err
}

// TestSameMail proves that the benchmark compares like with like: a reader sees
// the same message, whichever library built it.
func TestSameMail(t *testing.T) {
	t.Parallel()
	for name, out := range mails() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen [2]*mailbox.Message
			for i, build := range []func(*mailbox.Outgoing) ([]byte, error){withCompose, withGoMail} {
				raw, err := build(out)
				if err != nil {
					t.Fatal(err)
				}
				m, err := compose.Read(bytes.NewReader(raw), compose.ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if m.Header.Has("List-Unsubscribe-Post") != (out.Unsubscribe != nil) {
					t.Error("List-Unsubscribe-Post is missing or not wanted")
				}
				m.Header, m.Size = nil, 0
				m.Body.Text = strings.TrimSpace(m.Body.Text)
				m.Body.HTML = strings.TrimSpace(m.Body.HTML)
				for j := range m.Attachments {
					m.Attachments[j].ID = ""
				}
				seen[i] = m
			}
			if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
				t.Errorf("compose (-) and go-mail (+) differ:\n%s", diff)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, name := range []string{"text", "alternative", "files"} {
		out := mails()[name]
		libraries := []struct {
			name  string
			build func(*mailbox.Outgoing) ([]byte, error)
		}{{"compose", withCompose}, {"go-mail", withGoMail}}
		for _, library := range libraries {
			b.Run(name+"/"+library.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					raw, err := library.build(out)
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(len(raw)))
				}
			})
		}
	}
}
