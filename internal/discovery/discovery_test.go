package discovery_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/discovery"
)

// gmail is the discovery document that comes with the typed client.
var gmail = sync.OnceValues(func() (*discovery.Document, error) {
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

func document(t testing.TB) *discovery.Document {
	t.Helper()
	d, err := gmail()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	base = "https://gmail.googleapis.com/gmail/v1/users/me"
	up   = "https://gmail.googleapis.com/upload/gmail/v1/users/me"
)

// exchange is a sample: the zero answer is 200 with an empty object.
type exchange struct {
	method, url string
	reqType     string
	req         string
	status      int
	respType    string
	resp        string
}

func (x exchange) check(t testing.TB) []string {
	t.Helper()
	if x.status == 0 {
		x.status = 200
	}
	reqHeader, respHeader := http.Header{}, http.Header{}
	if x.reqType == "" && x.req != "" {
		x.reqType = "application/json"
	}
	reqHeader.Set("Content-Type", x.reqType)
	if x.respType == "" {
		x.respType = "application/json; charset=UTF-8"
	}
	respHeader.Set("Content-Type", x.respType)
	var got []string
	for _, v := range document(t).Check(x.method, x.url, reqHeader, []byte(x.req), x.status, respHeader, []byte(x.resp)) {
		got = append(got, string(v.Side)+" "+v.At)
	}
	slices.Sort(got)
	return got
}

func related(contentType, meta, media string) string {
	return "--b\r\nContent-Type: application/json\r\n\r\n" + meta + "\r\n--b\r\nContent-Type: " + contentType + "\r\n\r\n" + media + "\r\n--b--\r\n"
}

const goodError = `{"error":{"code":404,"message":"Requested entity was not found.",
	"errors":[{"message":"m","domain":"global","reason":"notFound"}],"status":"NOT_FOUND",
	"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"X","metadata":{"a":"b"}}]}}`

var raw = base64.URLEncoding.EncodeToString([]byte("To: a@b\r\n\r\n\xff\xfe"))

func TestGoodExchanges(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]exchange{
		"list":          {method: "GET", url: base + "/messages?labelIds=INBOX&labelIds=UNREAD&maxResults=500&includeSpamTrash=true&q=", resp: `{"messages":[{"id":"1","threadId":"1"}],"resultSizeEstimate":4294967295}`},
		"get":           {method: "GET", url: base + "/messages/1?format=metadata&metadataHeaders=To&metadataHeaders=From&fields=id", resp: `{"historyId":"18446744073709551615","internalDate":"-1","payload":{"headers":[{"name":"a","value":"b"}],"body":{"size":0}}}`},
		"by address":    {method: "GET", url: "https://x/gmail/v1/users/a%40b.example/profile", resp: `{"emailAddress":"a@b.example"}`},
		"send":          {method: "POST", url: base + "/messages/send", req: `{"raw":"` + raw + `","threadId":"1"}`, resp: `{"id":"1","labelIds":["SENT"]}`},
		"send media":    {method: "POST", url: up + "/messages/send?uploadType=media", reqType: "message/rfc822", req: "To: a@b\r\n\r\n", resp: `{}`},
		"send related":  {method: "POST", url: up + "/messages/send?uploadType=multipart", reqType: `multipart/related; boundary="b"`, req: related("message/rfc822", `{"threadId":"1"}`, "x"), resp: `{}`},
		"send resuming": {method: "POST", url: "https://x/resumable/upload/gmail/v1/users/me/messages/send?uploadType=resumable", req: `{}`, resp: `{}`},
		"history":       {method: "GET", url: base + "/history?startHistoryId=12&historyTypes=messageAdded&historyTypes=labelAdded&labelId=INBOX", resp: `{"history":[{"id":"13","messagesAdded":[{"message":{"id":"1"}}]}],"historyId":"14"}`},
		"batchModify":   {method: "POST", url: base + "/messages/batchModify", req: `{"ids":["1"],"removeLabelIds":["UNREAD"]}`, status: 204},
		"draft send":    {method: "POST", url: base + "/drafts/send", req: `{"id":"r1"}`, resp: `{}`},
		"delete":        {method: "DELETE", url: base + "/drafts/r1", status: 204},
		"attachment":    {method: "GET", url: base + "/messages/1/attachments/2", resp: `{"size":1,"data":"_w=="}`},
		"error":         {method: "GET", url: base + "/messages/1", status: 404, resp: goodError},
		"error array":   {method: "GET", url: base + "/messages/1", status: 404, resp: "[" + goodError + "]"},
		"error page":    {method: "GET", url: base + "/messages/1", status: 502, respType: "text/html", resp: "<html>"},
		"verb in path":  {method: "POST", url: base + "/settings/cse/keypairs/k:disable", req: `{}`, resp: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := x.check(t); got != nil {
				t.Errorf("violations: %q", got)
			}
		})
	}
}

func TestBadExchanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		exchange
		want []string
	}{
		"unknown path":          {exchange{method: "GET", url: base + "/nothing"}, []string{"request path"}},
		"wrong verb":            {exchange{method: "PUT", url: base + "/messages/1"}, []string{"request method"}},
		"unknown query":         {exchange{method: "GET", url: base + "/labels?page=1", resp: `{}`}, []string{"request query.page"}},
		"not repeated":          {exchange{method: "GET", url: base + "/messages?q=a&q=b", resp: `{}`}, []string{"request query.q"}},
		"not a number":          {exchange{method: "GET", url: base + "/messages?maxResults=ten", resp: `{}`}, []string{"request query.maxResults"}},
		"negative":              {exchange{method: "GET", url: base + "/messages?maxResults=-1", resp: `{}`}, []string{"request query.maxResults"}},
		"above the maximum":     {exchange{method: "GET", url: base + "/messages?maxResults=501", resp: `{}`}, []string{"request query.maxResults"}},
		"not a boolean":         {exchange{method: "GET", url: base + "/messages?includeSpamTrash=1", resp: `{}`}, []string{"request query.includeSpamTrash"}},
		"enum":                  {exchange{method: "GET", url: base + "/messages/1?format=FULL", resp: `{}`}, []string{"request query.format"}},
		"repeated enum":         {exchange{method: "GET", url: base + "/history?historyTypes=messageAdded,labelAdded", resp: `{}`}, []string{"request query.historyTypes"}},
		"uint64":                {exchange{method: "GET", url: base + "/history?startHistoryId=18446744073709551616", resp: `{}`}, []string{"request query.startHistoryId"}},
		"upload type elsewhere": {exchange{method: "POST", url: base + "/messages/send?uploadType=media", req: `{"raw":"` + raw + `"}`, resp: `{}`}, []string{"request query.uploadType"}},
		"body for get":          {exchange{method: "GET", url: base + "/labels", req: `{}`, resp: `{}`}, []string{"request body"}},
		"no body":               {exchange{method: "POST", url: base + "/messages/send", resp: `{}`}, []string{"request body"}},
		"not JSON":              {exchange{method: "POST", url: base + "/messages/send", req: `{`, resp: `{}`}, []string{"request body"}},
		"two values":            {exchange{method: "POST", url: base + "/messages/send", req: `{"raw":"eA"} {}`, resp: `{}`}, []string{"request body"}},
		"not called JSON":       {exchange{method: "POST", url: base + "/messages/send", reqType: "text/plain", req: `{"raw":"eA"}`, resp: `{}`}, []string{"request header.Content-Type"}},
		"missing member":        {exchange{method: "POST", url: base + "/messages/send", req: `{"threadId":"1"}`, resp: `{}`}, []string{"request body.raw"}},
		"plain base64":          {exchange{method: "POST", url: base + "/messages/send", req: `{"raw":"+/8="}`, resp: `{}`}, []string{"request body.raw"}},
		"unknown member":        {exchange{method: "POST", url: base + "/messages/1/modify", req: `{"labelIds":[]}`, resp: `{}`}, []string{"request body.labelIds"}},
		"null":                  {exchange{method: "POST", url: base + "/messages/1/modify", req: `{"addLabelIds":null}`, resp: `{}`}, []string{"request body.addLabelIds"}},
		"member of a member":    {exchange{method: "POST", url: base + "/drafts", req: `{"message":{"raw":"eA","colour":1}}`, resp: `{}`}, []string{"request body.message.colour"}},
		"media type":            {exchange{method: "POST", url: up + "/messages/send?uploadType=media", reqType: "text/plain", req: "x", resp: `{}`}, []string{"request media"}},
		"media missing":         {exchange{method: "POST", url: up + "/messages/send?uploadType=media", reqType: "message/rfc822", resp: `{}`}, []string{"request media"}},
		"media too large":       {exchange{method: "POST", url: up + "/messages/send?uploadType=media", reqType: "message/rfc822", req: strings.Repeat("x", 36700161), resp: `{}`}, []string{"request media"}},
		"upload without type":   {exchange{method: "POST", url: up + "/messages/send", reqType: "message/rfc822", req: "x", resp: `{}`}, []string{"request query.uploadType"}},
		"related without type":  {exchange{method: "POST", url: up + "/messages/send?uploadType=multipart", reqType: "message/rfc822", req: "x", resp: `{}`}, []string{"request header.Content-Type"}},
		"related, one part":     {exchange{method: "POST", url: up + "/messages/send?uploadType=multipart", reqType: "multipart/related; boundary=b", req: "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--\r\n", resp: `{}`}, []string{"request body"}},
		"related metadata":      {exchange{method: "POST", url: up + "/messages/send?uploadType=multipart", reqType: "multipart/related; boundary=b", req: related("message/rfc822", `{"thread":"1"}`, "x"), resp: `{}`}, []string{"request body.thread"}},

		"answer not JSON":       {exchange{method: "GET", url: base + "/labels", resp: `nope`}, []string{"answer body"}},
		"answer not called so":  {exchange{method: "GET", url: base + "/labels", respType: "text/plain", resp: `{}`}, []string{"answer header.Content-Type"}},
		"answer member":         {exchange{method: "GET", url: base + "/labels", resp: `{"labels":[{"id":"A","colour":"red"}]}`}, []string{"answer body.labels[0].colour"}},
		"answer enum":           {exchange{method: "GET", url: base + "/labels", resp: `{"labels":[{"type":"mine"}]}`}, []string{"answer body.labels[0].type"}},
		"answer number as text": {exchange{method: "GET", url: base + "/profile", resp: `{"messagesTotal":"1"}`}, []string{"answer body.messagesTotal"}},
		"answer text as number": {exchange{method: "GET", url: base + "/profile", resp: `{"historyId":1}`}, []string{"answer body.historyId"}},
		"answer int32":          {exchange{method: "GET", url: base + "/profile", resp: `{"messagesTotal":2147483648}`}, []string{"answer body.messagesTotal"}},
		"answer fraction":       {exchange{method: "GET", url: base + "/profile", resp: `{"messagesTotal":1.5}`}, []string{"answer body.messagesTotal"}},
		"answer null":           {exchange{method: "GET", url: base + "/messages", resp: `{"messages":null}`}, []string{"answer body.messages"}},
		"answer array":          {exchange{method: "GET", url: base + "/messages", resp: `{"messages":{}}`}, []string{"answer body.messages"}},
		"answer bool":           {exchange{method: "GET", url: base + "/settings/sendAs", resp: `{"sendAs":[{"isPrimary":"true"}]}`}, []string{"answer body.sendAs[0].isPrimary"}},
		"answer base64":         {exchange{method: "GET", url: base + "/messages/1", resp: `{"raw":"+/8="}`}, []string{"answer body.raw"}},
		"answer where none is":  {exchange{method: "DELETE", url: base + "/drafts/1", resp: `{}`}, []string{"answer body"}},
		"redirect":              {exchange{method: "GET", url: base + "/labels", status: 302}, []string{"answer status"}},

		"error not JSON":      {exchange{method: "GET", url: base + "/labels", status: 500, resp: `x`}, []string{"answer body"}},
		"error in plain text": {exchange{method: "GET", url: base + "/labels", status: 500, respType: "text/plain", resp: `x`}, []string{"answer header.Content-Type"}},
		"error without error": {exchange{method: "GET", url: base + "/labels", status: 500, resp: `{}`}, []string{"answer body.error"}},
		"error code":          {exchange{method: "GET", url: base + "/labels", status: 500, resp: goodError}, []string{"answer body.error.code"}},
		"error status":        {exchange{method: "GET", url: base + "/labels", status: 404, resp: strings.Replace(goodError, "NOT_FOUND", "GONE", 1)}, []string{"answer body.error.status"}},
		"error item":          {exchange{method: "GET", url: base + "/labels", status: 404, resp: strings.Replace(goodError, `"domain":"global",`, "", 1)}, []string{"answer body.error.errors[0].domain"}},
		"error detail":        {exchange{method: "GET", url: base + "/labels", status: 404, resp: strings.Replace(goodError, `"@type"`, `"type"`, 1)}, []string{"answer body.error.details[0].@type"}},
		"error message":       {exchange{method: "GET", url: base + "/labels", status: 404, resp: strings.Replace(goodError, `"Requested entity was not found."`, `""`, 1)}, []string{"answer body.error.message"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, c.check(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func part(id, content string) string {
	return "--b\r\nContent-Type: application/http\r\nContent-ID: <" + id + ">\r\n\r\n" + content + "\r\n"
}

func ok(id, body string) string {
	return part("response-"+id, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"+body)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	two := part("a", "GET /gmail/v1/users/me/labels\r\n") + part("b", "GET /gmail/v1/users/me/profile?fields=historyId HTTP/1.1\r\n\r\n")
	many := strings.Repeat("--b\r\nContent-Type: application/http\r\n\r\nGET /gmail/v1/users/me/labels\r\n\r\n", 101)
	const badRequest = `{"error":{"code":400,"message":"m"}}`
	for name, c := range map[string]struct {
		url, req, resp string
		status         int
		want           []string
	}{
		"good, any order":   {req: two, resp: ok("b", `{"historyId":"1"}`) + ok("a", `{}`)},
		"long path":         {url: "https://x/batch/gmail/v1", req: two, resp: ok("a", `{}`) + ok("b", `{}`)},
		"a part was lost":   {req: two, resp: ok("a", `{}`)},
		"part is bad":       {req: part("a", "GET /gmail/v1/users/me/messages?maxResults=x\r\n"), resp: ok("a", `{}`), want: []string{"request <a> query.maxResults"}},
		"part answer bad":   {req: two, resp: ok("a", `{"x":1}`) + ok("b", `{}`), want: []string{"answer <a> body.x"}},
		"part error bad":    {req: two, resp: part("response-a", "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{}"), want: []string{"answer <a> body.error"}},
		"id twice":          {req: part("a", "GET /gmail/v1/users/me/labels\r\n") + part("a", "GET /gmail/v1/users/me/labels\r\n"), resp: ok("a", `{}`), want: []string{"request <a>"}},
		"answer twice":      {req: two, resp: ok("a", `{}`) + ok("a", `{}`), want: []string{"answer <response-a>"}},
		"answer to nobody":  {req: two, resp: ok("c", `{}`), want: []string{"answer <response-c>"}},
		"no http":           {req: "--b\r\nContent-Type: text/plain\r\nContent-ID: <a>\r\n\r\nGET /gmail/v1/users/me/labels\r\n\r\n", want: []string{"request <a>"}},
		"absolute":          {req: part("a", "GET https://gmail.googleapis.com/gmail/v1/users/me/labels\r\n"), resp: ok("a", `{}`), want: []string{"request <a>"}},
		"no status line":    {req: two, resp: part("response-a", "200 OK\r\n\r\n{}"), want: []string{"answer <a>"}},
		"too many, refused": {req: many, status: 400, resp: badRequest, want: []string{"request body"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := exchange{method: "POST", url: "https://x/batch", reqType: "multipart/mixed; boundary=b", req: c.req + "--b--\r\n", status: c.status}
			if c.url != "" {
				x.url = c.url
			}
			x.resp = c.resp
			if c.status == 0 {
				x.respType, x.resp = "multipart/mixed; boundary=b", c.resp+"--b--\r\n"
			}
			if diff := cmp.Diff(c.want, x.check(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	d := document(t)
	for url, want := range map[string]bool{
		base + "/labels": true, up + "/anything": true, "https://x/batch": true, "https://x/batch/gmail/v1": true,
		"https://x/token": false, "https://x/batch/drive/v3": false, "https://x/gmail/v2/users": false, "%": false,
	} {
		if got := d.Covers(url); got != want {
			t.Errorf("Covers(%q) = %v", url, got)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"", "{}", `{"resources":{"a":{"methods":{"b":{"id":"b","path":"c","httpMethod":"GET","response":{"$ref":"Nothing"}}}}}}`} {
		if _, err := discovery.Load([]byte(doc)); err == nil {
			t.Errorf("Load(%q) succeeded", doc)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("POST", "https://x/batch", "multipart/mixed; boundary=b", []byte(part("a", "GET /gmail/v1/users/me/labels\r\n")+"--b--"), 200, []byte(ok("a", `{}`)+"--b--"))
	f.Add("POST", up+"/messages/send?uploadType=multipart", "multipart/related; boundary=b", []byte(related("message/rfc822", "{}", "x")), 200, []byte("{}"))
	f.Add("GET", base+"/messages/1?format=raw", "", []byte(nil), 404, []byte(goodError))
	f.Fuzz(func(t *testing.T, method, url, contentType string, req []byte, status int, resp []byte) {
		h := http.Header{"Content-Type": {contentType}}
		for _, respHeader := range []http.Header{h, {"Content-Type": {"application/json"}}} {
			for _, v := range document(t).Check(method, url, h, req, status, respHeader, resp) {
				if v.String() == "" || v.Problem == "" {
					t.Errorf("violation without a text: %#v", v)
				}
			}
		}
	})
}
