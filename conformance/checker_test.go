package conformance_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/conformance"
	"github.com/mailtether/mailtether/internal/fakeserver"
)

func TestCheckerSorts(t *testing.T) {
	t.Parallel()
	c := checker(t)
	gmail := func(method, path, answer string) fakeserver.Exchange {
		return fakeserver.Exchange{
			Method: method, URL: "https://gmail.fake" + path, RequestHeader: http.Header{}, Status: 200,
			ResponseHeader: http.Header{"Content-Type": {"application/json"}}, ResponseBody: []byte(answer),
		}
	}
	scripted := func(x fakeserver.Exchange) fakeserver.Exchange {
		x.Scripted = true
		return x
	}
	unmodelled := exchange("POST", "/me/messages/1/copy", "{}", 501, "nothing")
	for _, tt := range []struct {
		name             string
		file             string
		x                fakeserver.Exchange
		outside, problem string
	}{
		{"Graph", "outlook.test-1", exchange("GET", "/me/messages", "", 200, `{"value":[]}`), "", ""},
		{"Graph, wrong", "outlook.test-1", exchange("GET", "/me/messages", "", 200, `{"value":{}}`), "", "answer"},
		{"Gmail", "gmail.test-1", gmail("GET", "/gmail/v1/users/me/messages/1", `{"id":"1"}`), "", ""},
		{"Gmail, wrong answer", "gmail.test-1", gmail("GET", "/gmail/v1/users/me/messages/1", `{"identity":"1"}`), "", "identity"},
		{"Gmail, wrong request", "gmail.test-1", gmail("GET", "/gmail/v1/users/me/messages?fancy=1", `{}`), "", "fancy"},
		{"Gmail, made up", "gmail.test-1", scripted(gmail("GET", "/gmail/v1/users/me/messages/1", `{"identity":"1"}`)), "", ""},
		{"Gmail, made up answer to a wrong request", "gmail.test-1", scripted(gmail("GET", "/gmail/v1/users/me/messages?fancy=1", `{}`)), "", "fancy"},
		{"OAuth", "connect.test-1", gmail("POST", "/token", `{}`), "OAuth (Google)", ""},
		{"OAuth of Microsoft", "connect.test-1", gmail("POST", "/common/oauth2/v2.0/token", `{}`), "OAuth (Microsoft)", ""},
		{"upload of Graph", "outlook.test-1", gmail("PUT", "/upload/x", `{}`), "opaque", ""},
		{"upload of Gmail", "gmail.test-1", gmail("POST", "/upload/gmail/v1/users/me/messages/send?uploadType=media", `{}`), "", "media"},
		{"nobody's", "gmail.test-1", gmail("GET", "/nothing", `{}`), "", "no description"},
		{"nobody's, by a fake's test", "gmailtest.test-1", gmail("GET", "/nothing", `{}`), "", ""},
		{"not modelled", "outlook.test-1", unmodelled, "not modelled", "does not model"},
		{"not modelled, by a fake's test", "outlooktest.test-1", unmodelled, "not modelled", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := c.Check(conformance.Recorded{File: tt.file, Exchange: tt.x})
			got := strings.Join(r.Problems, "\n")
			if tt.problem == "" && got != "" || !strings.Contains(got, tt.problem) {
				t.Errorf("got %q, want %q", got, tt.problem)
			}
			if tt.outside == "" && r.Outside != "" || !strings.Contains(r.Outside, tt.outside) {
				t.Errorf("outside %q, want %q", r.Outside, tt.outside)
			}
		})
	}
}

func TestTrafficReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line, err := json.Marshal(exchange("GET", "/me/messages", "", 200, `{"value":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("outlook.test-1.jsonl", append(append(line, '\n'), line...))
	write("other.txt", []byte("{"))
	n := 0
	for r, err := range conformance.Traffic(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; r.File != "outlook.test-1.jsonl" || r.Method != "GET" || string(r.ResponseBody) != `{"value":[]}` {
			t.Errorf("%+v", r)
		}
	}
	if n != 2 {
		t.Errorf("%d exchanges", n)
	}
	write("z.jsonl", []byte(`{"Method":`)) // cut off
	var last error
	for _, err := range conformance.Traffic(dir) {
		last = err
	}
	if last == nil {
		t.Error("a damaged recording was read without an error")
	}
}
