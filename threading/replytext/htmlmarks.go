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

// classes are those by which mail clients mark quotations and signatures [K].
var classes = map[string]quoting{
	"gmail_attr": quoteAttribution, "moz-cite-prefix": quoteAttribution, "moz-email-headers-table": quoteHeader,
	"yahoo_quoted": quoteHard, "protonmail_quote": quoteHard, "zmail_extra": quoteHard, "zmail_extra_hr": quoteNothing,
	"ydp-quoted": quoteHard, "tutanota_quote": quoteHard, "wordsection1-quoted": quoteHard, "front-blockquote": quoteHard,
	"gmail_extra": quoteNothing, "gmail_quote_container": quoteGmail, "gmail_quote_attribution": quoteAttribution,
	"sh-quoted-content": quoteHard, "superhuman-quoted": quoteHard, "freebirdquote": quoteHard, "spark_quote": quoteHard,
	"messagereplyheader": quoteAttribution, "quoted-text": quoteHard, "mailru-blockquote": quoteHard, "hey_quote": quoteHard,
	"ms-outlook-mobile-reference-message": quoteRest, "ms-outlook-mobile-body-separator-line": quoteNothing,
	"gmail_signature": quoteSignature, "gmail_signature_prefix": quoteSignature, "moz-signature": quoteSignature,
	"ms-outlook-ios-signature": quoteSignature, "protonmail_signature_block": quoteSignature, "tutanota_signature": quoteSignature,
	"sh-signature": quoteSignature, "front-signature": quoteSignature, "zmail_signature": quoteSignature,
	"protonmail_signature_block-user": quoteSignature, "protonmail_signature_block-proton": quoteSignature,
}

// ids are those by which mail clients mark quotations and signatures [K].
var ids = map[string]quoting{
	"divrplyfwdmsg": quoteRest, "appendonsend": quoteNothing, "mail-editor-reference-message-container": quoteHard,
	"reply-intro": quoteAttribution, "replyintro": quoteAttribution, "replyblockquote": quoteHard, "olk_src_body_section": quoteRest,
	"isreplycontent": quoteHard, "isforwardcontent": quoteNothing, "ymail_android_quote": quoteHard, "quoted_header": quoteHeader,
	"spark_quote": quoteHard, "composer_quoted_mail": quoteHard, "yahoo_quoted": quoteHard, "protonmail_quote": quoteHard,
	"signature": quoteSignature, "ms-outlook-mobile-signature": quoteSignature, "applemailsignature": quoteSignature,
	"spark_signature": quoteSignature, "composer_signature": quoteSignature, "sig": quoteSignature, "signature-x": quoteSignature,
	"applelinknotesignature": quoteSignature, "ymail_android_signature": quoteSignature, "protonmail_signature_block": quoteSignature,
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
	case strings.Contains(a.marker, "__quoted_text__"):
		return quoteHard
	case strings.Contains(a.marker, "__headers__"):
		return quoteHeader
	case strings.Contains(a.marker, "__sig_"):
		return quoteSignature
	case strings.Contains(a.marker, "messagebodysection"), strings.Contains(a.marker, "messagesignaturesection"):
		if strings.Contains(a.marker, "signature") {
			return quoteSignature
		}
	case strings.Contains(a.marker, "messagereplysection"):
		return quoteHard
	case strings.HasPrefix(strings.TrimPrefix(a.id, "x_"), "yahoo_quoted"), strings.HasPrefix(a.id, "yiv") && strings.HasSuffix(a.id, "yahoo_quoted"):
		return quoteHard
	case a.event == "signature":
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
