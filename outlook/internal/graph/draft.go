package graph

import (
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mailtether/mailtether/mailbox"
)

// Draft is what a JSON draft is made of. The lists of recipients are always
// written, so that an empty one replaces what a reply draft begins with.
type Draft struct {
	From         mailbox.Address // zero leaves it to Graph
	To, Cc, Bcc  []mailbox.Address
	ReplyTo      []mailbox.Address
	Subject      string
	Text, HTML   string // HTML counts if it is there
	RFCMessageID mailbox.RFCMessageID
	Properties   []Property
	// Header holds X- fields. Graph takes them only when a message is created
	// (Microsoft Graph, "message resource type").
	Header mailbox.Header
}

// Property is a MAPI property of a message, for instance "String 0x1042".
type Property struct{ ID, Value string }

func model(d Draft) models.Messageable {
	m := models.NewMessage()
	m.SetSubject(&d.Subject)
	m.SetToRecipients(recipientModels(d.To))
	m.SetCcRecipients(recipientModels(d.Cc))
	m.SetBccRecipients(recipientModels(d.Bcc))
	body, kind, content := models.NewItemBody(), models.TEXT_BODYTYPE, d.Text
	if d.HTML != "" {
		kind, content = models.HTML_BODYTYPE, d.HTML
	}
	body.SetContentType(&kind)
	body.SetContent(&content)
	m.SetBody(body)
	if d.From != (mailbox.Address{}) {
		m.SetFrom(recipientModel(d.From))
	}
	if len(d.ReplyTo) > 0 {
		m.SetReplyTo(recipientModels(d.ReplyTo))
	}
	if d.RFCMessageID != "" {
		m.SetInternetMessageId(new(d.RFCMessageID.Brackets()))
	}
	if len(d.Header) > 0 {
		m.SetInternetMessageHeaders(headerModels(d.Header))
	}
	if len(d.Properties) > 0 {
		var all []models.SingleValueLegacyExtendedPropertyable
		for _, property := range d.Properties {
			p := models.NewSingleValueLegacyExtendedProperty()
			p.SetId(&property.ID)
			p.SetValue(&property.Value)
			all = append(all, p)
		}
		m.SetSingleValueExtendedProperties(all)
	}
	return m
}

func recipientModels(all []mailbox.Address) []models.Recipientable {
	list := make([]models.Recipientable, len(all))
	for i, a := range all {
		list[i] = recipientModel(a)
	}
	return list
}

func recipientModel(a mailbox.Address) models.Recipientable {
	address := models.NewEmailAddress()
	address.SetAddress(&a.Address)
	if a.Name != "" {
		address.SetName(&a.Name)
	}
	r := models.NewRecipient()
	r.SetEmailAddress(address)
	return r
}

func headerModels(h mailbox.Header) []models.InternetMessageHeaderable {
	list := make([]models.InternetMessageHeaderable, len(h))
	for i, f := range h {
		m := models.NewInternetMessageHeader()
		m.SetName(&f.Name)
		m.SetValue(&f.Value)
		list[i] = m
	}
	return list
}
