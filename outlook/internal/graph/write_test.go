package graph

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// recorded is a client whose requests are written down and answered by a
// message.
func recorded(t *testing.T, user string) (*Client, *[]*http.Request, *[]string) {
	t.Helper()
	var requests []*http.Request
	var bodies []string
	c := &Client{
		Base: "https://graph.example/v1.0", User: user,
		Gate: &gate.Gate{
			Origins: []string{"https://graph.example"},
			Refusal: func(gate.Answer) *mailbox.Error { return &mailbox.Error{} },
			Session: mailbox.Session{Tokens: anyToken{}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				body := ""
				if r.Body != nil {
					b, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					body = string(b)
				}
				requests, bodies = append(requests, r), append(bodies, body)
				return &http.Response{StatusCode: 201, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"id":"new"}`)), Request: r}, nil
			})},
		},
	}
	return c, &requests, &bodies
}

type anyToken struct{}

func (anyToken) Token(ctx context.Context, _ mailbox.TokenRequest) (mailbox.AccessToken, error) {
	return "token", ctx.Err()
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestsOfEveryCall(t *testing.T) {
	t.Parallel()
	const id = "AAk-_=+/ é" // what a path has to escape
	draft := Draft{
		From: mailbox.Address{Name: "A", Address: "a@x.example"}, To: []mailbox.Address{{Address: "b@x.example"}},
		ReplyTo: []mailbox.Address{{Address: "r@x.example"}}, Subject: "S", HTML: "<p>", Text: "unused", RFCMessageID: "i@x.example",
		Header: mailbox.Header{{Name: "X-A", Value: "1"}}, Properties: []Property{{"String 0x1042", "<p@x.example>"}},
	}
	for _, user := range []string{"", "shared box@x.example"} {
		root := "/v1.0/me"
		if user != "" {
			root = "/v1.0/users/shared%20box@x.example"
		}
		c, requests, bodies := recorded(t, user)
		message := root + "/messages/AAk-_%3D%2B%2F%20%C3%A9"
		calls := []struct {
			do   func() error
			want string
			body string
		}{
			{func() error { _, err := c.CreateDraft(t.Context(), draft); return err }, "POST " + root + "/messages", `{"@odata.type":"#microsoft.graph.message","bccRecipients":[],"body":{"content":"<p>","contentType":"html"},"ccRecipients":[],"from":{"emailAddress":{"address":"a@x.example","name":"A"}},"internetMessageHeaders":[{"name":"X-A","value":"1"}],"internetMessageId":"<i@x.example>","replyTo":[{"emailAddress":{"address":"r@x.example"}}],"singleValueExtendedProperties":[{"id":"String 0x1042","value":"<p@x.example>"}],"subject":"S","toRecipients":[{"emailAddress":{"address":"b@x.example"}}]}`},
			{func() error { _, err := c.CreateDraftMIME(t.Context(), []byte("x")); return err }, "POST " + root + "/messages", "eA=="},
			{func() error { return c.SendMIME(t.Context(), []byte("x")) }, "POST " + root + "/sendMail", "eA=="},
			{func() error { _, err := c.CreateReply(t.Context(), id, "i@x.example", nil); return err }, "POST " + message + "/createReply", `{"Message":{"@odata.type":"#microsoft.graph.message","internetMessageId":"<i@x.example>"}}`},
			{func() error {
				_, err := c.UpdateDraft(t.Context(), id, Draft{Text: "t", Header: draft.Header})
				return err
			}, "PATCH " + message, `{"@odata.type":"#microsoft.graph.message","bccRecipients":[],"body":{"content":"t","contentType":"text"},"ccRecipients":[],"subject":"","toRecipients":[]}`},
			{func() error { return c.Send(t.Context(), id) }, "POST " + message + "/send", ""},
			{func() error { return c.Delete(t.Context(), id) }, "DELETE " + message, ""},
			{func() error { return c.Move(t.Context(), id, "deleteditems") }, "POST " + message + "/move", `{"DestinationId":"deleteditems"}`},
			{func() error {
				return c.Attach(t.Context(), id, mailbox.File{Name: "f", ContentType: "text/plain", ContentID: "c", Inline: true})
			}, "POST " + message + "/attachments", `{"@odata.type":"#microsoft.graph.fileAttachment","contentBytes":"","contentId":"c","contentType":"text/plain","isInline":true,"name":"f"}`},
			{func() error { _, err := c.Me(t.Context()); return err }, "GET " + root + "?%24select=id,displayName,mail,userPrincipalName,proxyAddresses", ""},
			{func() error { return c.Inbox(t.Context()) }, "GET " + root + "/mailFolders/inbox?$select=id", ""},
			{func() error { _, err := c.Raw(t.Context(), "id", 100); return err }, "GET " + root + "/messages/id/$value", ""},
			{func() error {
				_, err := c.List(t.Context(), "inbox", ListOptions{Select: []string{"id", "subject"}, Filter: "internetMessageId eq '<a+b@x.example>'", OrderBy: "receivedDateTime desc", Size: 3})
				return err
			}, "GET " + root + "/mailFolders/inbox/messages?$select=id%2Csubject&$filter=internetMessageId%20eq%20%27%3Ca%2Bb%40x.example%3E%27&$orderby=receivedDateTime%20desc&$top=3", ""},
		}
		for _, call := range calls {
			*requests, *bodies = nil, nil
			if err := call.do(); err != nil {
				t.Errorf("%s: %v", call.want, err)
				continue
			}
			r, body := (*requests)[0], (*bodies)[0]
			if got := r.Method + " " + strings.Replace(r.URL.RequestURI(), "box%40x", "box@x", 1); got != call.want {
				t.Errorf("got  %s\nwant %s", got, call.want)
			}
			if strings.HasPrefix(call.body, "{") {
				if diff := cmp.Diff(decode(t, call.body), decode(t, body)); diff != "" {
					t.Errorf("%s: body (-want +got):\n%s", call.want, diff)
				}
			} else if body != call.body {
				t.Errorf("%s: body %q, want %q", call.want, body, call.body)
			}
			wantType := map[bool]string{true: "application/json", false: ""}[strings.HasPrefix(call.body, "{")]
			if call.body == "eA==" {
				wantType = "text/plain"
			}
			if got := r.Header.Get("Content-Type"); got != wantType {
				t.Errorf("%s: Content-Type %q, want %q", call.want, got, wantType)
			}
			if r.Header.Get("Prefer") != `IdType="ImmutableId"` || r.Header.Get("Content-Encoding") != "" || r.Header.Get("Authorization") != "Bearer token" {
				t.Errorf("%s: header %v", call.want, r.Header)
			}
		}
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// The SDK's JSON writer has to be right about any text.
func TestAnyTextIsWrittenAsJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"\"\\/", "\x00\x01\x1f\x7f", "\r\n\t", "é🎉\u2028\u2029", "<script>&", strings.Repeat("x", 100_000)} {
		c, _, bodies := recorded(t, "")
		d := Draft{Subject: s, HTML: s, To: []mailbox.Address{{Name: s, Address: s}}, Header: mailbox.Header{{Name: "X-A", Value: s}}}
		if _, err := c.CreateDraft(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		m, err := ParseMessage((*bodies)[0])
		if err != nil || !json.Valid([]byte((*bodies)[0])) {
			t.Fatalf("%.40q: %v", s, err)
		}
		if m.Subject != s || m.Body != s || m.To[0].Name != s || m.Header[0].Value != s {
			t.Errorf("%.40q became %.40q", s, m.Subject)
		}
	}
}
