package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// exchange is one request with its answer, under check.
type exchange struct {
	d          *Document
	httpMethod string
	url        *url.URL
	reqHeader  http.Header
	reqBody    []byte
	status     int
	respHeader http.Header
	respBody   []byte
	method     *method
	found      []Violation
}

func (x *exchange) report(side Side, at, format string, args ...any) {
	v := Violation{Side: side, At: at, Problem: fmt.Sprintf(format, args...)}
	if x.method != nil {
		v.Method = x.method.ID
	}
	x.found = append(x.found, v)
}

func (x *exchange) check() {
	r, values, known := x.d.find(x.httpMethod, x.url.EscapedPath())
	if r == nil {
		if known {
			x.report(Request, "method", "%s is not allowed for this path", x.httpMethod)
		} else {
			x.report(Request, "path", "no method has it")
		}
		return
	}
	x.method = r.method
	for i, name := range r.names {
		v, err := url.PathUnescape(values[i])
		if err != nil {
			x.report(Request, "path."+name, "is not escaped properly")
			continue
		}
		x.parameter(x.method.Parameters[name], "path."+name, v)
	}
	x.checkQuery(r)
	if r.upload {
		x.checkUpload()
	} else {
		x.checkRequestBody(x.reqHeader.Get("Content-Type"), x.reqBody, false)
	}
	x.checkAnswer()
}

func (x *exchange) checkQuery(r *route) {
	query, err := url.ParseQuery(x.url.RawQuery)
	if err != nil {
		x.report(Request, "query", "is malformed")
	}
	for name, values := range query {
		p := x.method.Parameters[name]
		if p == nil || p.Location != "query" {
			p = x.d.params[name]
		}
		if p == nil {
			x.report(Request, "query."+name, "is not a parameter of the method")
			continue
		}
		if len(values) > 1 && !p.Repeated {
			x.report(Request, "query."+name, "is given %d times", len(values))
		}
		for _, v := range values {
			x.parameter(p, "query."+name, v)
		}
	}
	for name, p := range x.method.Parameters {
		if p.Required && p.Location == "query" && !query.Has(name) {
			x.report(Request, "query."+name, "is required")
		}
	}
	if up := query.Get("uploadType"); up != "" && !r.upload {
		x.report(Request, "query.uploadType", "is only for upload paths")
	}
}

// checkUpload checks a media upload: alone, or behind metadata.
func (x *exchange) checkUpload() {
	contentType, params, err := mime.ParseMediaType(x.reqHeader.Get("Content-Type"))
	switch up := x.url.Query().Get("uploadType"); up {
	case "media":
		x.checkMedia(contentType, x.reqBody)
	case "multipart":
		if err != nil || contentType != "multipart/related" {
			x.report(Request, "header.Content-Type", "is not multipart/related")
			return
		}
		r := multipart.NewReader(bytes.NewReader(x.reqBody), params["boundary"])
		for i := range 2 {
			p, err := r.NextRawPart()
			if err != nil {
				x.report(Request, "body", "has %d parts, not two", i)
				return
			}
			data, err := io.ReadAll(p)
			if err != nil {
				x.report(Request, "body", "part %d is cut", i+1)
				return
			}
			if i == 0 {
				x.checkRequestBody(p.Header.Get("Content-Type"), data, true)
			} else {
				t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
				x.checkMedia(t, data)
			}
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			x.report(Request, "body", "has more than two parts or no end")
		}
	case "resumable":
		x.checkRequestBody(x.reqHeader.Get("Content-Type"), x.reqBody, true)
	default:
		x.report(Request, "query.uploadType", "%q is none of media, multipart and resumable", up)
	}
}

func (x *exchange) checkMedia(contentType string, data []byte) {
	if !slices.ContainsFunc(x.method.Media.Accept, func(accept string) bool {
		prefix, wild := strings.CutSuffix(accept, "*")
		return accept == contentType || wild && strings.HasPrefix(contentType, prefix)
	}) {
		x.report(Request, "media", "type %q is not accepted", contentType)
	}
	if limit, err := strconv.Atoi(x.method.Media.MaxSize); err == nil && len(data) > limit {
		x.report(Request, "media", "has %d bytes, the limit is %d", len(data), limit)
	}
	if len(data) == 0 {
		x.report(Request, "media", "is empty")
	}
}

// checkRequestBody checks a JSON body. withMedia tells that the content itself
// is uploaded beside it, so that nothing is required of it.
func (x *exchange) checkRequestBody(contentType string, body []byte, withMedia bool) {
	if x.method.Request == nil {
		if len(bytes.TrimSpace(body)) > 0 {
			x.report(Request, "body", "the method takes none")
		}
		return
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if !withMedia && x.requires(x.method.Request, nil) {
			x.report(Request, "body", "is missing")
		}
		return
	}
	if t, _, _ := mime.ParseMediaType(contentType); t != "application/json" {
		x.report(Request, "header.Content-Type", "%q is not application/json", t)
	}
	v, err := decode(body)
	if err != nil {
		x.report(Request, "body", "is not JSON")
		return
	}
	x.value(Request, "body", x.method.Request, v)
	if o, ok := v.(map[string]any); ok && !withMedia {
		x.requires(x.method.Request, o)
	}
}

// requires reports members that the document marks as required for the method.
// With a nil object it only tells whether there are any.
func (x *exchange) requires(s *schema, o map[string]any) bool {
	any := false
	for name, p := range x.d.schemas[s.Ref].Properties {
		if !slices.Contains(p.Annotations.Required, x.method.ID) {
			continue
		}
		any = true
		if _, ok := o[name]; !ok && o != nil {
			x.report(Request, "body."+name, "is required")
		}
	}
	return any
}

func (x *exchange) checkAnswer() {
	switch {
	case x.status >= 400:
		x.checkError()
	case x.status < 200 || x.status > 299:
		x.report(Answer, "status", "%d is neither success nor error", x.status)
	case x.method.Response == nil:
		if len(bytes.TrimSpace(x.respBody)) > 0 {
			x.report(Answer, "body", "the method returns none")
		}
	default:
		if !isJSON(x.respHeader) {
			x.report(Answer, "header.Content-Type", "%q is not application/json", x.respHeader.Get("Content-Type"))
		}
		v, err := decode(x.respBody)
		if err != nil {
			x.report(Answer, "body", "is not JSON")
			return
		}
		x.value(Answer, "body", x.method.Response, v)
	}
}

// errorSchema is what Google documents of error bodies
// (https://cloud.google.com/apis/design/errors and the older errors[] form).
const errorSchema = `{"type":"object","properties":{"error":{"type":"object","properties":{
	"code":{"type":"integer","format":"int32"},
	"message":{"type":"string"},
	"status":{"type":"string","enum":["CANCELLED","UNKNOWN","INVALID_ARGUMENT","DEADLINE_EXCEEDED","NOT_FOUND",
		"ALREADY_EXISTS","PERMISSION_DENIED","UNAUTHENTICATED","RESOURCE_EXHAUSTED","FAILED_PRECONDITION","ABORTED",
		"OUT_OF_RANGE","UNIMPLEMENTED","INTERNAL","UNAVAILABLE","DATA_LOSS"]},
	"errors":{"type":"array","items":{"type":"object","properties":{
		"message":{"type":"string"},"domain":{"type":"string"},"reason":{"type":"string"},
		"location":{"type":"string"},"locationType":{"type":"string"}}}},
	"details":{"type":"array","items":{"type":"object","additionalProperties":{"type":"any"}}}
}}}}`

// checkError accepts the documented JSON, alone or in an array of one, and pages
// of the front end.
func (x *exchange) checkError() {
	if !isJSON(x.respHeader) {
		if t, _, _ := mime.ParseMediaType(x.respHeader.Get("Content-Type")); t != "text/html" {
			x.report(Answer, "header.Content-Type", "%q is neither JSON nor a page", t)
		}
		return
	}
	v, err := decode(x.respBody)
	if err != nil {
		x.report(Answer, "body", "is not JSON")
		return
	}
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	var s schema
	if err := json.Unmarshal([]byte(errorSchema), &s); err != nil {
		panic("discovery: " + err.Error())
	}
	x.value(Answer, "body", &s, v)
	o, _ := v.(map[string]any)
	e, ok := o["error"].(map[string]any)
	if !ok {
		x.report(Answer, "body.error", "is missing")
		return
	}
	if code := fmt.Sprint(e["code"]); code != strconv.Itoa(x.status) {
		x.report(Answer, "body.error.code", "%s is not the status %d", code, x.status)
	}
	if m, _ := e["message"].(string); m == "" {
		x.report(Answer, "body.error.message", "is missing")
	}
	items, _ := e["errors"].([]any)
	for i, item := range items {
		for _, name := range []string{"message", "domain", "reason"} {
			if o, _ := item.(map[string]any); o[name] == nil {
				x.report(Answer, fmt.Sprintf("body.error.errors[%d].%s", i, name), "is missing")
			}
		}
	}
	details, _ := e["details"].([]any)
	for i, item := range details {
		if o, _ := item.(map[string]any); o["@type"] == nil {
			x.report(Answer, fmt.Sprintf("body.error.details[%d].@type", i), "is missing")
		}
	}
}

func isJSON(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == "application/json"
}

// decode reads exactly one JSON value and keeps numbers as they are written.
func decode(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}
