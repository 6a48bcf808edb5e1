package outlooktest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// client calls the fake as one user.
type client struct {
	t      testing.TB
	s      *outlooktest.Server
	token  string
	header http.Header
}

const (
	anna  = "anna@contoso.example"
	bert  = "bert@contoso.example"
	carol = "carol@outlook.example"
)

// start returns a fake with two work users and a personal one.
func start(t testing.TB, o outlooktest.Options) *outlooktest.Server {
	t.Helper()
	s := outlooktest.NewServer(t, o)
	s.AddUser(outlooktest.User{Address: anna, Name: "Anna Aalto", Aliases: []string{"a.aalto@contoso.example"}})
	s.AddUser(outlooktest.User{Address: bert, Name: "Bert Berg"})
	s.AddUser(outlooktest.User{Address: carol, Name: "Carol", Personal: true})
	return s
}

// as returns a client with a token of the user; no scopes means all.
func as(t testing.TB, s *outlooktest.Server, user string, scopes ...string) *client {
	t.Helper()
	access, _ := s.Tokens(user, scopes...)
	return &client{t: t, s: s, token: access, header: http.Header{}}
}

// with returns a client that sends one more header.
func (c *client) with(name, value string) *client {
	cc := *c
	cc.header = c.header.Clone()
	cc.header.Add(name, value)
	return &cc
}

func (c *client) immutable() *client { return c.with("Prefer", `IdType="ImmutableId"`) }

// object is a decoded JSON answer.
type object map[string]any

func (o object) str(name string) string {
	s, _ := o[name].(string)
	return s
}

func (o object) obj(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

func (o object) list(name string) []object {
	var out []object
	vs, _ := o[name].([]any)
	for _, v := range vs {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

// code is the error code of a refusal.
func (o object) code() string { return o.obj("error").str("code") }

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
	object
}

// do sends a request. The target is a path below /v1.0, or an absolute URL.
func (c *client) do(method, target string, body any) reply {
	c.t.Helper()
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case mimeBody:
		r, kind = strings.NewReader(string(b)), "text/plain"
	case []byte:
		r, kind = bytes.NewReader(b), ""
	default:
		enc, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		r = bytes.NewReader(enc)
	}
	if !strings.HasPrefix(target, "https://") && !strings.HasPrefix(target, "http://") {
		target = c.s.URL() + "/v1.0" + target
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, r)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil && kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, vs := range c.header {
		req.Header[name] = append(req.Header[name], vs...)
	}
	resp, err := c.s.Transport().RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	if out.body, err = io.ReadAll(resp.Body); err != nil {
		c.t.Fatal(err)
	}
	json.Unmarshal(out.body, &out.object)
	return out
}

// mimeBody is a request body of type text/plain.
type mimeBody string

// ok fails the test unless the status is the wanted one.
func (r reply) ok(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused fails the test unless it is a refusal with that status and code.
func (r reply) refused(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || r.code() != code {
		t.Fatalf("got %d %s, want %d %s", r.status, r.body, status, code)
	}
}

func (c *client) get(target string) reply { c.t.Helper(); return c.do(http.MethodGet, target, nil) }

func (c *client) post(target string, body any) reply {
	c.t.Helper()
	return c.do(http.MethodPost, target, body)
}

// to makes a recipient list.
func to(addresses ...string) []any {
	var out []any
	for _, a := range addresses {
		out = append(out, object{"emailAddress": object{"address": a}})
	}
	return out
}

// text makes a message in JSON.
func text(subject, body string, recipients ...string) object {
	return object{"subject": subject, "body": object{"contentType": "text", "content": body}, "toRecipients": to(recipients...)}
}

// eml makes a message in MIME.
func eml(subject string, more ...string) []byte {
	lines := append([]string{
		"From: Dora <dora@example.net>", "To: Anna <" + anna + ">", "Subject: " + subject,
		"Date: Fri, 20 Nov 2026 10:00:00 +0000",
	}, more...)
	return []byte(strings.Join(lines, "\r\n") + "\r\nContent-Type: text/plain\r\n\r\nHello\r\n")
}

// deliver puts a message into anna's inbox.
func deliver(t testing.TB, s *outlooktest.Server, raw []byte) string {
	t.Helper()
	id, err := s.Deliver(anna, raw)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "?" + strings.ReplaceAll(v.Encode(), "+", "%20")
}

func ids(list []object) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.str("id"))
	}
	return out
}

func subjects(list []object) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.str("subject"))
	}
	return out
}

func numbered(n int) string { return fmt.Sprintf("message %d", n) }
