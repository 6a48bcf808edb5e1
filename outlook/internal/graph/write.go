package graph

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mailtether/mailtether/mailbox"
)

// describer is the part of a kiota request adapter that builders need to
// describe a request; the parts that would carry it out are missing.
type describer struct{ abstractions.RequestAdapter }

func (describer) GetSerializationWriterFactory() serialization.SerializationWriterFactory {
	return jsonserialization.NewJsonSerializationWriterFactory()
}

// placeholder stands where the SDK expects a user id; the path of the user's
// own mailbox has none.
const placeholder = "me-token-to-replace"

func (c *Client) user() *users.UserItemRequestBuilder {
	user := c.User
	if user == "" {
		user = placeholder
	}
	return users.NewUserItemRequestBuilderInternal(map[string]string{"baseurl": c.Base, "user%2Did": user}, describer{})
}

// described turns what a builder describes into a request.
func described(name string, info *abstractions.RequestInformation, err error) (request, error) {
	if err != nil {
		return request{}, err
	}
	uri, err := info.GetUri()
	if err != nil {
		return request{}, err
	}
	r := request{
		name: name, method: info.Method.String(), body: info.Content,
		url: strings.Replace(uri.String(), "/users/"+placeholder, "/me", 1),
	}
	if len(r.body) > 0 {
		r.contentType = "application/json"
	}
	return r, nil
}

// CreateDraft creates a draft from JSON.
func (c *Client) CreateDraft(ctx context.Context, d Draft) (Message, error) {
	info, err := c.user().Messages().ToPostRequestInformation(ctx, model(d), nil)
	r, err := described("graph.messages.create", info, err)
	if err != nil {
		return Message{}, c.badRequest(ctx, err)
	}
	return c.message(ctx, r)
}

// CreateDraftMIME creates a draft from a whole message (RFC 5322).
func (c *Client) CreateDraftMIME(ctx context.Context, raw []byte) (Message, error) {
	return c.message(ctx, c.mime("graph.messages.create", raw, "messages"))
}

// CreateReply creates a draft that answers a message of the mailbox. It gets its
// Message-ID at once, so that it can be found again, and its header, which
// Graph takes only at creation; the rest follows by UpdateDraft.
func (c *Client) CreateReply(ctx context.Context, to mailbox.MessageID, id mailbox.RFCMessageID, header mailbox.Header) (Message, error) {
	m := models.NewMessage()
	m.SetInternetMessageId(new(id.Brackets()))
	if len(header) > 0 {
		m.SetInternetMessageHeaders(headerModels(header))
	}
	body := users.NewItemMessagesItemCreateReplyPostRequestBody()
	body.SetMessage(m)
	info, err := c.user().Messages().ByMessageId(string(to)).CreateReply().ToPostRequestInformation(ctx, body, nil)
	r, err := described("graph.messages.createReply", info, err)
	if err != nil {
		return Message{}, c.badRequest(ctx, err)
	}
	return c.message(ctx, r)
}

// UpdateDraft replaces everything of a draft but its header.
func (c *Client) UpdateDraft(ctx context.Context, id mailbox.MessageID, d Draft) (Message, error) {
	d.Header = nil
	info, err := c.user().Messages().ByMessageId(string(id)).ToPatchRequestInformation(ctx, model(d), nil)
	r, err := described("graph.messages.update", info, err)
	if err != nil {
		return Message{}, c.badRequest(ctx, err)
	}
	return c.message(ctx, r)
}

// Send sends a draft.
func (c *Client) Send(ctx context.Context, id mailbox.MessageID) error {
	info, err := c.user().Messages().ByMessageId(string(id)).Send().ToPostRequestInformation(ctx, nil)
	r, err := described(MethodSend, info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	return c.exec(ctx, r)
}

// SendMIME sends a whole message (RFC 5322) without a draft.
func (c *Client) SendMIME(ctx context.Context, raw []byte) error {
	return c.exec(ctx, c.mime(MethodSendMail, raw, "sendMail"))
}

// mime describes the two calls that take base64 of a whole message, which the
// SDK cannot: its builders know only JSON.
func (c *Client) mime(name string, raw []byte, segments ...string) request {
	body := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(body, raw)
	return request{
		name: name, method: http.MethodPost, url: c.Base + c.path(segments...),
		contentType: "text/plain", body: body,
	}
}

// Delete deletes a message.
func (c *Client) Delete(ctx context.Context, id mailbox.MessageID) error {
	info, err := c.user().Messages().ByMessageId(string(id)).ToDeleteRequestInformation(ctx, nil)
	r, err := described("graph.messages.delete", info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	return c.exec(ctx, r)
}

// Move moves a message to a folder.
func (c *Client) Move(ctx context.Context, id mailbox.MessageID, folder string) error {
	body := users.NewItemMessagesItemMovePostRequestBody()
	body.SetDestinationId(&folder)
	info, err := c.user().Messages().ByMessageId(string(id)).Move().ToPostRequestInformation(ctx, body, nil)
	r, err := described("graph.messages.move", info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	return c.exec(ctx, r)
}

// Attach adds a small file to a draft in one request.
func (c *Client) Attach(ctx context.Context, id mailbox.MessageID, f mailbox.File) error {
	file := models.NewFileAttachment()
	file.SetName(&f.Name)
	file.SetContentType(&f.ContentType)
	file.SetIsInline(&f.Inline)
	if f.Data == nil {
		f.Data = []byte{} // nil would leave the property out
	}
	file.SetContentBytes(f.Data)
	if f.ContentID != "" {
		file.SetContentId(&f.ContentID)
	}
	info, err := c.user().Messages().ByMessageId(string(id)).Attachments().ToPostRequestInformation(ctx, file, nil)
	r, err := described("graph.attachments.create", info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	return c.exec(ctx, r)
}

// badRequest reports a request that could not be described.
func (c *Client) badRequest(ctx context.Context, err error) error {
	return c.Gate.Error(ctx, &mailbox.Error{Class: mailbox.ClassInvalid, Outcome: mailbox.OutcomeNotSent, Err: err})
}
