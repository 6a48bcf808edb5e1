package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Graph checks exchanges against the OpenAPI description of Graph's mail API.
// It is safe for concurrent use.
type Graph struct {
	doc   *openapi3.T
	paths []string
}

// base is where the description says the API is.
const base = "/v1.0"

// outside are parts of the service that the description leaves out, with the
// reason why they are used all the same. They are counted, not checked.
var outside = []struct{ path, reason string }{
	{"/me", "users are another document"},
	{"/users", "users are another document"},
	{"/users/{id}", "users are another document"},
	{"/me/translateExchangeIds", "left out when the description was trimmed"},
	{"/users/{id}/translateExchangeIds", "left out when the description was trimmed"},
}

// linkOptions are query options that only stand in links which the service
// made itself, and so in no description; changeType is documented for delta
// (learn.microsoft.com/graph/api/message-delta).
var linkOptions = []string{"$skiptoken", "$deltatoken", "changeType"}

// LoadGraph reads the description and adapts it to what the service really
// does: see adapt.
func LoadGraph(raw []byte) (*Graph, error) {
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	adapt(tree)
	adapted, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(adapted)
	if err != nil {
		return nil, err
	}
	g := &Graph{doc: doc}
	for path := range doc.Paths.Map() {
		g.paths = append(g.paths, path)
	}
	slices.Sort(g.paths)
	return g, nil
}

// adapt changes the description where the official examples contradict it, and
// makes it stricter where it is silent:
//   - enums are compared without case ("HTML", "Normal");
//   - null is accepted everywhere ("from": null);
//   - a property that the description does not know is a fault, apart from
//     those of derived attachment types and annotations ("@odata.etag");
//   - MIME content is answered as text/plain, and a count as a text of digits.
func adapt(tree map[string]any) {
	components := tree["components"].(map[string]any)
	attachment := components["schemas"].(map[string]any)["microsoft.graph.attachment"].(map[string]any)
	properties := attachment["properties"].(map[string]any)
	properties["contentBytes"] = map[string]any{"type": "string", "format": "byte"}
	properties["contentId"] = map[string]any{"type": "string"}
	properties["contentLocation"] = map[string]any{"type": "string"}
	components["schemas"].(map[string]any)["ODataCountResponse"] = map[string]any{"type": "string", "pattern": "^[0-9]+$"}
	for path, item := range tree["paths"].(map[string]any) {
		if !strings.HasSuffix(path, "/$value") {
			continue
		}
		get := item.(map[string]any)["get"].(map[string]any)
		ok := get["responses"].(map[string]any)["2XX"].(map[string]any)
		ok["content"].(map[string]any)["text/plain"] = map[string]any{"schema": map[string]any{"type": "string"}}
	}
	loosen(tree)
}

// loosen walks over all schemas.
func loosen(v any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			loosen(one)
		}
	case map[string]any:
		if _, ok := v["type"].(string); ok {
			v["nullable"] = true
			if values, ok := v["enum"].([]any); ok {
				v["pattern"] = "(?i)^(?:" + alternatives(values) + ")$"
				delete(v, "enum")
			}
			if _, ok := v["properties"].(map[string]any); ok {
				v["additionalProperties"] = false
			}
		}
		for _, one := range v {
			loosen(one)
		}
	}
}

func alternatives(values []any) string {
	var out []string
	for _, v := range values {
		out = append(out, strings.ReplaceAll(fmt.Sprint(v), "*", `\*`))
	}
	return strings.Join(out, "|")
}

// Result is what became of one exchange.
type Result struct {
	// Operation is method and path of the description, or of the list of parts
	// outside of it.
	Operation string
	// Outside tells that the description has no such operation, and why that
	// is known.
	Outside string
	// Problems are the ways in which the exchange does not fit.
	Problems []string
}

// Check checks one exchange. With refusedToo, requests that the fake refused
// are held to the description too: drivers must not send them, tests of the
// fake do so on purpose.
func (g *Graph) Check(x fakeserver.Exchange, refusedToo bool) Result {
	u, err := url.Parse(x.URL)
	if err != nil {
		return Result{Operation: x.Method + " ?", Problems: []string{"the URL cannot be read"}}
	}
	path := strings.TrimPrefix(u.EscapedPath(), base)
	segments := splitPath(path)
	answered := !x.Lost && !x.Scripted
	if path == "/$batch" && x.Method == http.MethodPost {
		return Result{Operation: "POST /$batch", Problems: checkBatch(x, answered, refusedToo)}
	}
	for _, o := range outside {
		if _, ok := match(o.path, segments); ok {
			return Result{Operation: x.Method + " " + o.path, Outside: o.reason}
		}
	}
	checkRequest := refusedToo || x.Status < 400 || !answered
	template, params := g.find(segments, x.Method)
	r := Result{Operation: x.Method + " " + template}
	if template == "" {
		r.Operation = x.Method + " " + strings.Join(segments, "/")
		if checkRequest {
			r.Problems = append(r.Problems, "request: the description has no such operation")
		}
		return r
	}
	body, err := requestBody(x)
	if err != nil {
		if checkRequest {
			r.Problems = append(r.Problems, "request: "+err.Error())
		}
		return r
	}
	query := u.Query()
	op := g.doc.Paths.Value(template).GetOperation(x.Method)
	if checkRequest {
		r.Problems = append(r.Problems, unknownOptions(op, query)...)
	}
	for _, name := range linkOptions {
		query.Del(name)
	}
	if v := query.Get("$expand"); v != "" {
		query.Set("$expand", withoutOptions(v))
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequest(x.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		r.Problems = append(r.Problems, "request: "+err.Error())
		return r
	}
	req.Header = x.RequestHeader.Clone()
	req.Header.Del("Content-Encoding")
	options := &openapi3filter.Options{
		MultiError: true, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true, IncludeResponseStatus: true,
	}
	options.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string {
		return "/" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
	})
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, QueryParams: query, Options: options,
		Route: &routers.Route{
			Spec: g.doc, Path: template, PathItem: g.doc.Paths.Value(template), Method: x.Method, Operation: op,
		},
	}
	if checkRequest {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			r.Problems = append(r.Problems, "request: "+err.Error())
		}
	}
	if answered {
		r.Problems = append(r.Problems, checkAnswer(in, x)...)
	}
	return r
}

func checkAnswer(in *openapi3filter.RequestValidationInput, x fakeserver.Exchange) []string {
	body, err := withoutAnnotations(x.ResponseHeader, x.ResponseBody)
	if err != nil {
		return []string{"answer: " + err.Error()}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: x.Status, Header: x.ResponseHeader, Options: in.Options,
	}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return []string{"answer: " + err.Error()}
	}
	if response := in.Route.Operation.Responses.Status(x.Status); response != nil && len(response.Value.Content) == 0 && len(x.ResponseBody) > 0 {
		return []string{"answer: the description has no body here"}
	}
	return nil
}

// find returns the path template for an operation; one without placeholders
// goes first.
func (g *Graph) find(segments []string, method string) (template string, params map[string]string) {
	for _, path := range g.paths {
		if g.doc.Paths.Value(path).GetOperation(method) == nil {
			continue
		}
		if p, ok := match(path, segments); ok && (template == "" || len(p) < len(params)) {
			template, params = path, p
		}
	}
	return template, params
}

// match compares path segments with a template.
func match(template string, segments []string) (map[string]string, bool) {
	want := strings.Split(strings.TrimPrefix(template, "/"), "/")
	if len(want) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{"):
			if segments[i] == "" {
				return nil, false
			}
			params[strings.Trim(w, "{}")] = segments[i]
		case w != segments[i]:
			return nil, false
		}
	}
	return params, true
}

// splitPath splits an escaped path. A key in parentheses, as in the links of
// the service, is a segment of its own: mailFolders('x') is mailFolders/x.
func splitPath(escaped string) []string {
	var out []string
	for s := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		if name, key, ok := strings.Cut(s, "('"); ok && strings.HasSuffix(key, "')") {
			out = append(out, name, strings.TrimSuffix(key, "')"))
			continue
		}
		out = append(out, s)
	}
	return out
}

// unknownOptions reports query options that the operation does not have.
func unknownOptions(op *openapi3.Operation, query url.Values) (problems []string) {
	for name, values := range query {
		if slices.Contains(linkOptions, name) {
			continue
		}
		if op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			problems = append(problems, "request: the query option "+name+" is not in the description")
		}
		if len(values) > 1 {
			problems = append(problems, "request: the query option "+name+" is given twice")
		}
	}
	slices.Sort(problems)
	return problems
}

// withoutOptions takes nested options out of $expand: "attachments($select=id)"
// is "attachments". The description knows the names only.
func withoutOptions(v string) string {
	var out strings.Builder
	depth := 0
	for _, c := range v {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0:
			out.WriteRune(c)
		}
	}
	return out.String()
}

// requestBody unpacks the body and takes annotations out of JSON.
func requestBody(x fakeserver.Exchange) ([]byte, error) {
	body := x.RequestBody
	if strings.EqualFold(x.RequestHeader.Get("Content-Encoding"), "gzip") && len(body) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	return withoutAnnotations(x.RequestHeader, body)
}

// withoutAnnotations removes OData annotations, which may stand anywhere; the
// links are part of the description and stay.
func withoutAnnotations(h http.Header, body []byte) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "application/json" || len(body) == 0 {
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return body, nil // told by the validation
	}
	return json.Marshal(strip(v))
}

func strip(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	case map[string]any:
		for name := range v {
			if strings.HasPrefix(name, "@") && name != "@odata.nextLink" && name != "@odata.deltaLink" {
				delete(v, name)
				continue
			}
			v[name] = strip(v[name])
		}
	}
	return v
}
