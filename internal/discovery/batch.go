package discovery

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// maxParts is how many calls a batch may hold (guide "batch", read 2026-11-20).
const maxParts = 100

// checkBatch checks a batch and every call in it with its answer.
func (x *exchange) checkBatch() {
	x.method = &method{ID: "batch"}
	if x.httpMethod != http.MethodPost {
		x.report(Request, "method", "%s is not POST", x.httpMethod)
		return
	}
	calls := x.parts(Request, x.reqHeader, x.reqBody)
	if len(calls) > maxParts {
		x.report(Request, "body", "has %d parts, the limit is %d", len(calls), maxParts)
	}
	byID := map[string]bool{}
	for _, c := range calls {
		if c.id != "" && byID[c.id] {
			x.report(Request, c.id, "Content-ID is used twice")
		}
		byID[c.id] = true
	}
	if x.status >= 400 {
		x.checkError()
		return
	}
	answers := map[string]httpPart{}
	for _, a := range x.parts(Answer, x.respHeader, x.respBody) {
		id := "<" + strings.TrimPrefix(strings.Trim(a.id, "<>"), "response-") + ">"
		if a.id == "response-" { // to a part that had no Content-ID
			continue
		}
		switch _, twice := answers[id]; {
		case !byID[id]:
			x.report(Answer, a.id, "answers no part")
		case twice:
			x.report(Answer, a.id, "answers a part twice")
		default:
			answers[id] = a
		}
	}
	for _, c := range calls {
		x.checkPart(c, answers)
	}
}

// httpPart is an HTTP message inside a part.
type httpPart struct {
	id     string
	line   string // request or status line
	header http.Header
	body   []byte
}

// parts reads the parts of one side.
func (x *exchange) parts(side Side, h http.Header, body []byte) []httpPart {
	t, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || t != "multipart/mixed" || params["boundary"] == "" {
		x.report(side, "header.Content-Type", "is not multipart/mixed with a boundary")
		return nil
	}
	var out []httpPart
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			x.report(side, "body", "is malformed behind %d parts", len(out))
			return out
		}
		id := p.Header.Get("Content-ID")
		if t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); t != "application/http" {
			x.report(side, id, "Content-Type %q is not application/http", t)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			x.report(side, id, "is cut")
			return out
		}
		text := textproto.NewReader(bufio.NewReader(bytes.NewReader(data)))
		line, lineErr := text.ReadLine()
		header, headerErr := text.ReadMIMEHeader()
		if lineErr != nil || headerErr != nil && headerErr != io.EOF {
			x.report(side, id, "holds no HTTP message")
			continue
		}
		rest, _ := io.ReadAll(text.R) // from memory
		out = append(out, httpPart{id, line, http.Header(header), bytes.TrimSpace(rest)})
	}
}

// checkPart checks one call of a batch as an exchange of its own. A call without
// an answer is only checked itself: the answer may have been lost.
func (x *exchange) checkPart(c httpPart, answers map[string]httpPart) {
	httpMethod, rest, _ := strings.Cut(c.line, " ")
	target, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(target, "/") {
		x.report(Request, c.id, "the request line has no path")
		return
	}
	a, answered := answers[c.id]
	status := 0
	if answered {
		_, rest, _ := strings.Cut(a.line, " ")
		code, _, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		if err != nil || !strings.HasPrefix(a.line, "HTTP/") {
			x.report(Answer, c.id, "has no status line")
			answered = false
		}
		status = n
	}
	for _, v := range x.d.Check(httpMethod, target, c.header, c.body, status, a.header, a.body) {
		if v.Side == Answer && !answered {
			continue
		}
		v.At = c.id + " " + v.At
		x.found = append(x.found, v)
	}
}
