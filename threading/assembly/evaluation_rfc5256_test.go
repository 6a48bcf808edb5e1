package assembly_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// The answers that an IMAP server is tested with.
func TestEvaluateRFC5256(t *testing.T) {
	dir := corpustest.Dir(t, "threads", "rfc5256")
	var expected struct {
		Cases []struct {
			Mailbox  string
			Count    int
			Expected []struct {
				Algorithm, Answer string
				Messages          []int
			}
		}
	}
	corpustest.Labels(t, filepath.Join(dir, "expected.json"), &expected)
	var right corpustest.Share
	for _, c := range expected.Cases {
		path := filepath.Join(dir, c.Mailbox)
		var all []*mailbox.Message
		for raw := range corpustest.Mbox(t, path) {
			all = append(all, corpustest.Message(t, raw))
		}
		i := 0
		for line := range strings.Lines(string(corpustest.Read(t, path))) {
			if _, date, ok := strings.Cut(strings.TrimSpace(line), "From user@domain  "); ok && i < len(all) {
				for _, layout := range []string{"Mon Jan _2 15:04:05 2006 -0700", "Mon Jan _2 15:04:05 2006"} {
					if at, err := time.Parse(layout, date); err == nil {
						all[i].ReceivedAt = at
						break
					}
				}
				i++
			}
		}
		if len(all) != c.Count || i != c.Count {
			t.Fatalf("%s: %d messages, %d dates, want %d", c.Mailbox, len(all), i, c.Count)
		}
		for _, e := range c.Expected {
			var messages []*mailbox.Message
			for _, n := range e.Messages {
				messages = append(messages, all[n-1])
			}
			algorithm := assembly.References
			if e.Algorithm == "ORDEREDSUBJECT" {
				algorithm = assembly.OrderedSubject
			}
			got := assembly.Format(algorithm(messages))
			right.Count(got == e.Answer)
			if got != e.Answer {
				t.Errorf("%s %v: got %s, want %s", c.Mailbox, e.Messages, got, e.Answer)
			}
		}
	}
	right.Floor(t, "RFC 5256: answers", 1)
}
