package compose

import (
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/mailtether/mailtether/mailbox"
)

// Limits of what becomes a header field. RFC 5322 (2.1.1) limits lines to 998
// bytes; the lengths of addresses are those of RFC 5321 (4.5.3.1).
const (
	maxText      = 998
	maxFileName  = 255
	maxLocalPart = 64
	maxAddress   = 254
	maxURL       = 900
	maxRef       = 64
)

// Check tells whether [Build] would refuse out, by the same rules and without
// rendering it: recipients, addresses, characters that may not stand in header
// fields, names of fields, the form of ids and URLs. The error is a
// [mailbox.Invalid] that names the field as its JSON does, for instance
// "to[3].address". The zero From is accepted: see [BuildOptions].
func Check(out *mailbox.Outgoing) error {
	if out == nil {
		return mailbox.Invalid("message", "", "is missing")
	}
	if len(out.To)+len(out.Cc)+len(out.Bcc) == 0 {
		return mailbox.Invalid("to", "at least one recipient in to, cc or bcc", "is empty")
	}
	if out.Text == "" && out.HTML == "" {
		return mailbox.Invalid("text", "text, html or both", "is empty")
	}
	if year := out.Date.Year(); !out.Date.IsZero() && (year < 1900 || year > 9999) {
		return mailbox.Invalid("date", "years 1900 to 9999", "is out of range")
	}
	checks := []func(*mailbox.Outgoing) error{
		checkAddresses, checkTexts, checkFiles, checkReply, checkUnsubscribe, checkHeader, checkOwn,
	}
	for _, check := range checks {
		if err := check(out); err != nil {
			return err
		}
	}
	return nil
}

func checkAddresses(out *mailbox.Outgoing) error {
	if out.From != (mailbox.Address{}) {
		if err := checkAddress("from", out.From); err != nil {
			return err
		}
	}
	lists := []struct {
		field string
		list  []mailbox.Address
	}{{"reply_to", out.ReplyTo}, {"to", out.To}, {"cc", out.Cc}, {"bcc", out.Bcc}}
	for _, l := range lists {
		for i, a := range l.list {
			if err := checkAddress(fmt.Sprintf("%s[%d]", l.field, i), a); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkAddress(field string, a mailbox.Address) error {
	if err := checkText(field+".name", a.Name); err != nil {
		return err
	}
	return checkAddrSpec(field+".address", a.Address)
}

// checkAddrSpec accepts addr-specs of RFC 5322 (3.4.1) that RFC 5321 can carry.
func checkAddrSpec(field, address string) error {
	if err := checkText(field, address); err != nil {
		return err
	}
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 {
		return mailbox.Invalid(field, "local@domain", "is not an address")
	}
	local := address[:at]
	switch {
	case !isASCII(local):
		// RFC 6531 is promised by neither Gmail nor Graph.
		return mailbox.Invalid(field, "ASCII in front of the @", "has an internationalised local part")
	case len(local) > maxLocalPart:
		return mailbox.Invalid(field, "at most 64 bytes in front of the @", "is too long")
	case !isDotAtom(local) && !isQuotedLocal(local):
		return mailbox.Invalid(field, "local@domain", "has a malformed local part")
	}
	domain, err := asciiDomain(address[at+1:])
	if err != nil {
		return mailbox.Invalid(field, "local@domain", "has a malformed domain")
	}
	if len(local)+1+len(domain) > maxAddress {
		return mailbox.Invalid(field, "at most 254 bytes", "is too long")
	}
	return nil
}

// isQuotedLocal reports whether s is a quoted string.
func isQuotedLocal(s string) bool {
	if s[0] != '"' {
		return false
	}
	_, rest, ok := quotedString(s)
	return ok && rest == ""
}

// asciiDomain returns the domain as it is written into a header: in ASCII
// (RFC 5890), or a literal in brackets.
func asciiDomain(domain string) (string, error) {
	if !isASCII(domain) {
		return idna.Lookup.ToASCII(domain)
	}
	if inner, ok := strings.CutPrefix(domain, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok || inner == "" || strings.ContainsAny(inner, `[]\ <>`) {
			return "", errDomain
		}
		return domain, nil
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", errDomain
		}
		for i := range len(label) {
			if c := label[i]; !isDigit(c) && !isLetter(c) && c != '-' && c != '_' {
				return "", errDomain
			}
		}
	}
	return domain, nil
}

var errDomain = errors.New("compose: malformed domain")

// asciiAddress returns a valid address with its domain in ASCII.
func asciiAddress(address string) string {
	if isASCII(address) {
		return address
	}
	at := strings.LastIndexByte(address, '@')
	domain, err := asciiDomain(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

// checkText refuses what could end a header field, or hide in one.
func checkText(field, s string) error {
	switch {
	case len(s) > maxText:
		return mailbox.Invalid(field, "at most 998 bytes", "is too long")
	case !utf8.ValidString(s):
		return mailbox.Invalid(field, "UTF-8", "is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return mailbox.Invalid(field, "no line breaks and control characters", "contains a control character")
	}
	return nil
}

func checkTexts(out *mailbox.Outgoing) error {
	if err := checkText("subject", out.Subject); err != nil {
		return err
	}
	signature := mailbox.Signature{}
	if out.Signature != nil {
		signature = *out.Signature
	}
	texts := []struct{ field, value string }{
		{"text", out.Text},
		{"html", out.HTML},
		{"signature.text", signature.Text},
		{"signature.html", signature.HTML},
	}
	for _, t := range texts {
		switch {
		case !utf8.ValidString(t.value):
			return mailbox.Invalid(t.field, "UTF-8", "is not valid UTF-8")
		case strings.IndexByte(t.value, 0) >= 0:
			return mailbox.Invalid(t.field, "no NUL bytes", "contains a NUL byte")
		}
	}
	return nil
}

func checkFiles(out *mailbox.Outgoing) error {
	ids := map[string]bool{}
	for i, f := range out.Attachments {
		field := fmt.Sprintf("attachments[%d]", i)
		if err := checkFile(field, f); err != nil {
			return err
		}
		switch {
		case f.Inline && out.HTML == "":
			return mailbox.Invalid(field+".inline", "only together with html", "has no html to be shown in")
		case f.Inline && f.ContentID == "":
			return mailbox.Invalid(field+".content_id", "required for inline files", "is empty")
		case f.ContentID != "" && ids[f.ContentID]:
			return mailbox.Invalid(field+".content_id", "unique in the message", "is used twice")
		}
		ids[f.ContentID] = true
	}
	return nil
}

func checkFile(field string, f mailbox.File) error {
	if err := checkText(field+".name", f.Name); err != nil {
		return err
	}
	if len(f.Name) > maxFileName {
		return mailbox.Invalid(field+".name", "at most 255 bytes", "is too long")
	}
	const idLimit = "printable ASCII without spaces, quotes and brackets, at most 200 bytes"
	for j := range len(f.ContentID) {
		if c := f.ContentID[j]; c <= ' ' || c > '~' || strings.IndexByte(`<>()"\`, c) >= 0 {
			return mailbox.Invalid(field+".content_id", idLimit, "contains a character that is not allowed")
		}
	}
	if len(f.ContentID) > 200 {
		return mailbox.Invalid(field+".content_id", idLimit, "is too long")
	}
	return checkContentType(field+".content_type", f)
}

func checkContentType(field string, f mailbox.File) error {
	if f.ContentType == "" {
		return nil
	}
	if err := checkText(field, f.ContentType); err != nil {
		return err
	}
	mediaType, _, err := mime.ParseMediaType(f.ContentType)
	kind, sub, ok := strings.Cut(mediaType, "/")
	switch {
	case err != nil || !ok || !isToken(kind) || !isToken(sub):
		return mailbox.Invalid(field, "type/subtype, with parameters", "is not a media type")
	case kind == "multipart":
		return mailbox.Invalid(field, "anything but multipart", "is a multipart")
	case isMessageType(mediaType) && !isSevenBit(f.Data):
		return mailbox.Invalid(field, "message types only for ASCII in lines of at most 998 bytes; otherwise application/octet-stream",
			"does not fit the content")
	}
	return nil
}

// isSevenBit reports whether data can be sent without a transfer encoding.
func isSevenBit(data []byte) bool {
	n := 0
	for _, c := range data {
		n++
		switch {
		case c == '\n':
			n = 0
		case c == 0 || c >= utf8.RuneSelf || n > maxText:
			return false
		}
	}
	return true
}

func checkReply(out *mailbox.Outgoing) error {
	if out.Reply == nil {
		return nil
	}
	if id := out.Reply.RFCMessageID; id != "" {
		if err := checkID("reply.rfc_message_id", id); err != nil {
			return err
		}
	}
	for i, id := range out.Reply.References {
		if err := checkID(fmt.Sprintf("reply.references[%d]", i), id); err != nil {
			return err
		}
	}
	return nil
}

func checkUnsubscribe(out *mailbox.Outgoing) error {
	u := out.Unsubscribe
	if u == nil {
		return nil
	}
	if u.URL == "" && u.Mailto == "" {
		return mailbox.Invalid("unsubscribe", "url, mailto or both", "is empty")
	}
	if u.URL != "" {
		parsed, err := url.Parse(u.URL)
		switch {
		case err != nil || parsed.Scheme != "https" || parsed.Host == "" || !isURLText(u.URL):
			return mailbox.Invalid("unsubscribe.url", "an absolute https URL (RFC 8058), percent-encoded", "is not allowed")
		case len(u.URL) > maxURL:
			return mailbox.Invalid("unsubscribe.url", "at most 900 bytes", "is too long")
		}
	}
	if u.Mailto != "" {
		address, query, _ := strings.Cut(u.Mailto, "?")
		if err := checkAddrSpec("unsubscribe.mailto", address); err != nil {
			return err
		}
		switch {
		case !isURLText(asciiAddress(address)) || !isURLText(query):
			return mailbox.Invalid("unsubscribe.mailto", "an address, optionally with a percent-encoded query", "is not allowed")
		case len(u.Mailto) > maxURL:
			return mailbox.Invalid("unsubscribe.mailto", "at most 900 bytes", "is too long")
		}
	}
	return nil
}

// isURLText reports whether s can stand inside the angle brackets of a
// List-Unsubscribe field (RFC 2369, 2) and be read back unchanged.
func isURLText(s string) bool {
	return isPlain(s) && !strings.ContainsAny(s, " <>\"\\^`{|}")
}

func checkHeader(out *mailbox.Outgoing) error {
	for i, f := range out.Header {
		field := fmt.Sprintf("header[%d]", i)
		const limit = `a name that begins with "X-", at most 76 bytes`
		switch {
		case len(f.Name) < 3 || !strings.EqualFold(f.Name[:2], "X-"):
			return mailbox.Invalid(field+".name", limit, "is not allowed")
		case len(f.Name) > 76:
			return mailbox.Invalid(field+".name", limit, "is too long")
		case strings.EqualFold(f.Name, mailbox.RefHeader):
			return mailbox.Invalid(field+".name", limit, "is reserved; use ref")
		}
		for j := range len(f.Name) {
			if c := f.Name[j]; c <= ' ' || c > '~' || c == ':' {
				return mailbox.Invalid(field+".name", limit, "contains a character that is not allowed")
			}
		}
		if err := checkText(field+".value", f.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkOwn checks the fields by which we recognise the message again.
func checkOwn(out *mailbox.Outgoing) error {
	if out.RFCMessageID != "" {
		if err := checkOwnID(out.RFCMessageID); err != nil {
			return err
		}
	}
	const limit = "at most 64 characters of A-Z a-z 0-9 - _"
	if len(out.Ref) > maxRef {
		return mailbox.Invalid("ref", limit, "is too long")
	}
	for i := range len(out.Ref) {
		if c := out.Ref[i]; !isDigit(c) && !isLetter(c) && c != '-' && c != '_' {
			return mailbox.Invalid("ref", limit, "contains a character that is not allowed")
		}
	}
	return nil
}
