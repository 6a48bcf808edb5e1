package conformance_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/conformance"
	"github.com/mailtether/mailtether/internal/fakeserver"
)

func loadGraph(t testing.TB) *conformance.Graph {
	t.Helper()
	raw, err := os.ReadFile("testdata/graph-mail.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	g, err := conformance.LoadGraph(raw)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// exchange makes one with JSON bodies.
func exchange(method, target, request string, status int, response string) fakeserver.Exchange {
	x := fakeserver.Exchange{
		Method: method, URL: "https://graph.fake/v1.0" + target, RequestHeader: http.Header{},
		RequestBody: []byte(request), Status: status, ResponseHeader: http.Header{}, ResponseBody: []byte(response),
	}
	if request != "" {
		x.RequestHeader.Set("Content-Type", "application/json")
	}
	if response != "" {
		x.ResponseHeader.Set("Content-Type", "application/json; charset=utf-8")
	}
	return x
}

func TestGraphCheck(t *testing.T) {
	t.Parallel()
	g := loadGraph(t)
	const folder = "/me/mailFolders/inbox/messages"
	for _, tt := range []struct {
		name    string
		x       fakeserver.Exchange
		problem string // what a problem says; empty means none
	}{
		{"list", exchange("GET", "/me/messages?$top=10&$select=id,subject&$orderby=receivedDateTime%20desc", "", 200, `{"@odata.context":"x","value":[{"id":"1","@odata.etag":"e","subject":null}],"@odata.nextLink":"https://x"}`), ""},
		{"nulls and case", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","from":null,"importance":"Normal","body":{"contentType":"HTML","content":null}}`), ""},
		{"delta", exchange("GET", folder+"/delta?$deltatoken=x", "", 200, `{"value":[{"id":"1","@removed":{"reason":"deleted"}}],"@odata.deltaLink":"https://x"}`), ""},
		{"delta, key in parentheses", exchange("GET", "/me/mailFolders('a%3D')/messages/delta?$skiptoken=x", "", 200, `{"value":[]}`), ""},
		{"delta()", exchange("GET", folder+"/delta()", "", 200, `{"value":[]}`), ""},
		{"expand with options", exchange("GET", "/me/messages/1?$expand=attachments($select=id,name),singleValueExtendedProperties($filter=id%20eq%20'x')", "", 200, `{"id":"1"}`), ""},
		{"create", exchange("POST", "/me/messages", `{"subject":"x","attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","name":"a","contentBytes":"eA=="}]}`, 201, `{"id":"1"}`), ""},
		{"send", exchange("POST", "/me/messages/1/send", "", 202, ""), ""},
		{"error", exchange("GET", "/me/messages/1", "", 404, `{"error":{"code":"ErrorItemNotFound","message":"m","innerError":{"date":"d","request-id":"r","client-request-id":"c"}}}`), ""},
		{"shared", exchange("GET", "/users/a@b.example/messages", "", 200, `{"value":[]}`), ""},
		{"count", func() fakeserver.Exchange {
			x := exchange("GET", "/me/messages/$count", "", 200, "25")
			x.ResponseHeader.Set("Content-Type", "text/plain")
			return x
		}(), ""},

		{"unknown path", exchange("GET", "/me/letters", "", 200, `{}`), "no such operation"},
		{"unknown method", exchange("PUT", "/me/messages/1", `{}`, 200, `{}`), "no such operation"},
		{"unknown option", exchange("GET", "/me/messages?$fancy=1", "", 200, `{"value":[]}`), "$fancy is not in the description"},
		{"option twice", exchange("GET", "/me/messages?$top=1&$top=2", "", 200, `{"value":[]}`), "given twice"},
		{"unknown property selected", exchange("GET", "/me/messages?$select=id,nonsense", "", 200, `{"value":[]}`), "$select"},
		{"wrong order", exchange("GET", "/me/messages?$orderby=receivedDateTime%20down", "", 200, `{"value":[]}`), "$orderby"},
		{"wrong top", exchange("GET", "/me/messages?$top=x", "", 200, `{"value":[]}`), "$top"},
		{"delta with expand", exchange("GET", folder+"/delta?$expand=attachments", "", 200, `{"value":[]}`), "$expand is not in the description"},
		{"unknown property sent", exchange("POST", "/me/messages", `{"subjekt":"x"}`, 201, `{"id":"1"}`), "subjekt"},
		{"wrong type sent", exchange("PATCH", "/me/messages/1", `{"isRead":"yes"}`, 200, `{"id":"1"}`), "isRead"},
		{"wrong enum sent", exchange("POST", "/me/messages", `{"importance":"urgent"}`, 201, `{"id":"1"}`), "importance"},
		{"body missing", exchange("POST", "/me/messages", "", 201, `{"id":"1"}`), "required"},
		{"wrong content type", func() fakeserver.Exchange {
			x := exchange("POST", "/me/messages", "<x/>", 201, `{"id":"1"}`)
			x.RequestHeader.Set("Content-Type", "application/xml")
			return x
		}(), "request"},
		{"unknown property answered", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","colour":"red"}`), "colour"},
		{"nested", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","from":{"emailAddress":{"mail":"x"}}}`), "mail"},
		{"wrong type answered", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","isRead":"no"}`), "isRead"},
		{"wrong date", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","receivedDateTime":"yesterday"}`), "receivedDateTime"},
		{"wrong enum answered", exchange("GET", "/me/messages/1", "", 200, `{"id":"1","importance":"urgent"}`), "importance"},
		{"error without code", exchange("GET", "/me/messages/1", "", 404, `{"error":{"message":"m"}}`), "code"},
		{"error without error", exchange("GET", "/me/messages/1", "", 404, `{}`), "error"},
		{"no JSON", exchange("GET", "/me/messages/1", "", 200, `{"id":`), "answer"},
		{"body where none belongs", exchange("POST", "/me/sendMail", `{"message":{}}`, 202, `{}`), "no body"},
		{"answer in another type", func() fakeserver.Exchange {
			x := exchange("GET", "/me/messages/1", "", 200, `{"id":"1"}`)
			x.ResponseHeader.Set("Content-Type", "text/html")
			return x
		}(), "Content-Type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(g.Check(tt.x, true).Problems, "\n")
			if tt.problem == "" && got != "" || !strings.Contains(got, tt.problem) {
				t.Errorf("got %q, want %q", got, tt.problem)
			}
		})
	}
}

// A refused request is no fault of a fake's own test; an answer that nobody
// received, or that was made up, is not the fake's.
func TestGraphCheckExceptions(t *testing.T) {
	t.Parallel()
	g := loadGraph(t)
	refused := exchange("GET", "/me/messages?$fancy=1", "", 400, `{"error":{"code":"BadRequest","message":""}}`)
	if got := g.Check(refused, false).Problems; len(got) != 0 {
		t.Error(got)
	}
	if got := g.Check(refused, true).Problems; len(got) != 1 {
		t.Error(got)
	}
	for _, mark := range []func(*fakeserver.Exchange){
		func(x *fakeserver.Exchange) { x.Scripted = true },
		func(x *fakeserver.Exchange) { x.Lost = true },
	} {
		x := exchange("GET", "/me/messages/1", "", 502, "<html>")
		mark(&x)
		if got := g.Check(x, true).Problems; len(got) != 0 {
			t.Error(got)
		}
		x = exchange("GET", "/me/letters", "", 502, "<html>")
		mark(&x)
		if got := g.Check(x, true).Problems; len(got) == 0 {
			t.Error("the request was not checked")
		}
	}
	if r := g.Check(exchange("GET", "/me?$select=id", "", 200, `{}`), true); r.Outside == "" || len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestGraphCheckUnzips(t *testing.T) {
	t.Parallel()
	g := loadGraph(t)
	zip := func(s string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.Bytes()
	}
	for body, bad := range map[string]bool{`{"subject":"x"}`: false, `{"subjekt":"x"}`: true} {
		x := exchange("POST", "/me/messages", body, 201, `{"id":"1"}`)
		x.RequestHeader.Set("Content-Encoding", "gzip")
		x.RequestBody = zip(body)
		if got := g.Check(x, true).Problems; (len(got) > 0) != bad {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestBatchCheck(t *testing.T) {
	t.Parallel()
	g := loadGraph(t)
	const good = `{"requests":[{"id":"1","method":"GET","url":"/me"},{"id":"b","method":"PATCH","url":"/me/messages/1","headers":{"content-type":"application/json"},"body":{}}]}`
	const answers = `{"responses":[{"id":"B","status":200},{"id":"1","status":404}]}`
	for _, tt := range []struct {
		name, request, response, problem string
	}{
		{"good", good, answers, ""},
		{"none", `{"requests":[]}`, `{"responses":[]}`, "0 parts"},
		{"twice", `{"requests":[{"id":"a","method":"GET","url":"/me"},{"id":"A","method":"GET","url":"/me"}]}`, `{"responses":[{"id":"a","status":200}]}`, "used twice"},
		{"absolute", `{"requests":[{"id":"a","method":"GET","url":"https://x/me"}]}`, `{"responses":[{"id":"a","status":200}]}`, "relative"},
		{"with version", `{"requests":[{"id":"a","method":"GET","url":"/v1.0/me"}]}`, `{"responses":[{"id":"a","status":200}]}`, "relative"},
		{"no content type", `{"requests":[{"id":"a","method":"PATCH","url":"/me","body":{}}]}`, `{"responses":[{"id":"a","status":200}]}`, "Content-Type"},
		{"lost part", good, `{"responses":[{"id":"1","status":404}]}`, "not answered"},
		{"unknown part", good, `{"responses":[{"id":"1","status":404},{"id":"b","status":200},{"id":"c","status":200}]}`, "not asked for"},
		{"no status", good, `{"responses":[{"id":"1","status":404},{"id":"b"}]}`, "status 0"},
	} {
		got := strings.Join(g.Check(exchange("POST", "/$batch", tt.request, 200, tt.response), true).Problems, "\n")
		if tt.problem == "" && got != "" || !strings.Contains(got, tt.problem) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.problem)
		}
	}
}
