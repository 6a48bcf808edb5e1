package outlooktest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// defaultProperties are those a message has without $select.
var defaultProperties = []string{
	"id", "createdDateTime", "lastModifiedDateTime", "changeKey", "categories", "receivedDateTime", "sentDateTime",
	"hasAttachments", "internetMessageId", "subject", "bodyPreview", "importance", "parentFolderId", "conversationId",
	"conversationIndex", "isDeliveryReceiptRequested", "isReadReceiptRequested", "isRead", "isDraft", "webLink",
	"inferenceClassification", "body", "sender", "from", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "flag",
}

// bodyProperties are those that Mail.ReadBasic does not give
// (learn.microsoft.com/graph/permissions-reference).
var bodyProperties = []string{"body", "bodyPreview", "uniqueBody"}

const stamp = "2006-01-02T15:04:05Z"

func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(stamp)
}

// projector renders messages for one request.
type projector struct {
	c    *call
	want selection
}

// message renders it with the selected properties.
func (p projector) message(it *item) map[string]any {
	out := map[string]any{"@odata.etag": `W/"` + it.changeKey() + `"`}
	for _, name := range p.want.properties {
		out[name] = p.property(it, name)
	}
	if p.want.attachments {
		files := make([]any, 0, len(it.load().files))
		for _, f := range it.files {
			files = append(files, p.c.fileJSON(it, f, p.want.attachmentSelect))
		}
		out["attachments"] = files
	}
	if p.want.extended != nil {
		if props := it.extended(p.want.extended); len(props) > 0 {
			out["singleValueExtendedProperties"] = props
		}
	}
	return out
}

func (p projector) property(it *item, name string) any {
	switch name {
	case "id":
		return p.c.idOf(it)
	case "createdDateTime":
		return timestamp(it.created)
	case "lastModifiedDateTime":
		return timestamp(it.modified)
	case "receivedDateTime":
		return timestamp(it.received)
	case "sentDateTime":
		return timestamp(it.sent)
	case "changeKey":
		return it.changeKey()
	case "categories":
		return append([]string{}, it.categories...)
	case "hasAttachments":
		return it.hasAttachments()
	case "internetMessageId":
		return it.messageID
	case "internetMessageHeaders":
		return p.c.headersOf(it)
	case "subject":
		return it.subject
	case "bodyPreview":
		return it.preview()
	case "body", "uniqueBody":
		return p.c.bodyOf(it)
	case "importance":
		return p.c.enum(it.importance)
	case "inferenceClassification":
		return p.c.enum("focused")
	case "parentFolderId":
		return it.folder.id
	case "conversationId":
		return it.conversation
	case "conversationIndex":
		return base64.StdEncoding.EncodeToString(it.index)
	case "isDeliveryReceiptRequested":
		return it.deliveryReceipt
	case "isReadReceiptRequested":
		return it.readReceipt
	case "isRead":
		return it.read
	case "isDraft":
		return it.draft
	case "webLink":
		return "https://outlook.office365.com/owa/?ItemID=" + url.QueryEscape(it.mutableID()) + "&exvsurl=1&viewmodel=ReadMessageItem"
	case "sender":
		return recipientOrNull(it.sender)
	case "from":
		return recipientOrNull(it.from)
	case "toRecipients":
		return recipients(it.to)
	case "ccRecipients":
		return recipients(it.cc)
	case "bccRecipients":
		return recipients(it.bcc)
	case "replyTo":
		return recipients(it.replyTo)
	case "flag":
		if it.flagged {
			return map[string]any{"flagStatus": "flagged"}
		}
		return map[string]any{"flagStatus": "notFlagged"}
	}
	return nil
}

// enum spells a value as the options want it.
func (c *call) enum(v string) string {
	if !c.s.options.MixedCaseEnums || v == "" {
		return v
	}
	if v == "html" {
		return "HTML"
	}
	return strings.ToUpper(v[:1]) + v[1:]
}

// idOf gives the id in the flavour that was asked for.
func (c *call) idOf(it *item) string {
	if c.immutable {
		return it.immutableID()
	}
	return it.mutableID()
}

func recipient(a mailbox.Address) map[string]any {
	return map[string]any{"emailAddress": map[string]any{"name": first(a.Name, a.Address), "address": a.Address}}
}

func recipientOrNull(a *mailbox.Address) any {
	if a == nil {
		return nil
	}
	return recipient(*a)
}

func recipients(list []mailbox.Address) []any {
	out := make([]any, 0, len(list))
	for _, a := range list {
		out = append(out, recipient(a))
	}
	return out
}

// bodyOf renders the body in the type that was asked for.
func (c *call) bodyOf(it *item) map[string]any {
	it.load()
	kind, text := it.bodyType, it.body
	switch {
	case kind == "html" && c.textBody:
		kind, text = "text", plainText(text)
	case kind == "text" && !c.textBody && c.s.options.HTMLBodies:
		kind, text = "html", asHTML(text)
	}
	return map[string]any{"contentType": c.enum(kind), "content": text}
}

// headersOf is internetMessageHeaders. Messages that never came in through
// transport have no transport headers (OfficeDev/office-js issue 5413, 2026-07).
func (c *call) headersOf(it *item) []any {
	fields := it.header
	if it.draft || it.folder.name == "sentitems" {
		switch c.s.options.SentHeaders {
		case SentNone:
			fields = nil
		case SentCustom:
			fields = it.custom
		}
		if it.draft {
			fields = it.custom
		}
	}
	out := make([]any, 0, len(fields))
	for _, f := range fields {
		out = append(out, map[string]any{"name": f.name, "value": f.value})
	}
	return out
}

// Extended properties that stand for header fields ([MS-OXPROPS]:
// PidTagInReplyToId, PidTagInternetReferences, PidTagInternetMessageId,
// PidTagTransportMessageHeaders), and PidTagDeferredSendTime.
const (
	propInReplyTo  = "string 0x1042"
	propReferences = "string 0x1039"
	propMessageID  = "string 0x1035"
	propHeader     = "string 0x7d"
	propDeferred   = "systemtime 0x3fef"
)

// propertyKey makes property ids comparable: tags without regard to case and
// leading zeros, names with it.
func propertyKey(id string) string {
	kind, rest, _ := strings.Cut(strings.TrimSpace(id), " ")
	if tag, ok := cutPrefixFold(rest, "0x"); ok {
		return strings.ToLower(kind) + " 0x" + strings.TrimLeft(strings.ToLower(tag), "0")
	}
	guid, name, _ := strings.Cut(rest, " ")
	kind = strings.ToLower(kind) + " " + strings.ToLower(guid)
	if name, ok := cutPrefixFold(strings.TrimSpace(name), "name "); ok {
		return kind + " name " + strings.TrimSpace(name)
	}
	return kind + " " + strings.ToLower(name)
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// propertyValue looks up an extended property.
func (it *item) propertyValue(key string) (string, bool) {
	switch key {
	case propInReplyTo:
		return it.inReplyTo, it.inReplyTo != ""
	case propReferences:
		return it.references, it.references != ""
	case propMessageID:
		return it.messageID, it.messageID != ""
	case propHeader:
		if it.draft || it.folder.name == "sentitems" || it.raw == nil {
			return "", false
		}
		head, _ := splitHeader(it.raw)
		return toUTF8(string(head)), true
	}
	for _, p := range it.properties {
		if propertyKey(p.id) == key {
			return p.value, true
		}
	}
	return "", false
}

// extended renders the wanted extended properties; their ids come back in lower
// case when they are tags.
func (it *item) extended(keys []string) []any {
	var out []any
	for _, key := range keys {
		if v, ok := it.propertyValue(key); ok {
			out = append(out, map[string]any{"id": echoProperty(key, it), "value": v})
		}
	}
	return out
}

func echoProperty(key string, it *item) string {
	for _, p := range it.properties {
		if propertyKey(p.id) == key && strings.Contains(key, " name ") {
			return p.id
		}
	}
	return strings.Replace(key, "string ", "String ", 1)
}

// context is @odata.context of an answer about messages.
func (c *call) context(suffix string) string {
	return fmt.Sprintf("%s/v1.0/$metadata#users('%s')/%s", c.s.URL(), url.PathEscape(c.box.user.ID), suffix)
}
