package compose

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-message/textproto"

	"github.com/mailtether/mailtether/mailbox"
)

// BuildOptions is what [Build] needs beyond the message itself.
type BuildOptions struct {
	// From is the sender when the message names none; required then.
	From mailbox.Address
	// Now is the Date of a message that has none; zero means the present time.
	Now time.Time
	// Bcc writes the Bcc field. Gmail reads the recipients from the header and
	// removes the field before it delivers; everybody else must not get it.
	Bcc bool
	// MaxBytes is the size above which a message is refused; 0 means no limit.
	MaxBytes int64
}

// Built is a message ready to be sent.
type Built struct {
	// Raw is the message with CRLF line ends.
	Raw []byte
	// RFCMessageID is its Message-ID.
	RFCMessageID mailbox.RFCMessageID
}

// Build renders out as an RFC 5322 message. The text is quoted-printable,
// files are base64, so that no relay has a reason to change either; no line is
// longer than 998 bytes, and header fields are folded at 76. Text and HTML
// become a multipart/alternative, inline files a multipart/related around the
// HTML, attachments a multipart/mixed around all of it.
//
// The result depends on nothing but the arguments once out has a Date and an
// RFCMessageID. Errors are those of [Check], and [mailbox.Invalid] for a missing
// From or a message above MaxBytes.
func Build(out *mailbox.Outgoing, opts BuildOptions) (*Built, error) {
	if err := Check(out); err != nil {
		return nil, err
	}
	from := out.From
	if from == (mailbox.Address{}) {
		from = opts.From
		if err := checkAddress("from", from); err != nil {
			return nil, err
		}
	}
	id := out.RFCMessageID
	if id == "" {
		id = NewMessageID(from.Address)
	}
	body := Bodies(out)
	size := estimate(out, body)
	if opts.MaxBytes > 0 && size > opts.MaxBytes {
		return nil, tooLarge(opts)
	}
	tree := newTree(out, body, id)
	var h textproto.Header
	tree.addFields(&h)
	h.Add("MIME-Version", "1.0")
	addFields(&h, out, from, id, opts)

	var b bytes.Buffer
	b.Grow(int(size + size/16 + 4096))
	if err := textproto.WriteHeader(&b, h); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	if err := tree.write(&b); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	if tree.children == nil {
		b.WriteString("\r\n")
	}
	if opts.MaxBytes > 0 && int64(b.Len()) > opts.MaxBytes {
		return nil, tooLarge(opts)
	}
	return &Built{Raw: b.Bytes(), RFCMessageID: id}, nil
}

func tooLarge(opts BuildOptions) error {
	return mailbox.Invalid("message size", atMost(opts.MaxBytes), "is too large")
}

// estimate returns a size that the message will certainly have.
func estimate(out *mailbox.Outgoing, body mailbox.Body) int64 {
	size := len(body.Text) + len(body.HTML)
	for _, f := range out.Attachments {
		size += base64.StdEncoding.EncodedLen(len(f.Data)) + len(f.Data)/base64Line*2
	}
	return int64(size)
}

// addFields adds the fields of the message, all but those of its content. Each
// is put on top of the others.
func addFields(h *textproto.Header, out *mailbox.Outgoing, from mailbox.Address, id mailbox.RFCMessageID, opts BuildOptions) {
	add := func(name, value string) {
		if value != "" {
			h.Add(name, value)
		}
	}
	for _, f := range slices.Backward(out.Header) {
		h.Add(f.Name, encodeText(f.Value))
	}
	add(mailbox.RefHeader, out.Ref)
	if u := out.Unsubscribe; u != nil {
		var targets []string
		if u.URL != "" {
			h.Add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
			targets = append(targets, "<"+u.URL+">")
		}
		if u.Mailto != "" {
			targets = append(targets, "<mailto:"+mailtoURL(u.Mailto)+">")
		}
		h.Add("List-Unsubscribe", strings.Join(targets, ", "))
	}
	if out.Reply != nil {
		add("References", encodeIDs(references(out.Reply.References, out.Reply.RFCMessageID)))
		add("In-Reply-To", out.Reply.RFCMessageID.Brackets())
	}
	h.Add("Message-ID", id.Brackets())
	h.Add("Subject", encodeText(out.Subject))
	if opts.Bcc {
		add("Bcc", encodeAddresses(out.Bcc))
	}
	add("Cc", encodeAddresses(out.Cc))
	add("To", encodeAddresses(out.To))
	add("Reply-To", encodeAddresses(out.ReplyTo))
	h.Add("From", encodeAddress(from))
	h.Add("Date", date(out, opts).Format(dateLayout))
}

func encodeIDs(ids []mailbox.RFCMessageID) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = id.Brackets()
	}
	return strings.Join(parts, " ")
}

// mailtoURL writes a checked address for a mailto URL (RFC 6068, 2).
func mailtoURL(mailto string) string {
	address, query, ok := strings.Cut(mailto, "?")
	address = strings.NewReplacer("%", "%25", "&", "%26", "/", "%2F", "#", "%23", "=", "%3D").Replace(asciiAddress(address))
	if ok {
		return address + "?" + query
	}
	return address
}

// dateLayout is the form of the Date field (RFC 5322, 3.3).
const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"

// date returns the time that goes into the Date field.
func date(out *mailbox.Outgoing, opts BuildOptions) time.Time {
	switch {
	case !out.Date.IsZero():
		return out.Date
	case !opts.Now.IsZero():
		return opts.Now
	default:
		return time.Now().UTC() // where the host runs is nobody's business
	}
}
