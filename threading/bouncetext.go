package threading

import (
	"slices"
	"strings"
)

// The reader of reports that are written for people only. There are hundreds of
// forms and one idea: a line names the recipient, the lines behind it say what
// happened. The reader looks for that and knows no system by name.

// Bounds of what is read of a text.
const (
	maxText      = 256 << 10
	maxWords     = 4 << 10 // for one recipient
	maxDiagnosis = 1000
)

// rank says how plainly a line of text names a recipient.
type rank uint8

const (
	// rankNone: the address is that of somebody else.
	rankNone rank = iota
	// rankMention: an address, no more.
	rankMention
	// rankCode: beside the code of a refusal.
	rankCode
	// rankCommand: in the RCPT command of a transcript.
	rankCommand
	// rankLead: the line begins with it.
	rankLead
	// rankListed: alone on its line, before a colon, or behind words such as
	// "recipient".
	rankListed
)

// textRecipient is an address with the words that belong to it.
type textRecipient struct {
	address string
	// original is the address before an alias or a forward, if told.
	original string
	rank     rank
	words    strings.Builder
	// worded tells that the words are more than addresses.
	worded bool
}

// textReader collects recipients line by line.
type textReader struct {
	all   []*textRecipient
	index map[string]*textRecipient
	// current are the recipients that the next words belong to: several when
	// they are listed without words between them.
	current []*textRecipient
	// preamble are the words before the first recipient.
	preamble strings.Builder
}

// readText finds the recipients that the words of a report speak of, and how
// plainly they are named. others tells which addresses are those of senders and
// systems: they count only if nobody else is named, and then as rankNone.
func readText(words string, others func(address string) bool) (recipients []ReportRecipient, best rank) {
	r := textReader{index: make(map[string]*textRecipient)}
	if len(words) > maxText {
		words = words[:maxText]
	}
	for line := range strings.Lines(words) {
		r.line(strings.TrimSpace(clip(line)))
	}
	found, best := r.best(others)
	for _, t := range found {
		diagnostic := diagnosis(t.words.String(), t.address)
		if diagnostic == "" || !telling(diagnostic) && len(found) == 1 {
			if before := diagnosis(r.preamble.String(), t.address); diagnostic == "" || telling(before) {
				diagnostic = before
			}
		}
		recipients = append(recipients, ReportRecipient{
			Original: t.original, Final: t.address, Status: findStatus(diagnostic), Diagnostic: diagnostic,
		})
	}
	return recipients, best
}

func (r *textReader) line(line string) {
	if line == "" {
		r.write("\n")
		return
	}
	opened := false
	for _, a := range findAddresses(line) {
		if len(r.all) == maxRecipients {
			break
		}
		how := rankOf(line, a)
		if before := strings.ToLower(strings.TrimRight(line[:a.start], " \t<\"'")); aliasOf(before) {
			if len(r.current) > 0 {
				last := r.current[len(r.current)-1]
				if last.original == "" && !strings.EqualFold(last.address, a.spec) {
					last.original = a.spec
					if lower := strings.ToLower(a.spec); r.index[lower] == nil {
						r.index[lower] = last // named again, it is the same recipient
					}
				}
				continue
			}
			how = rankListed // what it stands for is not disclosed
		}
		if how == rankNone {
			continue
		}
		t := r.index[strings.ToLower(a.spec)]
		fresh := t == nil
		if fresh {
			t = &textRecipient{address: a.spec}
			r.index[strings.ToLower(a.spec)] = t
			r.all = append(r.all, t)
		}
		t.rank = max(t.rank, how)
		// A server may name others in its reply: the words go on.
		if how == rankMention || how == rankCode && len(r.current) > 0 && (fresh && r.current[0].rank > rankCode || t == r.current[0]) {
			continue
		}
		if !opened && !r.wordless() {
			r.current = r.current[:0]
		}
		opened = true
		if !slices.Contains(r.current, t) {
			r.current = append(r.current, t)
		}
	}
	r.write(line)
	r.write("\n")
}

// wordless reports whether the current recipients are a list to which no words
// have been added yet.
func (r *textReader) wordless() bool {
	for _, t := range r.current {
		if t.worded {
			return false
		}
	}
	return true
}

// hasWords reports whether a line holds more than addresses.
func hasWords(line string) bool {
	rest := strings.Trim(withoutAddresses(line), " \t<>\"'():;,*-.[]")
	return rest != "" && !strings.HasPrefix(strings.ToLower(rest), "mailto")
}

// withoutAddresses returns a line with its addresses taken out: their names say
// nothing about what happened.
func withoutAddresses(line string) string {
	found := findAddresses(line)
	if len(found) == 0 {
		return line
	}
	var b strings.Builder
	at := 0
	for _, a := range found {
		b.WriteString(line[at:a.start])
		at = a.end
	}
	b.WriteString(line[at:])
	return b.String()
}

func (r *textReader) write(s string) {
	if len(r.current) == 0 {
		if r.preamble.Len() < maxWords {
			r.preamble.WriteString(s)
		}
		return
	}
	worded := hasWords(strings.TrimSpace(s))
	for _, t := range r.current {
		t.worded = t.worded || worded
		if t.words.Len() < maxWords {
			t.words.WriteString(s)
		}
	}
}

// best returns the recipients that are named most plainly.
func (r *textReader) best(others func(string) bool) ([]*textRecipient, rank) {
	var fallback []*textRecipient
	for want := rankListed; want > rankNone; want-- {
		var found []*textRecipient
		for _, t := range r.all {
			if t.rank == want || want == rankListed && t.rank == rankCommand && findReplyLine(t.words.String()) {
				found = append(found, t)
			}
		}
		if want == rankCommand && len(found) > 1 { // a transcript names those that were accepted as well
			found = keep(found, func(t *textRecipient) bool { return findReplyLine(t.words.String()) })
		}
		if len(found) == 0 {
			continue
		}
		if strangers := keep(found, func(t *textRecipient) bool { return !others(t.address) }); len(strangers) > 0 {
			return strangers, want
		}
		if fallback == nil {
			fallback = found
		}
	}
	return fallback, rankNone
}

// keep returns the elements that are wanted.
func keep(all []*textRecipient, wanted func(*textRecipient) bool) []*textRecipient {
	var kept []*textRecipient
	for _, t := range all {
		if wanted(t) {
			kept = append(kept, t)
		}
	}
	return kept
}

// aliasOf reports whether the words before an address say that it was replaced
// by the one named last: Exim "(generated from …)", Sendmail and Postfix
// "(expanded from: …)".
func aliasOf(before string) bool {
	return hasAnySuffix(strings.TrimRight(before, ": \t<"), aliasWords)
}

var aliasWords = []string{"generated from", "expanded from", "originally addressed to", "originally sent to", "orig_to=", "orig_to"}

// rankOf judges how an address stands in its line.
func rankOf(line string, a textAddress) rank {
	before := strings.ToLower(strings.TrimRight(line[:a.start], " \t<\"'`([“„«‘*"))
	after := strings.TrimLeft(line[a.end:], ">\"'`)]”“»’ \t")
	bare := strings.TrimLeft(before, " \t<\"'`([>*-•·+")
	context := before[max(0, len(before)-40):]
	switch {
	case hasAnySuffix(context, addressKinds): // an X.400 address
		return rankListed
	case hasAnySuffix(strings.TrimRight(context, ": \t"), commandWords):
		return rankCommand
	case hasAnySuffix(strings.TrimRight(context, ": =\t"), otherWords), containsAny(context, contactWords), strings.Contains(context, "://"):
		return rankNone
	case bare == "to:", bare == "cc:": // of a summary, where all recipients stand
		return rankCommand
	case bare == "" || allAddresses(bare):
		if loneEnding(after) {
			return rankListed
		}
		if isSystemName(a.spec) {
			return rankMention
		}
		return rankLead
	case hasAnySuffix(strings.TrimRight(context, ": \t;"), recipientWords) && len(before) < 120:
		return rankListed
	case isTranscriptEntry(bare) && strings.HasPrefix(after, "..."):
		return rankListed
	case findReplyAt(line) >= 0 || findStatus(line) != "":
		return rankCode
	}
	return rankMention
}

// loneEnding reports whether what follows an address at the beginning of a line
// is nothing, a colon, a remark in brackets or another address.
func loneEnding(after string) bool {
	if after == "" {
		return true
	}
	switch after[0] {
	case ':', '(', ';', '<':
		return true
	case ',':
		return len(findAddresses(after)) > 0
	}
	if code := findReplyAt(after); code == 0 {
		return true
	}
	return strings.HasPrefix(after, "- ") || strings.HasPrefix(after, "... ") || strings.HasPrefix(after, "on ") || after == "."
}

// allAddresses reports whether nothing but addresses stands in s: a list on one
// line.
func allAddresses(s string) bool {
	rest := withoutAddresses(s)
	return len(rest) < len(s) && strings.Trim(rest, " \t<>,;\"'") == ""
}

// isTranscriptEntry: "550 5.1.1" before "<a@b>... User unknown".
func isTranscriptEntry(before string) bool {
	return findReplyAt(before) == 0 && strings.Trim(before, "0123456789. <") == ""
}

// recipientWords stand right before the address of a recipient.
var recipientWords = []string{
	" to", "to", "recipient", "recipients", "recipient(s)", "address", "addresses", "address(es)", "addressee", "user", "userid", "user id",
	"mailbox", "account", "rfc822", "utf-8", "for", "failed", "user unknown", "unknown user", "unknown recipient", "unknown address", "local user",
	"empfänger", "an", "adresse", "destinataire", "destinataires", "à", "destinatario", "destinatarios", "destinatari", "para", "a",
	"destinatário", "получатель", "получателя", "получателю", "адрес", "адресу", "收件人", "邮箱", "地址", "宛先", "あて先", "送信先", "수신자",
	"ontvanger", "aan", "mottagare", "modtager", "mottaker", "odbiorca", "příjemce", "címzett", "alıcı", "παραλήπτης",
}

// commandWords stand before an address in a transcript.
var commandWords = []string{"rcpt to", "rcpt", "rcptto"}

// otherWords stand right before an address that is not a recipient's.
var otherWords = []string{
	"from", "sender", "mail from", "mailto", "by", "reply-to", "return-path", "envelope-from", "message-id", "message id", "msgid", "id",
	"sent from", "von", "absender", "expéditeur", "remitente", "remetente", "mittente", "отправитель", "发件人", "差出人", "送信者", "de",
	"sender address", "from address", "return address", "reply to", "respond to", "cc to", "helo", "ehlo", "postmaster", "smtp-auth",
}

// contactWords show that an address is given to ask for help.
var contactWords = []string{
	"contact", "please send", "e-mail us", "email us", "write to", "questions", "assistance", "for help", "forward this", "report this", "notify",
	"wenden sie sich", "contacter", "removal", "delisted", "delisting", "unblock",
}

// isSystemName reports whether an address belongs to a mail system or its help
// desk, by its name.
func isSystemName(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	switch local {
	case "postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "noreply", "no-reply", "hostmaster", "mailmaster", exchangeSystem:
		return true
	}
	return false
}

func hasAnySuffix(s string, suffixes []string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) && (len(s) == len(x) || x[0] >= 0x80 || !isAlphanumeric(s[len(s)-len(x)-1])) {
			return true
		}
	}
	return false
}
