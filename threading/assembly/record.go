package assembly

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/replytext"
)

const (
	// maxCited is how many ids of one field are kept: the first, which is the
	// root, and the nearest.
	maxCited = 100
	// maxAliases is how many original ids of one message are kept.
	maxAliases = 4
	// maxPeople is how many addresses of one message are compared.
	maxPeople = 50
	// maxOpeners is how many quotes are looked at: the nearest ancestors come
	// first.
	maxOpeners = 4
	// maxPhrases is how many phrases are kept of what the author wrote, and of
	// what is quoted.
	maxPhrases = 64
	// maxText bounds how much of a body is looked at.
	maxText = 256 << 10
	// maxSubject bounds how much of a subject is looked at.
	maxSubject = 1024
)

// record is what is kept of one copy of a message.
type record struct {
	id      name
	aliases []name
	// inReplyTo, parentIDs and references are the ids of those fields in their
	// order: the last one is the nearest.
	inReplyTo, parentIDs, references []name

	// sent is in seconds since 1970; 0 is unknown. zone is the sender's, in
	// seconds east of Greenwich.
	sent int64
	zone int32

	// author and authorName stand for the address and the display name of From.
	author, authorName uint64
	// list stands for the List-Id.
	list uint64
	// to are the addresses it went to, Reply-To left out, as hashes.
	to []uint64

	subject  string // base subject
	prefixed bool   // a reply or forward prefix stood before it
	series   series
	index    threading.ThreadIndex

	// own and quoted stand for phrases.
	own, quoted []uint64
	openers     []opener
}

// opener is what introduces a quote: who wrote the quoted text, and when.
type opener struct {
	author, name uint64
	sent         int64
	zoned        bool
}

// privateDomain ends the names of messages without an id (RFC 6761, 6.4).
const privateDomain = "@private.invalid"

func (a *Assembler) read(m *mailbox.Message) record {
	r := record{
		inReplyTo:  a.names.cited(m.InReplyTo()),
		references: a.names.cited(m.References()),
		index:      threadIndex(m),
	}
	if id := m.Header.Get("List-Id"); id != "" {
		r.list = hash(strings.ToLower(id[:min(len(id), maxSubject)]))
	}
	r.readTime(m)
	participants := a.readPeople(m, &r)
	r.id = a.names.of(identity(m, participants))
	for _, v := range m.Header.Values("X-MS-Exchange-Parent-Message-Id") {
		if len(r.parentIDs) < maxCited {
			r.parentIDs = append(r.parentIDs, a.names.cited(mailbox.ParseMessageIDs(v))...)
		}
	}
	for _, id := range threading.MessageIDs(m) {
		if len(r.aliases) < maxAliases && usable(id) && id != a.names.list[r.id] {
			r.aliases = append(r.aliases, a.names.of(id))
		}
	}
	subject := m.Subject
	if len(subject) > maxSubject {
		subject = subject[:maxSubject]
	}
	r.subject, r.prefixed = threading.BaseSubject(subject)
	r.series = readSeries(subject)
	r.readBody(m.Body)
	return r
}

// identity returns the id of a message, or a private one.
func identity(m *mailbox.Message, participants []string) mailbox.RFCMessageID {
	ids := []mailbox.RFCMessageID{m.RFCMessageID}
	if m.RFCMessageID == "" {
		ids = mailbox.ParseMessageIDs(m.Header.Get("Message-ID"))
	}
	for _, id := range ids {
		own := slices.ContainsFunc(participants, func(p string) bool { return mailbox.SameAddress(p, string(id)) })
		if usable(id) && !own {
			return id
		}
	}
	return privateID(m)
}

// usable reports whether an id may name a message.
func usable(id mailbox.RFCMessageID) bool {
	return id != "" && !strings.HasSuffix(string(id), privateDomain)
}

func privateID(m *mailbox.Message) mailbox.RFCMessageID {
	h := sha256.New()
	write := func(parts ...string) {
		for _, p := range parts {
			_, _ = io.WriteString(h, p) // a hash never fails
			_, _ = h.Write([]byte{0})
		}
	}
	if m.ID != "" {
		write(string(m.ID))
	} else {
		for _, f := range m.Header {
			write(f.Name, f.Value)
		}
		write("", m.Subject, m.Date.UTC().String(), m.ReceivedAt.UTC().String())
		for _, list := range addressLists(m) {
			for _, p := range list {
				write(p.Name, p.Address)
			}
		}
		if m.Body != nil {
			write(m.Body.Text, m.Body.HTML)
		}
	}
	return mailbox.RFCMessageID(hex.EncodeToString(h.Sum(nil)[:16]) + privateDomain)
}

func addressLists(m *mailbox.Message) [][]mailbox.Address {
	return [][]mailbox.Address{m.From, m.To, m.Cc, m.Bcc, m.ReplyTo, {m.Sender}}
}

// farPast is how long a message may have been under way. If its Date is earlier
// still, the sender's clock was wrong.
const farPast = 7 * 24 * time.Hour

// readTime takes the time of the Date field, which answers repeat, unless the
// provider's contradicts it.
func (r *record) readTime(m *mailbox.Message) {
	sent := m.Date
	if at := m.ReceivedAt; !at.IsZero() && (sent.IsZero() || sent.After(at) || sent.Before(at.Add(-farPast))) {
		sent = at
	}
	if !sent.IsZero() {
		r.sent = sent.Unix()
	}
	_, zone := m.Date.Zone()
	r.zone = int32(zone)
}

// readPeople reads who wrote the message and who got it, and returns the
// addresses of all of them.
func (a *Assembler) readPeople(m *mailbox.Message, r *record) []string {
	from := m.From
	if len(from) == 0 {
		for _, id := range mailbox.ParseMessageIDs(m.Header.Get("From")) {
			from = append(from, mailbox.Address{Address: string(id)})
		}
	}
	if len(from) > 0 {
		r.author = hashAddress(from[0].Address)
		r.authorName = hashName(from[0].Name)
	}
	var all []string
	for _, p := range from {
		all = append(all, p.Address)
	}
	for _, list := range addressLists(m)[1:] {
		for _, p := range list {
			all = append(all, p.Address)
		}
	}
	for _, list := range [][]mailbox.Address{m.To, m.Cc} {
		for _, p := range list {
			if len(r.to) < maxPeople && p.Address != "" {
				r.to = append(r.to, hashAddress(p.Address))
			}
		}
	}
	for _, p := range all {
		if p != "" {
			a.people[hash(strings.ToLower(p))] = struct{}{}
		}
	}
	return all
}

func threadIndex(m *mailbox.Message) threading.ThreadIndex {
	index, _ := threading.ParseThreadIndex(m.Header.Get("Thread-Index"))
	return index
}

func (r *record) readBody(b *mailbox.Body) {
	if b == nil {
		return
	}
	reply := replytext.ParseBody(b.Text[:min(len(b.Text), maxText)], b.HTML[:min(len(b.HTML), maxText)])
	if !reply.Whole || len(reply.Quoted) == 0 {
		r.own = threading.Fingerprints(reply.Text, maxPhrases)
	}
	r.quoted = threading.Fingerprints(strings.Join(reply.Quoted, "\n"), maxPhrases)
	for _, o := range reply.Openers[:min(len(reply.Openers), maxOpeners)] {
		if !o.Sent.IsZero() && !o.DayOnly {
			r.openers = append(r.openers, opener{hashAddress(o.Address), hashName(o.Name), o.Sent.Unix(), o.Zoned})
		}
	}
}

// hashAddress returns 0 for no address.
func hashAddress(s string) uint64 {
	if s == "" {
		return 0
	}
	return hash(threading.CanonicalAddress(s))
}

// hashName returns a hash that is the same for "Ann Miller" and "Miller, Ann",
// 0 for no name.
func hashName(s string) uint64 {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" \t,;.\"'()", r) })
	slices.Sort(words)
	if len(words) == 0 {
		return 0
	}
	return hash(strings.Join(words, " "))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // never fails
	return h.Sum64()
}
