package gmailtest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/internal/discovery"
)

const (
	ann  = "ann@example.com"
	bob  = "bob@example.com"
	carl = "carl@elsewhere.example"
)

// contract is the official description of the API.
var contract = sync.OnceValues(func() (*discovery.Document, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "gmail/v1/gmail-api.json"))
	if err != nil {
		return nil, err
	}
	return discovery.Load(doc)
})

// checkTraffic compares everything that was said with the contract. A request
// may only break it when the fake refused it.
func checkTraffic(t testing.TB, s *gmailtest.Server) {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.Log() {
		if x.Scripted || x.Lost || !doc.Covers(x.URL) || x.Status == http.StatusNotImplemented {
			continue
		}
		for _, v := range doc.Check(x.Method, x.URL, x.RequestHeader, x.RequestBody, x.Status, x.ResponseHeader, x.ResponseBody) {
			if v.Side == discovery.Answer || x.Status < 400 && !strings.Contains(v.At, "<") {
				t.Errorf("%s %s: %s", x.Method, x.URL, v)
			}
		}
	}
}

// world is a fake with two users and an HTTP client.
type world struct {
	*gmailtest.Server
	t     testing.TB
	token string
}

func setup(t testing.TB, o gmailtest.Options) *world {
	s := gmailtest.NewServer(t, o)
	t.Cleanup(func() { checkTraffic(t, s) })
	return populate(t, s)
}

func populate(t testing.TB, s *gmailtest.Server) *world {
	s.AddUser(gmailtest.User{Address: ann, Name: "Ann", Labels: []string{"Old Friends"}})
	s.AddUser(gmailtest.User{Address: bob, Name: "Bob"})
	w := &world{Server: s, t: t}
	w.as(ann)
	return w
}

// as makes the following calls as another user or with other scopes.
func (w *world) as(user string, scopes ...string) *world {
	w.token, _ = w.Tokens(user, scopes...)
	return w
}

// answer is one answer of the fake.
type answer struct {
	status int
	header http.Header
	body   []byte
	obj    object
}

type object = map[string]any

func (w *world) do(req *http.Request) answer {
	w.t.Helper()
	if _, set := req.Header["Authorization"]; !set {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	resp, err := w.Transport().RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: body}
	json.Unmarshal(body, &a.obj)
	return a
}

func (w *world) request(method, path, contentType, body string) *http.Request {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// call makes a call under /gmail/v1/users/me; body is JSON, "" for none.
func (w *world) call(method, path, body string) answer {
	w.t.Helper()
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	return w.do(w.request(method, "/gmail/v1/users/me"+path, contentType, body))
}

// ok is a call that has to succeed.
func (w *world) ok(method, path, body string) answer {
	w.t.Helper()
	a := w.call(method, path, body)
	if a.status/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// refused is a call that has to fail with this status, reason and a message that
// holds the text.
func (w *world) refused(method, path, body string, status int, reason, text string) answer {
	w.t.Helper()
	a := w.call(method, path, body)
	a.wantError(w.t, status, reason, text)
	return a
}

func (a answer) wantError(t testing.TB, status int, reason, text string) {
	t.Helper()
	if got := a.str("error.errors.0.reason"); a.status != status || got != reason || !strings.Contains(a.str("error.message"), text) {
		t.Errorf("got %d %s %q, want %d %s %q", a.status, got, a.str("error.message"), status, reason, text)
	}
}

// at reads a member by a path such as "payload.headers.0.name".
func (a answer) at(path string) any {
	var v any = a.obj
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case object:
			v = x[step]
		case []any:
			i := int(step[0] - '0')
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) str(path string) string {
	s, _ := a.at(path).(string)
	return s
}

func (a answer) list(path string) []any {
	l, _ := a.at(path).([]any)
	return l
}

// ids returns the id of every element of a list.
func (a answer) ids(path string) []string {
	var out []string
	for _, v := range a.list(path) {
		id, _ := v.(object)["id"].(string)
		out = append(out, id)
	}
	return out
}

// labels returns labelIds, joined.
func (a answer) labels() string {
	var out []string
	for _, v := range a.list("labelIds") {
		s, _ := v.(string)
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// message is a short text message with these fields.
func message(fields ...string) string {
	return strings.Join(fields, "\r\n") + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello.\r\n"
}

func encode(raw string) string { return base64.URLEncoding.EncodeToString([]byte(raw)) }

func decode(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func body(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func sendBody(raw, thread string) string {
	in := object{"raw": encode(raw)}
	if thread != "" {
		in["threadId"] = thread
	}
	return body(in)
}

// send sends a message with these fields.
func (w *world) send(fields ...string) answer {
	w.t.Helper()
	return w.ok("POST", "/messages/send", sendBody(message(fields...), ""))
}

// header reads one header field of a message.
func (w *world) header(id, name string) string {
	w.t.Helper()
	return w.ok("GET", "/messages/"+id+"?format=metadata&metadataHeaders="+url.QueryEscape(name), "").str("payload.headers.0.value")
}

// inbox returns the ids in the inbox of a user, newest first.
func (w *world) inbox(user string) []string {
	w.t.Helper()
	var ids []string
	for _, m := range w.Messages(user) {
		if m.Has("INBOX") {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// raw returns the bytes of a message.
func (w *world) raw(user, id string) string {
	w.t.Helper()
	for _, m := range w.Messages(user) {
		if m.ID == id {
			return string(m.Raw)
		}
	}
	w.t.Fatalf("no message %s", id)
	return ""
}

// find returns a message as Go sees it.
func (w *world) find(user, id string) gmailtest.Message {
	w.t.Helper()
	for _, m := range w.Messages(user) {
		if m.ID == id {
			return m
		}
	}
	w.t.Fatalf("no message %s", id)
	return gmailtest.Message{}
}

// deliver files mail from outside in ann's inbox.
func (w *world) deliver(fields ...string) string {
	w.t.Helper()
	id, err := w.Deliver(ann, []byte(message(fields...)))
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}
