package replytext

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// quoting is what the attributes of an element tell of its text.
type quoting int

const (
	quoteNothing quoting = iota
	quoteHard            // text of others
	quoteSoft            // perhaps text of others: it is if an opener stands above
	quoteAttribution
	quoteHeader // a block of header fields, if it reads like one
	quoteRest   // this and all that follows is of others
	quoteGmail  // holds quotations, and what their reader wrote between them
	quoteSignature
)

// classes are those by which mail clients mark quotations and signatures: Gmail,
// Thunderbird, Yahoo, Proton, Zoho, Tuta, Front, Superhuman and Outlook on phones
// (well known), Freshdesk, Alibaba's mail, Notion Mail and Zendesk (tests of a
// public project, read 2026-11-26).
var classes = map[string]quoting{
	"gmail_quote_container":               quoteGmail,
	"gmail_attr":                          quoteAttribution,
	"gmail_signature":                     quoteSignature,
	"gmail_signature_prefix":              quoteSignature,
	"moz-cite-prefix":                     quoteAttribution,
	"moz-email-headers-table":             quoteHeader,
	"moz-signature":                       quoteSignature,
	"yahoo_quoted":                        quoteHard,
	"protonmail_quote":                    quoteHard,
	"protonmail_signature_block":          quoteSignature,
	"zmail_extra":                         quoteHard,
	"tutanota_quote":                      quoteHard,
	"front-blockquote":                    quoteHard,
	"front-signature":                     quoteSignature,
	"sh-quoted-content":                   quoteHard,
	"freshdesk_quote":                     quoteHard,
	"alimail-quote":                       quoteHard,
	"notion-mail-quote":                   quoteHard,
	"quotedreply":                         quoteHard,
	"sh-signature":                        quoteSignature,
	"ms-outlook-mobile-reference-message": quoteRest,
	"ms-outlook-ios-signature":            quoteSignature,
}

// ids are those by which mail clients mark quotations and signatures: Outlook,
// Apple Mail, Roundcube, NetEase, Samsung and Yahoo on phones (well known).
// Outlook's "appendonsend" is none: it stands above new text, too.
var ids = map[string]quoting{
	"divrplyfwdmsg":                           quoteRest,
	"olk_src_body_section":                    quoteRest,
	"mail-editor-reference-message-container": quoteHard,
	"signature":                               quoteSignature,
	"ms-outlook-mobile-signature":             quoteSignature,
	"applemailsignature":                      quoteSignature,
	"reply-intro":                             quoteAttribution,
	"isreplycontent":                          quoteHard,
	"composer_signature":                      quoteSignature,
	"ymail_android_signature":                 quoteSignature,
}

// quotes tells what the attributes of an element say of its text.
func (a *attributes) quotes(tag atom.Atom) quoting {
	if q, ok := ids[strings.TrimPrefix(a.id, "x_")]; ok {
		return q
	}
	for class := range strings.FieldsSeq(a.class) {
		class = strings.TrimPrefix(strings.TrimPrefix(class, "x_"), "ecx")
		if class == "gmail_quote" {
			if tag == atom.Blockquote {
				return quoteSoft // the editor's own quote button makes one, too
			}
			return quoteGmail
		}
		if q, ok := classes[class]; ok {
			return q
		}
	}
	switch {
	case tag == atom.Blockquote && (a.kind == "cite" || strings.Contains(a.id, "cite")):
		return quoteHard
	case tag == atom.Blockquote:
		return quoteSoft
	case strings.Contains(a.marker, "__quoted_text__"): // Zimbra
		return quoteHard
	case strings.Contains(a.marker, "__headers__"):
		return quoteHeader
	case strings.Contains(a.marker, "__sig_"):
		return quoteSignature
	case strings.Contains(a.marker, "messagesignaturesection"): // Spark
		return quoteSignature
	case strings.Contains(a.marker, "messagereplysection"):
		return quoteHard
	case strings.HasPrefix(a.id, "yahoo_quoted"):
		return quoteHard
	case a.signature:
		return quoteSignature
	case tag == atom.Div && borderTop(a.style):
		return quoteHeader
	}
	return quoteNothing
}

// borderTop reports whether a style is that of the header block that Word and
// Windows Mail put above a quotation.
func borderTop(style string) bool {
	_, rest, found := strings.Cut(style, "border-top:")
	if !found {
		return strings.Contains(style, "border-top-style:solid")
	}
	rest, _, _ = strings.Cut(rest, ";")
	return strings.Contains(rest, "solid")
}

// hiddenStyle reports whether a style hides an element.
func hiddenStyle(style string) bool {
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") ||
		strings.Contains(style, "mso-hide:all") || strings.Contains(style, "font-size:0;") || strings.Contains(style, "font-size:0px") ||
		strings.Contains(style, "max-height:0")
}
