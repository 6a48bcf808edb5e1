package compose

import (
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// ReplyOptions shape an answer.
type ReplyOptions struct {
	// All answers the other recipients too.
	All bool
	// Quote includes the original below the answer, if its body is there.
	Quote bool
}

// ReplyTo prepares an answer to msg, a message in the mailbox of self: the
// recipients, "Re: " in front of the subject, and what keeps the answer in the
// thread. The text is left to the caller.
//
// The answer goes to Reply-To, or else to From; with All also to the other
// addresses of To, and to those of Cc, each address once and self left out. An
// answer to a message that self sent goes where that one went. Addresses and ids
// that cannot be written into a message are left out, so that [Build] does not
// refuse an answer for what somebody else got wrong.
func ReplyTo(msg *mailbox.Message, self mailbox.Identity, opts ReplyOptions) *mailbox.Outgoing {
	list := recipients{seen: map[string]bool{}}
	for _, own := range append([]string{self.Address}, self.Aliases...) {
		list.seen[strings.ToLower(own)] = true
	}
	var to, cc []mailbox.Address
	if len(msg.From) > 0 && list.seen[strings.ToLower(msg.From[0].Address)] {
		to = list.take(msg.To)
		if opts.All {
			cc = list.take(msg.Cc)
		}
	} else {
		to = list.take(msg.ReplyTo)
		if len(to) == 0 {
			to = list.take(msg.From)
		}
		if opts.All {
			to = append(to, list.take(msg.To)...)
			cc = list.take(msg.Cc)
		}
	}
	if len(to) == 0 { // a message to oneself
		list.seen = map[string]bool{}
		to = list.take(msg.From)
	}
	out := &mailbox.Outgoing{
		To:      to,
		Cc:      cc,
		Subject: replySubject(msg.Subject),
		Reply: &mailbox.Reply{
			ID:           msg.ID,
			ThreadID:     msg.ThreadID,
			RFCMessageID: usable(msg.RFCMessageID),
			References:   parentReferences(msg),
		},
	}
	if opts.Quote && msg.Body != nil && !isBlank(*msg.Body) {
		out.Reply.Quote = &mailbox.Quote{Date: msg.Date, Body: *msg.Body}
		if len(msg.From) > 0 {
			out.Reply.Quote.From = msg.From[0]
		}
		if msg.Date.IsZero() {
			out.Reply.Quote.Date = msg.ReceivedAt
		}
	}
	return out
}

// recipients picks addresses that were not picked before.
type recipients struct{ seen map[string]bool }

func (r *recipients) take(list []mailbox.Address) []mailbox.Address {
	var picked []mailbox.Address
	for _, a := range list {
		key := strings.ToLower(a.Address)
		if r.seen[key] || checkAddrSpec("", a.Address) != nil {
			continue
		}
		r.seen[key] = true
		picked = append(picked, mailbox.Address{Name: headerText(a.Name), Address: a.Address})
	}
	return picked
}

// headerText makes text of other people's mail fit for a header field.
func headerText(s string) string {
	s = strings.TrimSpace(cleanText(strings.ToValidUTF8(s, replacement)))
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// replySubject puts "Re: " in front of a subject once. Gmail keeps an answer in
// its thread only if the subject matches apart from it.
func replySubject(subject string) string {
	subject = headerText(subject)
	if len(subject) >= 3 && strings.EqualFold(subject[:3], "re:") {
		return subject
	}
	return headerText("Re: " + subject)
}

// parentReferences returns what the References of an answer begin with
// (RFC 5322, 3.6.4): those of the original, or else its In-Reply-To if that is
// a single id.
func parentReferences(msg *mailbox.Message) []mailbox.RFCMessageID {
	ids := msg.References()
	if len(ids) == 0 {
		if ids = msg.InReplyTo(); len(ids) != 1 {
			return nil
		}
	}
	var refs []mailbox.RFCMessageID
	for _, id := range ids {
		if usable(id) != "" {
			refs = append(refs, id)
		}
	}
	parent := usable(msg.RFCMessageID)
	refs = references(refs, parent)
	if parent != "" { // it is added again when the message is built
		refs = refs[:len(refs)-1]
	}
	return refs
}

// usable returns the id, or "" if it cannot be cited.
func usable(id mailbox.RFCMessageID) mailbox.RFCMessageID {
	if checkID("", id) != nil {
		return ""
	}
	return id
}
