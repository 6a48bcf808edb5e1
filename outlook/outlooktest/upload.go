package outlooktest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of upload sessions
// (learn.microsoft.com/graph/outlook-large-attachments, read 2026-11).
const (
	maxUpload = 150 << 20
	maxChunk  = 4 << 20
	uploadTTL = time.Hour
)

// upload is an upload session of one attachment.
type upload struct {
	item    *item
	file    *file
	size    int64
	expires time.Time
	key     string // the authtoken of its URL
}

func (c *call) createUpload() (answer, error) {
	it, err := c.draft()
	if err != nil {
		return answer{}, err
	}
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	a, err := decode[*struct {
		Type        string  `json:"attachmentType"`
		Name        string  `json:"name"`
		Size        int64   `json:"size"`
		ContentType *string `json:"contentType"`
		ContentID   *string `json:"contentId"`
		IsInline    *bool   `json:"isInline"`
	}]("attachmentItem", parameter(in, "attachmentItem"))
	switch {
	case err != nil:
		return answer{}, err
	case a == nil || a.Name == "" || a.Size <= 0:
		return answer{}, refuse(http.StatusBadRequest, "ErrorRequiredPropertyMissing", "Required property is missing.")
	case !strings.EqualFold(a.Type, "file"):
		return answer{}, notModelled("upload sessions for '" + a.Type + "'")
	case a.Size > maxUpload:
		return answer{}, refuse(http.StatusBadRequest, "ErrorAttachmentSizeLimitExceeded", "The attachment is too large.")
	}
	f, err := fileInput{
		Type: "microsoft.graph.fileAttachment", Name: &a.Name, ContentType: a.ContentType, ContentID: a.ContentID, IsInline: a.IsInline,
	}.file()
	if err != nil {
		return answer{}, err
	}
	id := newGUID()
	u := &upload{item: it, file: f, size: a.Size, expires: c.s.now().Add(uploadTTL), key: newGUID()}
	c.s.uploads[id] = u
	return answer{status: http.StatusCreated, body: map[string]any{
		"@odata.context": c.s.URL() + "/v1.0/$metadata#microsoft.graph.uploadSession",
		"uploadUrl":      c.s.URL() + "/upload/" + id + "?authtoken=" + url.QueryEscape(u.key), "expirationDateTime": timestamp(u.expires),
		"nextExpectedRanges": []string{"0-"},
	}}, nil
}

// putUpload serves the URL of an upload session, which is authenticated by
// itself: a request with a token is refused.
func (s *Server) putUpload(w http.ResponseWriter, r *http.Request) {
	a, err := s.receiveUpload(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.setTrace(w, r)
	for name, vs := range a.header {
		w.Header()[name] = vs
	}
	if a.raw != nil {
		w.Header().Set("Content-Type", a.kind)
	}
	w.WriteHeader(a.status)
	w.Write(a.raw)
}

func (s *Server) receiveUpload(r *http.Request) (answer, error) {
	if r.Header.Get("Authorization") != "" {
		return answer{}, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The upload URL takes no Authorization header.")
	}
	chunk, err := io.ReadAll(io.LimitReader(r.Body, maxChunk+1))
	if err != nil {
		return answer{}, badRequest("The request could not be read.")
	}
	s.lock()
	defer s.unlock()
	id := strings.TrimPrefix(r.URL.Path, "/upload/")
	u := s.uploads[id]
	if u == nil || u.key != r.URL.Query().Get("authtoken") || s.now().After(u.expires) || u.item.gone || !u.item.draft {
		return answer{}, refuse(http.StatusNotFound, "ErrorItemNotFound", "The upload session was not found.")
	}
	switch r.Method {
	case http.MethodDelete:
		delete(s.uploads, id)
		return answer{status: http.StatusNoContent}, nil
	case http.MethodPut:
	default:
		return answer{}, refuse(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	if len(chunk) > maxChunk {
		return answer{}, refuse(s.options.OversizeStatus, "RequestEntityTooLarge", "Maximum request length exceeded.")
	}
	var from, to, total int64
	if n, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total); err != nil || n != 3 ||
		total != u.size || to-from+1 != int64(len(chunk)) || to >= total {
		return answer{}, badRequest("The Content-Range header is missing or does not fit.")
	}
	if from != int64(len(u.file.data)) {
		return answer{}, refuse(http.StatusRequestedRangeNotSatisfiable, "ErrorInvalidRange",
			fmt.Sprintf("The next expected range is %d-.", len(u.file.data)))
	}
	u.file.data = append(u.file.data, chunk...)
	if int64(len(u.file.data)) < u.size {
		return answer{
			status: http.StatusOK, kind: "application/json",
			raw: fmt.Appendf(nil, `{"expirationDateTime":%q,"nextExpectedRanges":["%d"]}`, timestamp(u.expires), len(u.file.data)),
		}, nil
	}
	delete(s.uploads, id)
	s.attach(u.item, u.file)
	location := fmt.Sprintf("%s/v1.0/users('%s')/messages('%s')/attachments('%s')", s.URL(), url.PathEscape(u.item.box.user.ID),
		u.item.immutableID(), u.item.fileID(u.file))
	return answer{status: http.StatusCreated, header: http.Header{"Location": {location}}}, nil
}
