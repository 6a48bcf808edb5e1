package threading

import (
	"mime"
	"net/mail"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// maxValue bounds how much of a field value is looked at, in bytes. RFC 5322
// lines end at 998; no sign stands further back.
const maxValue = 4096

// signs is what the rules look at, read from a message once.
type signs struct {
	m *mailbox.Message
	// mediaType and reportType are in lower case.
	mediaType, reportType string
	// subject is decoded, in lower case, without list tags; prefixed tells that
	// a reply or forward prefix stood before it.
	subject  string
	prefixed bool
	// automatic is the keyword of Auto-Submitted other than "no", in lower case,
	// and automaticNote the comments and parameters beside it.
	automatic, automaticNote string
	// nullPath: sent from the null reverse path (RFC 5321, 4.5.5).
	nullPath bool
	sender   senderKind
	// cites: the message carries In-Reply-To or References.
	cites bool
	// precedence is in lower case.
	precedence string
	// subjectText is the decoded subject; folded is subject as phrases are
	// looked for, empty behind a reply prefix; announced is what was found.
	subjectText, folded string
	announced           sayings
	// desk: a help desk sent it; agent: in the name of a person who wrote it.
	desk, agent bool
	// words is nil until readWords was called.
	words *words
}

// senderKind tells whether the sender is a person's or a mail system's address.
type senderKind uint8

const (
	senderOther senderKind = iota
	// senderPostmaster is an address behind which people write as well.
	senderPostmaster
	// senderDaemon is an address that only mail systems use.
	senderDaemon
)

func readSigns(m *mailbox.Message) *signs {
	s := &signs{m: m}
	contentType := field(m, "Content-Type")
	s.mediaType = mediaType(contentType)
	if s.mediaType == "multipart/report" {
		s.reportType = strings.ToLower(parameter(contentType, "report-type"))
	}
	s.subjectText = subjectOf(m)
	s.subject, s.prefixed = BaseSubject(s.subjectText)
	s.readSubject()
	s.precedence = strings.ToLower(field(m, "Precedence"))
	for _, v := range m.Header.Values("Auto-Submitted") {
		keyword, note := autoSubmitted(clip(v))
		if keyword != "" && keyword != "no" {
			s.automatic, s.automaticNote = keyword, note
			break
		}
	}
	s.nullPath = nullPath(m)
	s.sender = senderOf(m)
	s.cites = field(m, "In-Reply-To") != "" || field(m, "References") != ""
	return s
}

// field returns the first value of a header field, clipped and trimmed.
func field(m *mailbox.Message, name string) string {
	return strings.TrimSpace(clip(m.Header.Get(name)))
}

func clip(s string) string {
	if len(s) > maxValue {
		return s[:maxValue]
	}
	return s
}

// subjectOf returns the decoded subject. Who fills only the header of a message
// gets the encodings that the standard library knows.
func subjectOf(m *mailbox.Message) string {
	if m.Subject != "" {
		return clip(m.Subject)
	}
	raw := field(m, "Subject")
	decoded, err := new(mime.WordDecoder).DecodeHeader(raw)
	if err != nil {
		return raw
	}
	return decoded
}

// mediaType returns the media type of a Content-Type value in lower case. It
// reads what mime.ParseMediaType refuses.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// parameter returns a parameter of a Content-Type value, or "". It accepts what
// mime.ParseMediaType refuses: duplicates, missing quotes, stray semicolons.
func parameter(contentType, name string) string {
	_, rest, _ := strings.Cut(contentType, ";")
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return ""
		}
		if i := strings.LastIndexByte(key, ';'); i >= 0 { // a parameter without a value
			key = key[i+1:]
		}
		var value string
		after = strings.TrimLeft(after, " \t")
		if quoted, found := strings.CutPrefix(after, `"`); found {
			value, rest = unquote(quoted)
		} else {
			value, rest, _ = strings.Cut(after, ";")
			value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
		}
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return value
		}
	}
	return ""
}

// unquote reads a quoted string behind its opening quote and returns it with
// what follows the closing one.
func unquote(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// autoSubmitted splits an Auto-Submitted value (RFC 3834, 5) into its keyword
// and what stands beside it: comments anywhere, parameters behind a semicolon.
func autoSubmitted(value string) (keyword, note string) {
	var plain, comments strings.Builder
	depth := 0
	for i := range len(value) {
		c := value[i]
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
			comments.WriteByte(' ')
		case depth > 0:
			comments.WriteByte(c)
		default:
			plain.WriteByte(c)
		}
	}
	keyword, parameters, _ := strings.Cut(plain.String(), ";")
	note = strings.TrimSpace(comments.String() + parameters)
	return strings.ToLower(strings.TrimSpace(keyword)), strings.ToLower(note)
}

// nullPath reports whether a Return-Path field shows the null reverse path.
// Some systems file it as MAILER-DAEMON or "<null>".
func nullPath(m *mailbox.Message) bool {
	for _, v := range m.Header.Values("Return-Path") {
		v = strings.ToLower(strings.Trim(clip(v), " \t<>"))
		local, _, _ := strings.Cut(v, "@")
		if v == "" || v == "null" || local == "mailer-daemon" {
			return true
		}
	}
	return false
}

// exchangeSystem is the local part that Exchange uses for mail it writes itself
// to senders of its own organisation: the MicrosoftExchangeRecipient of
// Get-OrganizationConfig, the same in every organisation (read 2026-11-20).
// Besides bounces it sends quota warnings and journal reports.
const exchangeSystem = "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e"

func senderOf(m *mailbox.Message) senderKind {
	kind := senderOther
	for _, address := range authors(m) {
		local, _, _ := strings.Cut(strings.ToLower(address), "@")
		switch local {
		case "mailer-daemon":
			return senderDaemon
		case "postmaster", exchangeSystem:
			kind = senderPostmaster
		}
	}
	// Daemons write "MAILER-DAEMON" without a domain, or "MAILER-DAEMON <>",
	// which no address parser takes; others leave nothing but the brackets.
	from := strings.ToLower(field(m, "From"))
	switch {
	case kind != senderOther:
	case strings.HasPrefix(from, "mailer-daemon"), strings.Contains(from, "<mailer-daemon>"), strings.HasSuffix(from, "<>"):
		return senderDaemon
	case from != "" && !strings.Contains(from, "@") && !slices.ContainsFunc(authors(m), func(a string) bool { return strings.Contains(a, "@") }): // the name of a service
		return senderPostmaster
	}
	return kind
}

// nameMarks are what people put between the words of an address.
var nameMarks = strings.NewReplacer("-", "", "_", "", ".", "")

// senderIs reports whether an address of From has a wanted name: its local part, in
// lower case and without the marks between its words.
func (s *signs) senderIs(wanted func(name string) bool) bool {
	return slices.ContainsFunc(authors(s.m), func(a string) bool {
		local, _, _ := strings.Cut(strings.ToLower(a), "@")
		return wanted(nameMarks.Replace(local))
	})
}

// authors returns the addresses of From, decoded if the message has them,
// otherwise from the header.
func authors(m *mailbox.Message) []string {
	if len(m.From) == 0 {
		return addresses(field(m, "From"))
	}
	all := make([]string, 0, len(m.From)+2) // senders adds some
	for _, a := range m.From {
		all = append(all, a.Address)
	}
	return all
}

// senders returns the addresses that a message may come from: From, Sender and
// Reply-To. What a list writes over them is the list's own address, to which the
// message went, and nobody's.
func senders(m *mailbox.Message) []string {
	all := authors(m)
	if m.Sender.Address != "" {
		all = append(all, m.Sender.Address)
	} else {
		all = append(all, addresses(field(m, "Sender"))...)
	}
	persons := len(all)
	all = append(all, replyTo(m)...)
	if m.Header.Has("List-Id") || m.Header.Has("List-Post") {
		persons = 0
	}
	if len(all) > persons {
		receivers := recipientsOf(m)
		receivers = receivers[:min(len(receivers), maxParticipants)]
		groups := slices.DeleteFunc(all[persons:], func(a string) bool { return findRecipient(receivers, []string{a}) != "" })
		all = all[:persons+len(groups)]
	}
	return all
}

// replyTo returns the addresses of Reply-To, decoded if the message has them,
// otherwise from the header.
func replyTo(m *mailbox.Message) []string {
	if len(m.ReplyTo) == 0 {
		return addresses(field(m, "Reply-To"))
	}
	all := make([]string, 0, len(m.ReplyTo))
	for _, a := range m.ReplyTo {
		all = append(all, a.Address)
	}
	return all
}

// addresses returns the addr-specs of an address list, as far as they can be
// read.
func addresses(list string) []string {
	if list == "" {
		return nil
	}
	var all []string
	if parsed, err := mail.ParseAddressList(list); err == nil {
		for _, a := range parsed {
			all = append(all, a.Address)
		}
		return all
	}
	// The forms of broken address lists are those of broken id lists: brackets
	// count first, bare tokens with an "@" otherwise.
	for _, id := range mailbox.ParseMessageIDs(list) {
		all = append(all, string(id))
	}
	return all
}
