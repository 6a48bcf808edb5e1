package outlooktest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Limit of internetMessageHeaders (learn.microsoft.com/answers/questions/762243,
// 2022).
const maxCustomHeaders = 5

type recipientInput struct {
	EmailAddress *struct {
		Name    *string `json:"name"`
		Address *string `json:"address"`
	} `json:"emailAddress"`
}

func (r recipientInput) address() mailbox.Address {
	var a mailbox.Address
	if e := r.EmailAddress; e != nil {
		if e.Name != nil {
			a.Name = *e.Name
		}
		if e.Address != nil {
			a.Address = strings.TrimSpace(*e.Address)
		}
	}
	if a.Name == a.Address {
		a.Name = ""
	}
	return a
}

// decode reads one JSON value of a property.
func decode[T any](name string, raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, unreadableBody("The value of the property '" + name + "' is not of the type it should be.")
	}
	return v, nil
}

func decodeRecipients(name string, raw json.RawMessage) ([]mailbox.Address, error) {
	in, err := decode[[]recipientInput](name, raw)
	var out []mailbox.Address
	for _, r := range in {
		out = append(out, r.address())
	}
	return out, err
}

// readOnly properties are ignored in requests.
var readOnly = []string{
	"id", "createdDateTime", "lastModifiedDateTime", "changeKey", "receivedDateTime", "sentDateTime", "bodyPreview",
	"hasAttachments", "parentFolderId", "conversationId", "conversationIndex", "isDraft", "webLink", "uniqueBody",
}

// anytime are the properties that may be changed in messages that are no
// drafts (devblogs.microsoft.com/microsoft365dev, "Graph API updates to sensitive
// email properties", in force from 2026-12-31).
var anytime = []string{
	"isRead", "categories", "importance", "flag", "inferenceClassification", "singleValueExtendedProperties",
	"isDeliveryReceiptRequested", "isReadReceiptRequested",
}

// apply writes JSON properties into an item. It changes nothing when it fails.
func (c *call) apply(it *item, in map[string]json.RawMessage) error {
	next, read := it.content, it.read
	for name, raw := range in {
		if strings.HasPrefix(name, "@") || slices.Contains(readOnly, name) {
			continue
		}
		if !it.draft && !slices.Contains(anytime, name) {
			return accessDenied()
		}
		changed, err := c.applyOne(&next, &read, name, raw)
		if err != nil {
			return err
		}
		if changed {
			next.raw = nil
		}
	}
	it.content, it.read = next, read
	return nil
}

// applyOne writes one property and tells whether the raw message does not fit
// any longer.
func (c *call) applyOne(m *content, read *bool, name string, raw json.RawMessage) (changed bool, err error) {
	m.load()
	changed = true
	switch name {
	case "subject":
		var s *string
		if s, err = decode[*string](name, raw); err == nil {
			m.subject = ""
			if s != nil {
				m.subject = strings.NewReplacer("\r", "", "\n", " ").Replace(*s)
			}
		}
	case "body":
		err = m.setBody(raw)
	case "toRecipients":
		m.to, err = decodeRecipients(name, raw)
	case "ccRecipients":
		m.cc, err = decodeRecipients(name, raw)
	case "bccRecipients":
		m.bcc, err = decodeRecipients(name, raw)
	case "replyTo":
		m.replyTo, err = decodeRecipients(name, raw)
	case "from", "sender":
		var r *recipientInput
		if r, err = decode[*recipientInput](name, raw); err == nil {
			var a *mailbox.Address
			if r != nil {
				given := r.address()
				a = &given
			}
			if name == "from" {
				m.from = a
			}
			m.sender = a
		}
	case "internetMessageId":
		var s *string
		if s, err = decode[*string](name, raw); err == nil && s != nil {
			ids := mailbox.ParseMessageIDs(*s)
			if len(ids) == 0 {
				return false, refuse(http.StatusBadRequest, "ErrorInvalidPropertySet", "The internetMessageId is not valid.")
			}
			m.messageID, m.ownMessageID = ids[0].Brackets(), true
		}
		return false, err
	case "internetMessageHeaders":
		err = m.setHeaders(raw)
	case "attachments":
		err = c.setFiles(m, raw)
	case "singleValueExtendedProperties":
		before := m.inReplyTo + "\n" + m.references
		err = m.setProperties(raw)
		changed = before != m.inReplyTo+"\n"+m.references
	default:
		return false, m.setFlag(read, name, raw)
	}
	return changed, err
}

// setFlag writes properties that are not part of the message's text.
func (m *content) setFlag(read *bool, name string, raw json.RawMessage) (err error) {
	switch name {
	case "isRead":
		*read, err = decode[bool](name, raw)
	case "categories":
		m.categories, err = decode[[]string](name, raw)
	case "importance":
		var s string
		s, err = decode[string](name, raw)
		if s = strings.ToLower(s); err == nil && s != "low" && s != "normal" && s != "high" {
			return unreadableBody("The value of the property 'importance' is not valid.")
		}
		m.importance = s
	case "isDeliveryReceiptRequested":
		m.deliveryReceipt, err = decode[bool](name, raw)
	case "isReadReceiptRequested":
		m.readReceipt, err = decode[bool](name, raw)
	case "flag":
		var f struct {
			Status string `json:"flagStatus"`
		}
		f, err = decode[struct {
			Status string `json:"flagStatus"`
		}](name, raw)
		m.flagged = strings.EqualFold(f.Status, "flagged")
	case "inferenceClassification":
	default:
		return unreadableBody("The property '" + name + "' does not exist on type 'microsoft.graph.message'.")
	}
	return err
}

func (m *content) setBody(raw json.RawMessage) error {
	b, err := decode[*struct {
		Type    string  `json:"contentType"`
		Content *string `json:"content"`
	}]("body", raw)
	if err != nil || b == nil {
		return err
	}
	m.bodyType = strings.ToLower(b.Type)
	if m.bodyType == "" {
		m.bodyType = "text"
	}
	if m.bodyType != "text" && m.bodyType != "html" {
		return unreadableBody("The value of the property 'contentType' is not valid.")
	}
	m.body = ""
	if b.Content != nil {
		m.body = *b.Content
	}
	return nil
}

func (m *content) setHeaders(raw json.RawMessage) error {
	in, err := decode[[]struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}]("internetMessageHeaders", raw)
	if err != nil {
		return err
	}
	if len(in) > maxCustomHeaders {
		return refuse(http.StatusBadRequest, "InvalidInternetMessageHeaderCollection",
			"Maximum number of headers in one message should be less than or equal to 5.")
	}
	m.custom = nil
	for _, h := range in {
		if !isCustom(h.Name) || !isFieldName([]byte(h.Name)) {
			return refuse(http.StatusBadRequest, "InvalidInternetMessageHeader",
				"The internet message header name '"+h.Name+"' should start with 'x-' or 'X-'.")
		}
		if strings.ContainsAny(h.Value, "\r\n\x00") {
			return refuse(http.StatusBadRequest, "InvalidInternetMessageHeader", "The value of an internet message header is not valid.")
		}
		m.custom = append(m.custom, field{h.Name, h.Value})
	}
	return nil
}

func (m *content) setProperties(raw json.RawMessage) error {
	in, err := decode[[]struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	}]("singleValueExtendedProperties", raw)
	if err != nil {
		return err
	}
	m.properties = slices.Clone(m.properties)
	for _, p := range in {
		key := propertyKey(p.ID)
		switch key {
		case propInReplyTo:
			m.inReplyTo = p.Value
			continue
		case propReferences:
			m.references = p.Value
			continue
		case propMessageID:
			if ids := mailbox.ParseMessageIDs(p.Value); len(ids) > 0 {
				m.messageID, m.ownMessageID = ids[0].Brackets(), true
			}
			continue
		}
		m.properties = slices.DeleteFunc(m.properties, func(have property) bool { return propertyKey(have.id) == key })
		m.properties = append(m.properties, property{p.ID, p.Value})
	}
	return nil
}

// bodyMap reads a JSON object.
func bodyMap(b []byte) (map[string]json.RawMessage, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(b, &in); err != nil || in == nil {
		return nil, unreadableBody("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return in, nil
}

// draftFromJSON makes the content of a new message.
func (c *call) draftFromJSON(in map[string]json.RawMessage) (*item, error) {
	it := &item{draft: true, read: true}
	it.content = content{loaded: true, bodyType: "text", importance: "normal"}
	return it, c.apply(it, in)
}

// draftFromMIME reads base64 of a whole message.
func draftFromMIME(body []byte) (*item, error) {
	clean := slices.DeleteFunc(slices.Clone(body), func(b byte) bool { return b == '\r' || b == '\n' || b == ' ' })
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(clean)))
	n, err := base64.StdEncoding.Decode(raw, clean)
	if err != nil || n == 0 {
		return nil, refuse(http.StatusBadRequest, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
	}
	it := &item{draft: true, read: true}
	it.content = readContent(raw[:n])
	return it, nil
}

// fileDraft puts a new draft into a folder, usually Drafts.
func (s *Server) fileDraft(b *box, f *folder, it *item) *item {
	now := s.now()
	it.created, it.modified, it.received, it.sent = now, now, now, now
	if it.messageID == "" {
		it.messageID = s.newMessageID()
	}
	s.startConversation(b, &it.content)
	return b.add(f, it)
}

// startConversation gives a message that is written here its conversation: the
// one it continues, or a new one. Exchange writes Thread-Index into what it
// renders itself; MIME without one goes out without.
func (s *Server) startConversation(b *box, m *content) {
	if m.raw != nil || m.index != nil || m.inReplyTo != "" || m.references != "" {
		s.converse(b, m)
		return
	}
	guid := newGUIDBytes()
	m.topic = baseTopic(m.subject)
	m.index = newThreadIndex(s.Now(), guid)
	m.conversation = b.conversation(guid, m.topic)
}

// retopic follows a change of a draft's subject: another topic is another
// conversation.
func (b *box) retopic(m *content) {
	topic := baseTopic(m.subject)
	if strings.EqualFold(topic, m.topic) {
		return
	}
	m.topic = topic
	var guid [16]byte
	copy(guid[:], m.index[6:indexHead])
	m.conversation = b.conversation(guid, topic)
}
