package quota

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// transport is what [Limiter.Transport] returns.
type transport struct {
	limiter *Limiter
	base    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call, ok := mailbox.CallOf(req.Context())
	if !ok {
		return t.base.RoundTrip(req)
	}
	var start time.Time
	if t.limiter.shared != nil {
		start = time.Now()
	}
	tk, err := t.limiter.acquire(req.Context(), call)
	var sc *sharedCall
	if err == nil && t.limiter.shared != nil {
		sc, err = t.limiter.shared.enter(req.Context(), call, tk, start)
		if err != nil {
			t.limiter.release(tk)
		}
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	handedOver := false
	defer func() {
		if !handedOver {
			sc.leave()
			t.limiter.release(tk)
		}
	}()
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return resp, err
	}

	r, refused := refusalOf(resp)
	body := &liveBody{ReadCloser: resp.Body, limiter: t.limiter, ticket: tk, shared: sc}
	switch {
	case refused:
		t.limiter.learn(tk, sc, r)
	case call.Parallel > 1 && isMultipart(resp):
		body.parts = &partWatch{date: resp.Header.Get("Date")}
	case resp.StatusCode < 500:
		t.limiter.succeeded(tk)
	}
	resp.Body = body
	handedOver = true
	return resp, nil
}

// refusalOf reports whether an answer is a refusal because of a limit. Where it
// has to look into the body it puts it back.
func refusalOf(resp *http.Response) (refusal, bool) {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusForbidden:
	default:
		return refusal{}, false // also 202 with Retry-After: the mail was taken
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failedReader{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), resp.Body}

	if resp.StatusCode == http.StatusForbidden && !parseAPIError(head).isRateLimit() {
		return refusal{}, false
	}
	return refusalIn(resp.Header, head, time.Now()), true
}

// failedReader repeats the error that ended an earlier read.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

// isMultipart reports whether the body is a batch of answers that can be read
// as text.
func isMultipart(resp *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return resp.StatusCode == http.StatusOK && strings.HasPrefix(mediaType, "multipart/") &&
		resp.Header.Get("Content-Encoding") == ""
}

// liveBody is the body of an answer. Its call is in flight until the body ends
// or is closed.
type liveBody struct {
	io.ReadCloser
	limiter *Limiter
	ticket  ticket
	shared  *sharedCall

	mu    sync.Mutex // Close may come while Read is busy
	parts *partWatch // nil unless the answer is a batch
	ended bool
}

// Read implements io.Reader.
func (b *liveBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.parts != nil && n > 0 {
		b.mu.Lock()
		found := slices.Clone(b.parts.write(p[:n]))
		b.mu.Unlock()
		b.learn(found)
	}
	if err != nil {
		b.end()
	}
	return n, err
}

// Close implements io.Closer.
func (b *liveBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

func (b *liveBody) end() {
	b.mu.Lock()
	ended := b.ended
	b.ended = true
	var found []refusal
	passed := false
	if b.parts != nil && !ended {
		found, passed = slices.Clone(b.parts.end()), b.parts.passed()
	}
	b.mu.Unlock()
	if ended {
		return
	}
	b.learn(found)
	if passed {
		b.limiter.succeeded(b.ticket)
	}
	b.shared.leave()
	b.limiter.release(b.ticket)
}

func (b *liveBody) learn(found []refusal) {
	for _, r := range found {
		b.limiter.learn(b.ticket, b.shared, r)
	}
}
