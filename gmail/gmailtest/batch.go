package gmailtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// maxParts is how many calls a batch may hold, and maxBatch how many bytes.
const (
	maxParts = 100
	maxBatch = 64 << 20
)

// inner is one call of a batch.
type inner struct {
	contentID string
	req       *http.Request
	err       *apiError // why req is nil
}

// batch answers a batch: the parts run, and are answered, in any order.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	calls, err := readBatch(r)
	if err == nil && len(calls) > maxParts {
		err = badRequest("Inner request count exceeds the limit. Received: %d, Limit: %d", len(calls), maxParts)
	}
	if err != nil {
		err.write(w, s.opts.ErrorShape, "")
		return
	}
	var b *box
	if g := s.OAuth.Bearer(r); g != nil {
		s.mu.Lock()
		b = s.byAddr[strings.ToLower(g.User)]
		s.mu.Unlock()
	}
	taken := s.sit(b, len(calls))
	defer s.rise(b, taken)
	seats := &seats{taken}
	if s.wait(r.Context()) != nil {
		return // nobody is there to read an answer
	}

	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	out.SetBoundary("batch_" + strings.TrimPrefix(fakeserver.NewBoundary(), "=_"))
	for _, i := range s.order(len(calls)) {
		resp, err := s.runInner(r, calls[i], seats)
		if err != nil {
			continue // no answer to this part came back
		}
		h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
		h["Content-ID"] = []string{"response-"}
		if id := calls[i].contentID; id != "" {
			h["Content-ID"] = []string{"<response-" + strings.Trim(id, "<>") + ">"}
		}
		part, _ := out.CreatePart(h)
		fmt.Fprintf(part, "HTTP/1.1 %s\r\n", resp.Status)
		resp.Header.Write(part)
		io.WriteString(part, "\r\n")
		io.Copy(part, resp.Body)
		io.WriteString(part, "\r\n")
	}
	out.Close()
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+out.Boundary())
	w.Write(body.Bytes())
}

// runInner runs one part through faults and log, as a request of its own.
func (s *Server) runInner(outer *http.Request, c inner, seats *seats) (*http.Response, error) {
	if c.err != nil {
		rec := &answer{header: http.Header{}}
		c.err.write(rec, s.opts.ErrorShape, "")
		return rec.response(), nil
	}
	req := c.req.WithContext(withBatch(outer.Context(), seats))
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", outer.Header.Get("Authorization"))
	}
	return s.Serve(req, true)
}

// readBatch reads the parts of a batch. A part that is no HTTP request is kept
// with its error; an error is for a body that is no batch.
func readBatch(r *http.Request) ([]inner, *apiError) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != "multipart/mixed" || params["boundary"] == "" {
		return nil, badRequest("Failed to parse batch request, error: missing boundary.")
	}
	var calls []inner
	mr := multipart.NewReader(io.LimitReader(r.Body, maxBatch), params["boundary"])
	for {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, badRequest("Failed to parse batch request, error: %d items.", len(calls))
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, badRequest("Failed to parse batch request, error: %d items.", len(calls))
		}
		c := inner{contentID: p.Header.Get("Content-ID")}
		if t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); t != "application/http" {
			c.err = badRequest("Content-Type of a part must be application/http")
		} else {
			c.req, c.err = readInner(body)
		}
		calls = append(calls, c)
	}
	if len(calls) == 0 {
		return nil, badRequest("Failed to parse batch request, error: 0 items.")
	}
	return calls, nil
}

// readInner reads "GET /path?query", with or without a protocol, header and
// body.
func readInner(b []byte) (*http.Request, *apiError) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b, "\r\n"))))
	line, err := r.ReadLine()
	if err != nil {
		return nil, badRequest("Failed to parse request line")
	}
	method, target, ok := strings.Cut(strings.TrimSpace(line), " ")
	target, _, _ = strings.Cut(target, " ")
	if !ok || !strings.HasPrefix(target, "/") {
		return nil, badRequest("Failed to parse request line")
	}
	if !strings.HasPrefix(target, "/gmail/v1/") {
		return nil, badRequest("All inner requests must go to the Gmail API")
	}
	h, err := r.ReadMIMEHeader()
	if err != nil && err != io.EOF {
		return nil, badRequest("Failed to parse request header")
	}
	body, err := io.ReadAll(r.R)
	if err != nil {
		return nil, badRequest("Failed to read request body")
	}
	req, err := http.NewRequest(method, target, bytes.NewReader(bytes.TrimSpace(body)))
	if err != nil {
		return nil, badRequest("Failed to parse request line")
	}
	req.Header = http.Header(h)
	req.RequestURI = target
	return req, nil
}

// answer collects what a refusal writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answer) response() *http.Response {
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status, Header: a.header, Body: io.NopCloser(&a.body),
	}
}

// insideBatch marks the context of inner calls, with the seats of their batch.
type insideBatch struct{}

func withBatch(ctx context.Context, seats *seats) context.Context {
	return context.WithValue(ctx, insideBatch{}, seats)
}
