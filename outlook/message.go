package outlook

import (
	"cmp"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// convert puts a message in the words of the mailbox package. folders may be
// nil when folder is known.
func convert(g *graph.Message, folder mailbox.Folder) *mailbox.Message {
	m := &mailbox.Message{
		ID: mailbox.MessageID(g.ID), ThreadID: mailbox.ThreadID(g.ConversationID),
		Header: g.Header, HeaderComplete: isTransportHeader(g.Header),
		Read: g.IsRead, Draft: g.IsDraft,
	}
	if folder != "" {
		m.Folders = []mailbox.Folder{folder}
	}
	if m.HeaderComplete {
		compose.Describe(m)
	}
	// Graph's own properties complete what the header does not tell.
	if ids := mailbox.ParseMessageIDs(g.InternetMessageID); m.RFCMessageID == "" && len(ids) > 0 {
		m.RFCMessageID = ids[0]
	}
	if len(m.From) == 0 && g.From != (mailbox.Address{}) {
		m.From = []mailbox.Address{g.From}
	}
	if m.Sender == (mailbox.Address{}) && g.Sender != g.From {
		m.Sender = g.Sender
	}
	for _, f := range []struct {
		have  *[]mailbox.Address
		graph []mailbox.Address
	}{{&m.ReplyTo, g.ReplyTo}, {&m.To, g.To}, {&m.Cc, g.Cc}, {&m.Bcc, g.Bcc}} {
		if len(*f.have) == 0 {
			*f.have = f.graph
		}
	}
	m.Subject = cmp.Or(m.Subject, g.Subject)
	m.ReceivedAt = timestamp(m, "receivedDateTime", g.ReceivedDateTime)
	sent := timestamp(m, "sentDateTime", g.SentDateTime)
	if m.Date.IsZero() {
		m.Date = sent
	}
	if folder == mailbox.FolderSent && !sent.IsZero() {
		m.ReceivedAt = sent
	}
	if g.BodyType != "" {
		m.Body = &mailbox.Body{}
		if strings.EqualFold(g.BodyType, "html") {
			m.Body.HTML = g.Body
		} else {
			m.Body.Text = g.Body
		}
	}
	return m
}

// isTransportHeader reports whether a header block came in through transport. A
// sent message has at most the X- fields that its sender gave it.
func isTransportHeader(h mailbox.Header) bool {
	return h.Has("Received") || h.Has("From") || h.Has("Message-ID")
}

// timestamp reads a time of Graph; a broken one is zero and a warning.
func timestamp(m *mailbox.Message, name, value string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		m.Warnings = append(m.Warnings, mailbox.Warning{Code: mailbox.WarnDate, Part: name})
		return time.Time{}
	}
	return t.UTC()
}
