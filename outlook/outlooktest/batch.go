package outlooktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBatch is how many requests a batch may hold, and lanes how many of them
// Outlook runs at a time (learn.microsoft.com/graph/json-batching, 2025-02, and
// throttling-limits, 2025-01).
const (
	maxBatch = 20
	lanes    = 4
)

type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

type batchResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body,omitempty"`
}

// batch serves $batch. Every part passes the log, the faults and the limits of
// the fake like a request of its own; the order of the answers is not that of
// the requests.
func (c *call) batch() (answer, error) {
	var in struct {
		Requests []batchRequest `json:"requests"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, badRequest("Invalid batch payload format.")
	}
	if err := checkBatch(in.Requests); err != nil {
		return answer{}, err
	}
	c.s.lock()
	own := c.s.box(c.grant.User) // the parts of an app's batch are not held to any mailbox's limit
	if own == nil && c.app() == "" {
		c.s.unlock()
		return answer{}, unauthorized(c.r)
	}
	width := min(lanes, len(in.Requests))
	if slices.ContainsFunc(in.Requests, func(r batchRequest) bool { return len(r.DependsOn) > 0 }) {
		width = 1
	}
	got := c.s.enter(own, width)
	c.s.unlock()
	defer c.s.leave(own, got)

	status := map[string]int{}
	out := make([]batchResponse, 0, len(in.Requests))
	for i, r := range in.Requests {
		if i%width == 0 && !wait(c.r.Context(), c.s.options.Latency) {
			return answer{}, refuse(http.StatusGatewayTimeout, "UnknownError", "")
		}
		resp := c.part(r, status, i%width >= got)
		status[strings.ToLower(r.ID)] = resp.Status
		out = append(out, resp)
	}
	shuffle(out)
	return answer{status: http.StatusOK, body: map[string]any{"responses": out}}, nil
}

func checkBatch(list []batchRequest) error {
	if len(list) == 0 || len(list) > maxBatch {
		return badRequest("The number of requests in a batch has to be between 1 and 20.")
	}
	seen := map[string]bool{}
	for _, r := range list {
		id := strings.ToLower(r.ID)
		if id == "" || seen[id] {
			return badRequest("Every request of a batch needs an id of its own.")
		}
		for _, d := range r.DependsOn {
			if !seen[strings.ToLower(d)] {
				return badRequest("A request depends on one that does not come before it.")
			}
		}
		seen[id] = true
	}
	return nil
}

// part runs one request of a batch.
func (c *call) part(r batchRequest, status map[string]int, refused bool) batchResponse {
	fail := func(e *apiError) batchResponse {
		var body errorBody
		body.Error.Code, body.Error.Message = e.code, e.message
		return batchResponse{ID: r.ID, Status: e.status, Headers: map[string]string{"Content-Type": "application/json"}, Body: body}
	}
	for _, d := range r.DependsOn {
		if s := status[strings.ToLower(d)]; s >= 400 {
			return fail(refuse(http.StatusFailedDependency, "FailedDependency", "A request it depends on failed."))
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.IsAbs() || u.Host != "" {
		return fail(badRequest("The url of a batch request has to be relative."))
	}
	req, err := c.partRequest(r, refused)
	if err != nil {
		return fail(badRequest("The batch request is not valid."))
	}
	resp, err := c.s.Serve(req, true)
	if err != nil {
		return fail(refuse(http.StatusGatewayTimeout, "UnknownError", ""))
	}
	out := batchResponse{ID: r.ID, Status: resp.StatusCode, Headers: map[string]string{}}
	for _, name := range []string{"Content-Type", "Retry-After", "Location", "Preference-Applied", "Etag", "Cache-Control"} {
		if v := resp.Header.Get(name); v != "" {
			out.Headers[name] = v
		}
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	var parsed json.RawMessage
	switch {
	case len(b) == 0:
	case json.Unmarshal(b, &parsed) == nil:
		out.Body = parsed
	default:
		out.Body = base64.StdEncoding.EncodeToString(b)
	}
	return out
}

func (c *call) partRequest(r batchRequest, refused bool) (*http.Request, error) {
	body := []byte(r.Body)
	if kind := header(r.Headers, "Content-Type"); len(body) > 0 && !strings.HasPrefix(strings.ToLower(kind), "application/json") {
		var text string // other than JSON comes as a string, base64 of the content
		if json.Unmarshal(body, &text) == nil {
			body = []byte(text)
		}
	}
	ctx := context.WithValue(c.r.Context(), slotsKey{}, slots{refused: refused})
	req, err := http.NewRequestWithContext(ctx, r.Method, c.s.URL()+"/v1.0/"+strings.TrimPrefix(r.URL, "/"), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, v := range r.Headers {
		req.Header.Set(name, v)
	}
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", c.r.Header.Get("Authorization"))
	}
	req.RequestURI = req.URL.RequestURI()
	return req, nil
}

func header(h map[string]string, name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// shuffle puts the answers into another order, always the same for the same
// number.
func shuffle(list []batchResponse) {
	for i := range list {
		j := (i*7 + 3) % len(list)
		list[i], list[j] = list[j], list[i]
	}
}
