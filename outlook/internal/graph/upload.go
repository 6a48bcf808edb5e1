package graph

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mailtether/mailtether/mailbox"
)

// uploadChunk is the size of one part of an upload: at most 4 MB, and a
// multiple of 320 KiB (Microsoft Graph, "Attach large files to Outlook
// messages").
const uploadChunk = 12 * 320 << 10

// Upload adds a file of any size to a draft by an upload session.
func (c *Client) Upload(ctx context.Context, id mailbox.MessageID, f mailbox.File) error {
	size, kind := int64(len(f.Data)), models.FILE_ATTACHMENTTYPE
	item := models.NewAttachmentItem()
	item.SetAttachmentType(&kind)
	item.SetName(&f.Name)
	item.SetContentType(&f.ContentType)
	item.SetIsInline(&f.Inline)
	item.SetSize(&size)
	if f.ContentID != "" {
		item.SetContentId(&f.ContentID)
	}
	body := users.NewItemMessagesItemAttachmentsCreateUploadSessionPostRequestBody()
	body.SetAttachmentItem(item)
	info, err := c.user().Messages().ByMessageId(string(id)).Attachments().CreateUploadSession().
		ToPostRequestInformation(ctx, body, nil)
	r, err := described("graph.attachments.createUploadSession", info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	text, _, err := c.text(ctx, r)
	if err != nil {
		return err
	}
	session, err := parseSession(text)
	if err == nil && session.url == "" {
		err = errJSON
	}
	if err != nil {
		return c.badAnswer(ctx, r, err)
	}
	return c.upload(ctx, session.url, f.Data)
}

// upload sends data in order. The link is pre-authenticated: it gets no token,
// and the gate lets it lead only to configured hosts.
func (c *Client) upload(ctx context.Context, url string, data []byte) error {
	for from := 0; from < len(data); from += uploadChunk {
		part := data[from:min(from+uploadChunk, len(data))]
		last := from+len(part) == len(data)
		r := request{
			name: "graph.attachments.upload", method: http.MethodPut, url: url, outside: true,
			contentType: "application/octet-stream", body: part,
			header: http.Header{"Content-Range": {"bytes " + strconv.Itoa(from) + "-" +
				strconv.Itoa(from+len(part)-1) + "/" + strconv.Itoa(len(data))}},
		}
		text, resp, err := c.text(ctx, r)
		if err != nil {
			return err
		}
		if last && resp.StatusCode == http.StatusCreated {
			return nil
		}
		session, err := parseSession(text)
		if err == nil && (last && session.expects >= 0 || !last && session.expects >= 0 && session.expects != from+len(part)) {
			err = errJSON // what arrived is not what was sent
		}
		if err != nil {
			return c.badAnswer(ctx, r, err)
		}
	}
	return nil
}

type uploadSession struct {
	url     string
	expects int // the next byte that is missing, -1 if it does not say
}

func parseSession(text string) (uploadSession, error) {
	s := uploadSession{expects: -1}
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	j := reader{s: text}
	j.object(func(name string) {
		switch name {
		case "uploadUrl":
			s.url = j.str()
		case "nextExpectedRanges", "NextExpectedRanges":
			j.array(func() {
				start, _, _ := strings.Cut(j.str(), "-")
				if n, err := strconv.Atoi(start); err == nil && s.expects < 0 {
					s.expects = n
				}
			})
		default:
			j.skip()
		}
	})
	return s, j.err
}
