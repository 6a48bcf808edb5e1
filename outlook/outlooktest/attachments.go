package outlooktest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxInlineFile is what fits into one request
// (learn.microsoft.com/graph/outlook-large-attachments, read 2026-11).
const maxInlineFile = 3 << 20

func (it *item) fileID(f *file) string {
	return makeID(kindAttachment, it.box.number, it.number, uint32(f.number))
}

// fileJSON renders an attachment; content only without $select, or when it is
// selected.
func (c *call) fileJSON(it *item, f *file, want []string) map[string]any {
	kind := "#microsoft.graph.fileAttachment"
	if f.message {
		kind = "#microsoft.graph.itemAttachment"
	}
	modified := f.modified
	if modified.IsZero() {
		modified = it.created
	}
	all := map[string]any{
		"id": it.fileID(f), "lastModifiedDateTime": timestamp(modified), "name": f.name,
		"contentType": first(f.contentType, "application/octet-stream"), "size": len(f.data), "isInline": f.inline,
	}
	if !f.message {
		all["contentId"], all["contentLocation"] = nil, nil
		if f.contentID != "" {
			all["contentId"] = f.contentID
		}
		all["contentBytes"] = f.data
	}
	out := map[string]any{"@odata.type": kind, "@odata.mediaContentType": all["contentType"]}
	for name, v := range all {
		if len(want) == 0 || name == "id" || find(want, name) != "" {
			out[name] = v
		}
	}
	return out
}

// fileInput is a fileAttachment as a client sends it.
type fileInput struct {
	Type         string  `json:"@odata.type"`
	Name         *string `json:"name"`
	ContentType  *string `json:"contentType"`
	ContentID    *string `json:"contentId"`
	IsInline     *bool   `json:"isInline"`
	ContentBytes *string `json:"contentBytes"`
}

func (in fileInput) file() (*file, error) {
	if kind := strings.TrimPrefix(in.Type, "#"); kind != "microsoft.graph.fileAttachment" {
		return nil, notModelled("attachments of type '" + in.Type + "'")
	}
	if in.Name == nil || *in.Name == "" {
		return nil, refuse(http.StatusBadRequest, "ErrorRequiredPropertyMissing", "Required property is missing.")
	}
	f := &file{name: *in.Name, contentType: "application/octet-stream"}
	if in.ContentType != nil && *in.ContentType != "" {
		f.contentType = *in.ContentType
	}
	if strings.ContainsAny(f.contentType+f.name, "\r\n") {
		return nil, refuse(http.StatusBadRequest, "ErrorInvalidPropertySet", "A property is not valid.")
	}
	if in.ContentID != nil {
		f.contentID = strings.Trim(*in.ContentID, "<>\r\n ")
	}
	if in.IsInline != nil {
		f.inline = *in.IsInline
	}
	if in.ContentBytes != nil {
		data, err := base64.StdEncoding.DecodeString(*in.ContentBytes)
		if err != nil {
			return nil, unreadableBody("Cannot convert the value of 'contentBytes' to type 'Edm.Binary'.")
		}
		f.data = data
	}
	return f, nil
}

// setFiles reads the attachments of a message that is created with them.
func (c *call) setFiles(m *content, raw json.RawMessage) error {
	in, err := decode[[]fileInput]("attachments", raw)
	if err != nil {
		return err
	}
	m.files = nil
	for i, one := range in {
		f, err := one.file()
		if err != nil {
			return err
		}
		f.number, f.modified = uint64(i+1), c.s.now()
		m.files = append(m.files, f)
	}
	return nil
}

func (c *call) listAttachments() (answer, error) {
	if err := c.known("$select", "$expand", "$filter", "$count", "$orderby"); err != nil {
		return answer{}, err
	}
	for _, unsupported := range []string{"$expand", "$filter", "$count", "$orderby"} {
		if c.query.Has(unsupported) {
			return answer{}, notModelled(unsupported + " on attachments")
		}
	}
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	value := []any{}
	for _, f := range it.load().files {
		value = append(value, c.fileJSON(it, f, splitList(c.query.Get("$select"))))
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"@odata.context": c.context("messages/attachments"), "value": value,
	}}, nil
}

func (c *call) attachment() (*item, *file, error) {
	it, err := c.item()
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(it.load().files, func(f *file) bool { return it.fileID(f) == c.vars[1] })
	if i < 0 {
		return nil, nil, itemNotFound()
	}
	return it, it.files[i], nil
}

func (c *call) getAttachment() (answer, error) {
	if err := c.known("$select"); err != nil {
		return answer{}, err
	}
	it, f, err := c.attachment()
	if err != nil {
		return answer{}, err
	}
	body := c.fileJSON(it, f, splitList(c.query.Get("$select")))
	body["@odata.context"] = c.context("messages/attachments/$entity")
	return answer{status: http.StatusOK, body: body}, nil
}

func (c *call) addAttachment() (answer, error) {
	it, err := c.draft()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[fileInput]("attachment", c.body)
	if err != nil {
		return answer{}, err
	}
	f, err := in.file()
	if err != nil {
		return answer{}, err
	}
	if len(f.data) > maxInlineFile {
		return answer{}, refuse(c.s.options.OversizeStatus, "RequestEntityTooLarge", "Maximum request length exceeded.")
	}
	c.s.attach(it, f)
	body := c.fileJSON(it, f, nil)
	body["@odata.context"] = c.context("messages/attachments/$entity")
	return answer{status: http.StatusCreated, body: body}, nil
}

// draft finds the message, which has to be a draft.
func (c *call) draft() (*item, error) {
	it, err := c.item()
	if err != nil {
		return nil, err
	}
	if !it.draft {
		return nil, accessDenied()
	}
	return it, nil
}

func (s *Server) attach(it *item, f *file) {
	it.load()
	for _, have := range it.files {
		f.number = max(f.number, have.number)
	}
	f.number++
	f.modified = s.now()
	it.files = append(slices.Clone(it.files), f)
	it.raw = nil
	it.box.touch(it, s.now())
}

func (c *call) deleteAttachment() (answer, error) {
	if _, err := c.draft(); err != nil {
		return answer{}, err
	}
	it, f, err := c.attachment()
	if err != nil {
		return answer{}, err
	}
	it.files = slices.DeleteFunc(slices.Clone(it.files), func(have *file) bool { return have == f })
	it.raw = nil
	c.box.touch(it, c.s.now())
	return answer{status: http.StatusNoContent}, nil
}
