package outlook

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

func FuzzCursor(f *testing.F) {
	var known memory
	for _, id := range []string{"a", "b", "a"} {
		known = known.add(id)
	}
	good := cursor{Version: 1, Turn: 1, Known: known, Folders: []folderChain{
		{mailbox.FolderInbox, "https://graph.microsoft.com/v1.0/me/mailFolders('x')/messages/delta?$deltatoken=y"},
		{mailbox.FolderSent, "https://graph.microsoft.com/v1.0/me/mailFolders('z')/messages/delta?$skiptoken=y"},
	}}
	f.Add(string(good.encode()))
	f.Add(`{"v":1,"folders":[{"folder":"inbox","link":"https://h/"}],"turn":0,"known":"////"}`)
	f.Add(`{"v":2}`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(mailbox.Cursor(s))
		if err != nil {
			if class := mailbox.ClassOf(err); class != mailbox.ClassInvalid && class != mailbox.ClassCursorLost {
				t.Fatalf("class %v", class)
			}
			return
		}
		if len(c.Known) > maxMemory || len(c.Known)%hashSize != 0 || c.Turn >= len(c.Folders) {
			t.Fatalf("%+v", c)
		}
		again, err := parseCursor(c.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.encode(), again.encode()); diff != "" {
			t.Errorf("second reading (-want +got):\n%s", diff)
		}
		if known := c.Known.add("id"); !known.has("id") || len(known) > maxMemory {
			t.Errorf("%d bytes, known %t", len(known), known.has("id"))
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(429, `{"error":{"code":"ApplicationThrottled","message":"x","details":[{"code":"y"}],"innerError":{"request-id":"z","innererror":{"code":"w"}}}}`, "30", `Bearer error="insufficient_claims", claims="e30="`)
	f.Add(502, "<html>", "Wed, 21 Oct 2026 07:28:00 GMT", "")
	f.Add(404, `{"error":{"code":null,"innerError":7}}`, "-1", `claims="`)
	p, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body, retryAfter, challenge string) {
		for _, method := range []string{graph.MethodSend, graph.MethodSendMail, "graph.messages.list"} {
			e := p.refusal(gate.Answer{
				Call: mailbox.Call{Method: method}, Status: status, Body: []byte(body),
				Header: http.Header{"Retry-After": {retryAfter}, "Www-Authenticate": {challenge}},
			})
			if e == nil || e.RetryAfter < 0 || e.RetryAfter > mailbox.MaxRetryAfter || e.Outcome == mailbox.OutcomeSent {
				t.Fatalf("%+v", e)
			}
			// Codes are all that is printed, and a code has no room for anything else.
			if s := e.Error() + e.Err.Error(); strings.ContainsAny(e.Code, "@<> \r\n\"") || strings.Contains(s, "\n") {
				t.Fatalf("text %q", s)
			}
		}
	})
}

func FuzzOAuthError(f *testing.F) {
	f.Add(400, `{"error":"invalid_grant","error_codes":[50076],"suberror":"basic_action","claims":"{}","error_description":"AADSTS50076: x"}`)
	f.Add(0, "error=access_denied&error_description=AADSTS65004%3a+declined")
	f.Add(503, "<html>")
	f.Add(400, `{"error_codes":[1e400,-5,99999999999999999999]}`)
	p, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := p.OAuthError(status, http.Header{}, []byte(body))
		if status >= 500 && e.Class != mailbox.ClassUnavailable {
			t.Errorf("%d is %v", status, e.Class)
		}
		if strings.ContainsAny(e.Code, "@<> \r\n\"") || strings.Contains(e.Error()+e.Err.Error(), "\n") {
			t.Errorf("code %q, text %q", e.Code, e.Error())
		}
	})
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var k memory
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = strings.Repeat("x", i+1)
		k = k.add(ids[i])
	}
	for i, id := range ids {
		if k.has(id) != (i >= len(ids)-maxMemory/hashSize) {
			t.Errorf("has(%d) is %t", i, k.has(id))
		}
	}
	b, err := json.Marshal(k)
	var back memory
	if err != nil || json.Unmarshal(b, &back) != nil || string(back) != string(k) {
		t.Errorf("%v: %d bytes became %d", err, len(k), len(back))
	}
}

func FuzzIDToken(f *testing.F) {
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	f.Add(`{"iss":"https://login.microsoftonline.com/`+tenant+`/v2.0","tid":"`+tenant+`","oid":"o","email":"a@x.example","name":"A"}`, tenant)
	f.Add(`{"iss":"https://login.microsoftonline.com/x/../y/v2.0","tid":"x/../y","oid":"o"}`, "x.example")
	f.Add(`[`, "../common")
	p, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, claims, directory string) {
		id, err := p.IDToken([]byte(claims))
		if err == nil && (!isGUID(id.Directory) || !strings.Contains(claims, "/v2.0")) {
			t.Errorf("%q gives %+v", claims, id)
		}
		if err != nil && mailbox.ClassOf(err) != mailbox.ClassBadCallback {
			t.Errorf("%v", err)
		}
		// A directory is one segment of the path or nothing.
		o := p.OAuthAt(directory)
		rest, ok := strings.CutPrefix(o.TokenURL, "https://login.microsoftonline.com/")
		segment, path, _ := strings.Cut(rest, "/")
		if !ok || path != "oauth2/v2.0/token" || strings.Trim(segment, ".") == "" || strings.ContainsAny(segment, "%?#\\@:") {
			t.Errorf("%q leads to %s", directory, o.TokenURL)
		}
	})
}
