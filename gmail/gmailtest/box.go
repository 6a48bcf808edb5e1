package gmailtest

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// The system labels that have rules of their own.
const (
	labelInbox  = "INBOX"
	labelSent   = "SENT"
	labelDraft  = "DRAFT"
	labelSpam   = "SPAM"
	labelTrash  = "TRASH"
	labelUnread = "UNREAD"
)

// systemLabels is what labels.list begins with.
var systemLabels = [...]string{
	"CHAT", labelSent, labelInbox, "IMPORTANT", labelTrash, labelDraft, labelSpam,
	"CATEGORY_FORUMS", "CATEGORY_UPDATES", "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL",
	"STARRED", labelUnread,
}

// box is one mailbox. The server's lock guards it.
type box struct {
	user     User
	messages map[string]*message
	order    []*message // newest first
	threads  map[string][]*message
	byRFC    map[mailbox.RFCMessageID][]*message
	bySubj   map[string][]*message // by base subject, in order of arrival
	drafts   map[string]*message   // by draft id
	labels   []label               // made by the user
	watch    *Watch
	seq      int

	base      uint64 // the history id before the first record
	historyID uint64
	floor     uint64 // history before it was forgotten
	history   []record
	hiding    []*hidden

	parallel int
	units    meter
	sends    sendMeter
}

type label struct{ id, name string }

// message is one message of a mailbox.
type message struct {
	id, thread string
	labels     []string
	at         time.Time // internalDate
	seq        int       // order of arrival
	historyID  uint64
	raw        []byte
	mail       *fakeserver.Mail // of raw
	subject    string           // base subject
	draftID    string
	sentAt     time.Time // of a draft that was sent and lingers
	indexed    time.Time
	hidden     *hidden
	text       *string // snippet, once computed
}

// hidden keeps something out of lists and history for a while.
type hidden struct {
	until    time.Time
	requests int
	get      bool
}

func (h *hidden) over(now time.Time) bool {
	return h == nil || h.requests <= 0 && !now.Before(h.until)
}

func newBox(u User, historyID uint64) *box {
	b := &box{
		user: u, messages: map[string]*message{}, threads: map[string][]*message{},
		byRFC: map[mailbox.RFCMessageID][]*message{}, bySubj: map[string][]*message{}, drafts: map[string]*message{},
		base: historyID, historyID: historyID, floor: historyID,
	}
	for _, name := range u.Labels {
		b.addLabel(name)
	}
	return b
}

func (b *box) addLabel(name string) label {
	l := label{"Label_" + itoa(len(b.labels)+1), name}
	b.labels = append(b.labels, l)
	return l
}

// knows reports whether a label id exists.
func (b *box) knows(id string) bool {
	return slices.Contains(systemLabels[:], id) ||
		slices.ContainsFunc(b.labels, func(l label) bool { return l.id == id })
}

func (m *message) has(label string) bool { return slices.Contains(m.labels, label) }

// newer is the order of lists.
func newer(a, b *message) bool {
	if !a.at.Equal(b.at) {
		return a.at.After(b.at)
	}
	return a.seq > b.seq
}

// newMessage returns a message that is not filed yet.
func newMessage(id string, raw []byte, at time.Time, labels ...string) *message {
	m := &message{id: id, raw: raw, at: at.Truncate(time.Millisecond), labels: labels, mail: fakeserver.ParseMail(raw)}
	m.subject = baseSubject(m.mail.Get("Subject"))
	return m
}

// add files a message whose id, thread and labels are set.
func (b *box) add(m *message) {
	b.seq++
	m.seq = b.seq
	b.messages[m.id] = m
	at := sort.Search(len(b.order), func(i int) bool { return newer(m, b.order[i]) })
	b.order = slices.Insert(b.order, at, m)
	b.threads[m.thread] = append(b.threads[m.thread], m)
	b.bySubj[m.subject] = append(b.bySubj[m.subject], m)
	for _, id := range m.mail.IDs("Message-ID") {
		b.byRFC[id] = append(b.byRFC[id], m)
	}
}

// remove takes a message out for good.
func (b *box) remove(m *message) {
	is := func(x *message) bool { return x == m }
	delete(b.messages, m.id)
	b.order = slices.DeleteFunc(b.order, is)
	drop(b.threads, m.thread, m)
	drop(b.bySubj, m.subject, m)
	for _, id := range m.mail.IDs("Message-ID") {
		drop(b.byRFC, id, m)
	}
	if m.draftID != "" {
		delete(b.drafts, m.draftID)
	}
}

// drop takes m out of one list of an index.
func drop[K comparable](index map[K][]*message, key K, m *message) {
	list := slices.DeleteFunc(index[key], func(x *message) bool { return x == m })
	if index[key] = list; len(list) == 0 {
		delete(index, key)
	}
}

// maxThread is where Gmail splits a conversation
// (support.google.com/mail/answer/5900, read 2026-11-20).
const maxThread = 100

// groupWindow is how far apart mail without References may be that is still
// grouped (same page).
const groupWindow = 7 * 24 * time.Hour

// findThread returns the thread of the mailbox that a message without a wanted
// thread belongs to, or "": it cites a message that is there and has the same
// subject; or it cites nothing and repeats sender, recipients and subject within
// a week (workspaceupdates.googleblog.com, 2019-03).
func (b *box) findThread(m *message, grouping bool) string {
	cited := append(m.mail.IDs("References"), m.mail.IDs("In-Reply-To")...)
	for _, id := range slices.Backward(cited) {
		for _, parent := range b.byRFC[id] {
			if len(b.threads[parent.thread]) < maxThread && parent.subject == m.subject {
				return parent.thread
			}
		}
	}
	if len(cited) > 0 || !grouping || m.subject == "" {
		return ""
	}
	for _, other := range slices.Backward(b.bySubj[m.subject]) {
		if apart := m.at.Sub(other.at).Abs(); apart > groupWindow || other.has(labelDraft) ||
			len(b.threads[other.thread]) >= maxThread || !sameParties(m, other) {
			continue
		}
		return other.thread
	}
	return ""
}

func sameParties(a, b *message) bool {
	same := func(name string) bool {
		return slices.EqualFunc(a.mail.Addresses(name), b.mail.Addresses(name), func(x, y mailbox.Address) bool {
			return mailbox.SameAddress(x.Address, y.Address)
		})
	}
	return same("From") && same("To") && same("Cc")
}

// fits reports whether a sent message may join the thread that it asks for.
func (b *box) fits(m *message, thread string) bool {
	in := b.threads[thread]
	if len(in) == 0 || len(in) >= maxThread {
		return false
	}
	cited := append(m.mail.IDs("References"), m.mail.IDs("In-Reply-To")...)
	return slices.ContainsFunc(in, func(x *message) bool { return x.subject == m.subject }) && slices.ContainsFunc(in, func(x *message) bool {
		return slices.ContainsFunc(x.mail.IDs("Message-ID"), func(id mailbox.RFCMessageID) bool {
			return slices.Contains(cited, id)
		})
	})
}

// baseSubject removes Re: and Fwd: in front, which Gmail tolerates.
func baseSubject(s string) string {
	s = decodeWords(s)
	for {
		s = strings.TrimSpace(s)
		lower := strings.ToLower(s)
		cut := 0
		for _, prefix := range []string{"re:", "fwd:", "fw:"} {
			if strings.HasPrefix(lower, prefix) {
				cut = len(prefix)
			}
		}
		if cut == 0 {
			return strings.ToLower(strings.Join(strings.Fields(s), " "))
		}
		s = s[cut:]
	}
}
