package compose

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

// benchMail is a usual message with a file of a megabyte.
func benchMail() *mailbox.Outgoing {
	return plain(func(o *mailbox.Outgoing) {
		o.From.Name = "Anna Weiß"
		o.Subject = "Angebot für März: zwei Räume, drei Tage"
		o.Text = strings.Repeat("Ein Absatz, der etwas länger ist als eine Zeile, damit auch umgebrochen wird.\n", 60)
		o.HTML = "<html><body>" + strings.Repeat("<p>Ein Absatz, der etwas <b>länger</b> ist als eine Zeile.</p>\n", 60) + "</body></html>"
		o.Signature = &mailbox.Signature{Text: "Anna Weiß"}
		o.Attachments = []mailbox.File{{Name: "Übersicht.pdf", ContentType: "application/pdf", Data: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)}}
	})
}

func BenchmarkBuild(b *testing.B) {
	withFile := benchMail()
	alternative := benchMail()
	alternative.Attachments = nil
	for name, out := range map[string]*mailbox.Outgoing{"text": plain(nil), "alternative": alternative, "file": withFile} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				built, err := Build(out, BuildOptions{})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(built.Raw)))
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	withFile := benchMail()
	alternative := benchMail()
	alternative.Attachments = nil
	for name, out := range map[string]*mailbox.Outgoing{"text": plain(nil), "alternative": alternative, "file": withFile} {
		built, err := Build(out, BuildOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for mode, opts := range map[string]ReadOptions{"whole": {}, "headers": {HeadersOnly: true}} {
			b.Run(name+"/"+mode, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(built.Raw)))
				for b.Loop() {
					if _, err := Read(bytes.NewReader(built.Raw), opts); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
