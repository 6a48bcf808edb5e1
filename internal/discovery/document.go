// Package discovery checks HTTP exchanges against a Google API discovery
// document: are path, parameters and bodies of a request, and the answer to it,
// what the document describes? It reads what REST APIs with JSON, media upload
// and batches use of the format
// (https://developers.google.com/discovery/v1/reference/apis, read 2026-11-20).
package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Document is a discovery document, ready to check exchanges. It is safe for
// concurrent use.
type Document struct {
	name, version string
	batchPath     string
	params        map[string]*schema // of every method
	schemas       map[string]*schema
	routes        []route
}

// route is one way to call a method.
type route struct {
	method *method
	path   *regexp.Regexp // of the escaped path; its groups are the names of parameters
	names  []string
	upload bool
}

type method struct {
	ID         string             `json:"id"`
	HTTPMethod string             `json:"httpMethod"`
	Path       string             `json:"path"`
	Parameters map[string]*schema `json:"parameters"`
	Request    *schema            `json:"request"`
	Response   *schema            `json:"response"`
	Media      *mediaUpload       `json:"mediaUpload"`
}

type mediaUpload struct {
	Accept    []string `json:"accept"`
	MaxSize   string   `json:"maxSize"`
	Protocols map[string]struct {
		Path string `json:"path"`
	} `json:"protocols"`
}

// schema describes a value: a parameter, a property or a body.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 string             `json:"type"`
	Format               string             `json:"format"`
	Enum                 []string           `json:"enum"`
	Pattern              string             `json:"pattern"`
	Minimum              string             `json:"minimum"`
	Maximum              string             `json:"maximum"`
	Description          string             `json:"description"`
	Location             string             `json:"location"`
	Required             bool               `json:"required"`
	Repeated             bool               `json:"repeated"`
	Items                *schema            `json:"items"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Annotations          struct {
		Required []string `json:"required"` // ids of methods
	} `json:"annotations"`

	pattern *regexp.Regexp
	limit   *int64
}

type resource struct {
	Methods   map[string]*method   `json:"methods"`
	Resources map[string]*resource `json:"resources"`
}

// Load reads a discovery document.
func Load(doc []byte) (*Document, error) {
	var in struct {
		Name        string             `json:"name"`
		Version     string             `json:"version"`
		ServicePath string             `json:"servicePath"`
		BatchPath   string             `json:"batchPath"`
		Parameters  map[string]*schema `json:"parameters"`
		Schemas     map[string]*schema `json:"schemas"`
		resource
	}
	if err := json.Unmarshal(doc, &in); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	d := &Document{
		name: in.Name, version: in.Version, batchPath: "/" + strings.Trim(in.BatchPath, "/"),
		params: in.Parameters, schemas: in.Schemas,
	}
	for _, s := range in.Schemas {
		if err := d.prepare(s); err != nil {
			return nil, err
		}
	}
	for _, s := range in.Parameters {
		if err := d.prepare(s); err != nil {
			return nil, err
		}
	}
	if err := d.walk(&in.resource, in.ServicePath); err != nil {
		return nil, err
	}
	if len(d.routes) == 0 {
		return nil, fmt.Errorf("discovery: the document has no methods")
	}
	// A longer template is the more special one: ".../batchModify" before "{id}".
	slices.SortStableFunc(d.routes, func(a, b route) int { return len(a.names) - len(b.names) })
	return d, nil
}

func (d *Document) walk(r *resource, servicePath string) error {
	for _, m := range r.Methods {
		for _, p := range m.Parameters {
			if err := d.prepare(p); err != nil {
				return err
			}
		}
		for _, s := range []*schema{m.Request, m.Response} {
			if s != nil && d.schemas[s.Ref] == nil {
				return fmt.Errorf("discovery: %s: no schema %q", m.ID, s.Ref)
			}
		}
		if err := d.route(m, "/"+strings.Trim(servicePath+m.Path, "/"), false); err != nil {
			return err
		}
		if m.Media != nil {
			for _, p := range m.Media.Protocols {
				if err := d.route(m, p.Path, true); err != nil {
					return err
				}
			}
		}
	}
	for _, child := range r.Resources {
		if err := d.walk(child, servicePath); err != nil {
			return err
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{\+?([A-Za-z0-9_]+)\}`)

func (d *Document) route(m *method, template string, upload bool) error {
	r := route{method: m, upload: upload}
	pattern, last := "^", 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(template, -1) {
		pattern += regexp.QuoteMeta(template[last:at[0]]) + "([^/:]+)"
		if strings.HasPrefix(template[at[0]:], "{+") {
			pattern = strings.TrimSuffix(pattern, "([^/:]+)") + "(.+)"
		}
		r.names = append(r.names, template[at[2]:at[3]])
		last = at[1]
	}
	re, err := regexp.Compile(pattern + regexp.QuoteMeta(template[last:]) + "$")
	if err != nil {
		return fmt.Errorf("discovery: %s: %w", m.ID, err)
	}
	r.path = re
	d.routes = append(d.routes, r)
	return nil
}

// statedMaximum finds limits that Google only writes in prose.
var statedMaximum = regexp.MustCompile(`maximum (?:allowed )?value (?:for this field )?is ([0-9]+)`)

// prepare compiles what a schema holds as text.
func (d *Document) prepare(s *schema) error {
	if s == nil {
		return nil
	}
	if s.Ref != "" && d.schemas[s.Ref] == nil {
		return fmt.Errorf("discovery: no schema %q", s.Ref)
	}
	if s.Pattern != "" {
		re, err := regexp.Compile(s.Pattern)
		if err != nil {
			return fmt.Errorf("discovery: pattern: %w", err)
		}
		s.pattern = re
	}
	text := s.Maximum
	if m := statedMaximum.FindStringSubmatch(s.Description); text == "" && m != nil {
		text = m[1]
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		s.limit = &n
	}
	for _, child := range s.Properties {
		if err := d.prepare(child); err != nil {
			return err
		}
	}
	if err := d.prepare(s.Items); err != nil {
		return err
	}
	return d.prepare(s.AdditionalProperties)
}

// Covers reports whether a URL belongs to the API at all: its methods, uploads
// or batches, known or not.
func (d *Document) Covers(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	prefix := "/" + d.name + "/" + d.version + "/"
	return strings.HasPrefix(u.Path, prefix) || strings.HasPrefix(u.Path, "/upload"+prefix) ||
		strings.HasPrefix(u.Path, "/resumable/upload"+prefix) || d.isBatch(u.Path)
}

func (d *Document) isBatch(path string) bool {
	return d.batchPath != "/" && (path == d.batchPath || path == d.batchPath+"/"+d.name+"/"+d.version)
}

// find returns the route of a request with the values of its path parameters.
// Without one, known tells whether the path exists for another HTTP method.
func (d *Document) find(httpMethod, escapedPath string) (found *route, values []string, known bool) {
	for i := range d.routes {
		r := &d.routes[i]
		m := r.path.FindStringSubmatch(escapedPath)
		if m == nil {
			continue
		}
		if known = true; r.method.HTTPMethod == httpMethod {
			return r, m[1:], true
		}
	}
	return nil, nil, known
}

// Side is which half of an exchange is at fault.
type Side string

// The sides.
const (
	Request Side = "request"
	Answer  Side = "answer"
)

// Violation is one way in which an exchange does not fit the document.
type Violation struct {
	Side Side
	// Method is the id of the method, when it was found.
	Method string
	// At is the place, for instance "query.maxResults" or "body.raw". Places
	// inside a batch begin with the Content-ID of the part.
	At      string
	Problem string
}

// String returns the violation on one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s of %s, %s: %s", v.Side, v.Method, v.At, v.Problem)
}

// Check compares one exchange with the document. Without a violation it returns
// nil. The parts of a batch are checked one by one.
func (d *Document) Check(httpMethod, rawURL string, reqHeader http.Header, reqBody []byte,
	status int, respHeader http.Header, respBody []byte,
) []Violation {
	x := &exchange{
		d: d, httpMethod: httpMethod, reqHeader: reqHeader, reqBody: reqBody,
		status: status, respHeader: respHeader, respBody: respBody,
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		x.report(Request, "url", "is not a URL")
		return x.found
	}
	x.url = u
	if d.isBatch(u.Path) {
		x.checkBatch()
	} else {
		x.check()
	}
	return x.found
}
