package gmailtest

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// maxMedia is the largest message of an upload (discovery document, revision
// 20261005: 36,700,160 bytes); maxMetadata bounds what may stand beside it.
const (
	maxMedia    = 36_700_160
	maxMetadata = 1 << 20
)

// messageIn is the schema Message as a request. What a send ignores is named so
// that unknown members can be refused.
type messageIn struct {
	Raw      string `json:"raw"`
	ThreadID string `json:"threadId"`

	ID                        json.RawMessage `json:"id"`
	LabelIDs                  json.RawMessage `json:"labelIds"`
	Snippet                   json.RawMessage `json:"snippet"`
	HistoryID                 json.RawMessage `json:"historyId"`
	InternalDate              json.RawMessage `json:"internalDate"`
	Payload                   json.RawMessage `json:"payload"`
	SizeEstimate              json.RawMessage `json:"sizeEstimate"`
	ClassificationLabelValues json.RawMessage `json:"classificationLabelValues"`
}

// draftIn is the schema Draft as a request.
type draftIn struct {
	ID      string     `json:"id"`
	Message *messageIn `json:"message"`
}

// media takes the message out of an upload and leaves the metadata, if any, in
// c.body. Without an upload it returns nil.
func (c *call) media() ([]byte, *apiError) {
	if !c.upload {
		return nil, nil
	}
	contentType, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch c.query.Get("uploadType") {
	case "media":
		if err != nil || !strings.HasPrefix(contentType, "message/") {
			return nil, badMedia(contentType)
		}
		body := c.body
		c.body = nil
		return c.limitMedia(body)
	case "multipart":
		if err != nil || contentType != "multipart/related" {
			return nil, badRequest("Multipart must have a boundary")
		}
		r := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
		meta, err := readPart(r)
		if err != nil {
			return nil, badRequest("Missing multipart metadata.")
		}
		if meta.mediaType != "application/json" {
			return nil, badRequest("Metadata part must be application/json.")
		}
		message, err := readPart(r)
		if err != nil {
			return nil, badRequest("Missing end boundary in multipart body.")
		}
		if !strings.HasPrefix(message.mediaType, "message/") {
			return nil, badMedia(message.mediaType)
		}
		c.body = meta.data
		return c.limitMedia(message.data)
	default:
		return nil, badRequest("gmailtest does not model this uploadType")
	}
}

func (c *call) limitMedia(body []byte) ([]byte, *apiError) {
	if len(body) > maxMedia {
		return nil, c.tooLarge(maxMedia)
	}
	return body, nil
}

func badMedia(contentType string) *apiError {
	e := badRequest("Media type '%s' is not supported. Valid media types: [message/*]", contentType)
	e.code = http.StatusBadRequest
	return e
}

type uploadPart struct {
	mediaType string
	data      []byte
}

func readPart(r *multipart.Reader) (uploadPart, error) {
	p, err := r.NextRawPart()
	if err != nil {
		return uploadPart{}, err
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(p); err != nil {
		return uploadPart{}, err
	}
	t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	return uploadPart{t, data.Bytes()}, nil
}

// raw returns the message of a request: from the upload, or decoded from in.
func (in *messageIn) raw(media []byte) ([]byte, *apiError) {
	if media != nil {
		return media, nil
	}
	if in == nil || in.Raw == "" {
		return nil, badArgument("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
	}
	b, err := decodeBase64url(in.Raw)
	if err != nil {
		return nil, badArgument("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed")
	}
	return b, nil
}
