package outlooktest_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// Every call with every set of scopes: which are refused.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	owner := as(t, s, anna).immutable()
	draft := owner.post("/me/messages", text("d", "d", bert)).ok(t, 201).str("id")
	const (
		send  = "Mail.Send"
		basic = "Mail.ReadBasic"
		read  = "Mail.Read"
		write = "Mail.ReadWrite"
	)
	all := []string{"User.Read", send, basic, read, write}
	for _, tt := range []struct {
		method, path string
		body         any
		allowed      []string
	}{
		{"GET", "/me", nil, []string{"User.Read"}},
		{"GET", "/me/messages", nil, []string{basic, read, write}},
		{"GET", "/me/messages/" + id, nil, []string{basic, read, write}},
		{"GET", "/me/messages/" + id + "?$select=body", nil, []string{read, write}},
		{"GET", "/me/messages/" + id + "?$select=bodyPreview", nil, []string{read, write}},
		{"GET", "/me/messages/" + id + "?$select=internetMessageHeaders", nil, []string{basic, read, write}},
		{"GET", "/me/messages/" + id + "?$expand=attachments", nil, []string{read, write}},
		{"GET", "/me/messages/" + id + "?$expand=singleValueExtendedProperties($filter=id%20eq%20'String%200x1042')", nil, []string{read, write}},
		{"GET", "/me/messages?$filter=isRead%20eq%20false", nil, []string{basic, read, write}},
		{"GET", "/me/messages?$filter=singleValueExtendedProperties/Any(ep:%20ep/id%20eq%20'String%200x1042'%20and%20ep/value%20eq%20'x')", nil, []string{read, write}},
		{"GET", "/me/messages/" + id + "/$value", nil, []string{read, write}},
		{"GET", "/me/messages/" + id + "/attachments", nil, []string{read, write}},
		{"GET", "/me/mailFolders", nil, []string{basic, read, write}},
		{"GET", "/me/mailFolders/inbox/messages/delta", nil, []string{basic, read, write}},
		{"GET", "/subscriptions", nil, []string{basic, read, write}},
		{"POST", "/me/messages", text("n", "n", bert), []string{write}},
		{"PATCH", "/me/messages/" + id, object{"isRead": true}, []string{write}},
		{"POST", "/me/messages/" + id + "/createReply", object{}, []string{write}},
		{"POST", "/me/messages/" + id + "/reply", object{"comment": "x"}, []string{send}},
		{"POST", "/me/messages/" + draft + "/attachments", fileAttachment("a", "eA=="), []string{write}},
		{"POST", "/me/sendMail", object{"message": text("s", "s", bert)}, []string{send}},
		{"POST", "/me/messages/" + draft + "/send", nil, []string{send}},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			var got []string
			for _, scope := range all {
				r := as(t, s, anna, "offline_access", scope).immutable().do(tt.method, tt.path, tt.body)
				switch {
				case r.status < 300:
					got = append(got, scope)
				case r.status != http.StatusForbidden:
					t.Errorf("with %s: %d %s", scope, r.status, r.body)
				}
			}
			if diff := cmp.Diff(tt.allowed, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadBasicOmitsBodies(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	r := as(t, s, anna, "Mail.ReadBasic").get("/me/messages/"+id).ok(t, 200)
	for _, name := range []string{"body", "bodyPreview", "uniqueBody", "attachments"} {
		if _, ok := r.object[name]; ok {
			t.Errorf("%s is there", name)
		}
	}
	if r.str("subject") != "Hi" || r.str("internetMessageId") == "" {
		t.Errorf("%s", r.body)
	}
}

func TestReadBasicPolicies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options outlooktest.Options
		path    string
		status  int
		have    bool
	}{
		{outlooktest.Options{}, "internetMessageHeaders", 200, true},
		{outlooktest.Options{ReadBasicHeaders: outlooktest.Omit}, "internetMessageHeaders", 200, false},
		{outlooktest.Options{ReadBasicHeaders: outlooktest.Refuse}, "internetMessageHeaders", 403, false},
		{outlooktest.Options{}, "body", 403, false},
		{outlooktest.Options{ReadBasicBody: outlooktest.Omit}, "body", 200, false},
	} {
		s := start(t, tt.options)
		id := deliver(t, s, eml("Hi"))
		r := as(t, s, anna, "Mail.ReadBasic").get("/me/messages/"+id+"?$select="+tt.path).ok(t, tt.status)
		if _, ok := r.object[tt.path]; ok != tt.have {
			t.Errorf("%+v: %s", tt.options, r.body)
		}
	}
}

func TestSharedMailbox(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: "team@contoso.example", SharedWith: []string{anna}})
	if _, err := s.Deliver("team@contoso.example", eml("for the team")); err != nil {
		t.Fatal(err)
	}
	const path = "/users/team@contoso.example/messages"
	as(t, s, anna).get(path).refused(t, 403, "ErrorAccessDenied") // the scope is missing
	as(t, s, bert, "Mail.Read.Shared").get(path).refused(t, 403, "ErrorAccessDenied")
	r := as(t, s, anna, "Mail.Read.Shared").get(path).ok(t, 200)
	if diff := cmp.Diff([]string{"for the team"}, subjects(r.list("value"))); diff != "" {
		t.Error(diff)
	}
	as(t, s, anna).get("/users/"+anna+"/messages").ok(t, 200)
	as(t, s, anna).get("/users/nobody@contoso.example/messages").refused(t, 404, "ErrorInvalidUser")
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: "guest@contoso.example", NoMailbox: true})
	const sel = "/me?$select=id,displayName,mail,userPrincipalName,proxyAddresses"
	work := as(t, s, anna).get(sel).ok(t, 200)
	if diff := cmp.Diff([]any{"SMTP:" + anna, "smtp:a.aalto@contoso.example"}, work.object["proxyAddresses"]); diff != "" {
		t.Error(diff)
	}
	if proxies, _ := as(t, s, carol).get(sel).ok(t, 200).object["proxyAddresses"].([]any); len(proxies) > 0 {
		t.Errorf("personal account: %v", proxies)
	}
	guest := as(t, s, "guest@contoso.example").get(sel).ok(t, 200)
	if v, ok := guest.object["mail"]; !ok || v != nil {
		t.Errorf("mail of an account without mailbox: %v", v)
	}
	if _, ok := as(t, s, anna).get("/me").object["proxyAddresses"]; ok {
		t.Error("proxyAddresses came without $select")
	}
}

func TestNoMailbox(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	s.SetNoMailbox(anna, true)
	for _, path := range []string{"/me/messages", "/me/mailFolders/inbox", "/me/mailFolders/inbox/messages/delta"} {
		c.get(path).refused(t, 404, "MailboxNotEnabledForRESTAPI")
	}
	s.SetNoMailbox(anna, false)
	c.get("/me/messages").ok(t, 200)
}

func TestErrorShape(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	r := as(t, s, anna).with("client-request-id", "c-1").get("/me/messages/x")
	r.refused(t, 400, "ErrorInvalidIdMalformed")
	inner := r.obj("error").obj("innerError")
	if inner.str("client-request-id") != "c-1" || inner.str("request-id") == "" || inner.str("date") == "" || r.obj("error").str("message") == "" {
		t.Errorf("%s", r.body)
	}
	if r.header.Get("request-id") != inner.str("request-id") || r.header.Get("client-request-id") != "c-1" {
		t.Errorf("%v", r.header)
	}
}

func TestNotModelledSaysSo(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	c := as(t, s, anna)
	c.post("/me/messages/"+id+"/createForward", object{}).refused(t, 501, "notImplemented")
	c.do("PUT", "/me/messages/"+id, object{}).refused(t, 405, "Request_BadRequest")
	c.get("/groups").refused(t, 400, "BadRequest")
}

func TestGzipRequests(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(`{"subject":"zipped"}`))
	w.Close()
	c := as(t, s, anna).with("Content-Encoding", "gzip").with("Content-Type", "application/json")
	if got := c.post("/me/messages", z.Bytes()).ok(t, 201).str("subject"); got != "zipped" {
		t.Error(got)
	}
	c.post("/me/messages", []byte("no gzip")).refused(t, 400, "BadRequest")
}

func TestRequestSize(t *testing.T) {
	t.Parallel()
	big := text("big", strings.Repeat("x", 5<<20), bert)
	s := start(t, outlooktest.Options{})
	as(t, s, anna).post("/me/messages", big).refused(t, 413, "RequestEntityTooLarge")
	s = start(t, outlooktest.Options{OversizeStatus: 400})
	as(t, s, anna).post("/me/messages", big).refused(t, 400, "RequestEntityTooLarge")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(bytes.Repeat([]byte("x"), 5<<20))
	w.Close()
	as(t, s, anna).with("Content-Encoding", "gzip").post("/me/messages", z.Bytes()).refused(t, 400, "RequestEntityTooLarge")
}

func TestRequestLimit(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{MaxRequests: 3})
	a, b := as(t, s, anna), as(t, s, bert)
	for range 3 {
		a.get("/me/messages").ok(t, 200)
	}
	r := a.get("/me/messages")
	r.refused(t, 429, "ApplicationThrottled")
	if r.header.Get("Retry-After") != "10" {
		t.Error("no Retry-After")
	}
	b.get("/me/messages").ok(t, 200) // another mailbox is not affected
	s.Advance(11 * time.Minute)
	as(t, s, anna).get("/me/messages").ok(t, 200)

	s = start(t, outlooktest.Options{MaxRequests: 1, RetryAfter: "-"})
	a = as(t, s, anna)
	a.get("/me/messages").ok(t, 200)
	if r := a.get("/me/messages").ok(t, 429); r.header.Get("Retry-After") != "" {
		t.Error("Retry-After was to be left out")
	}
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := outlooktest.New(outlooktest.Options{MaxConcurrent: 4, Latency: time.Second})
		defer s.Close()
		s.AddUser(outlooktest.User{Address: anna})
		s.AddUser(outlooktest.User{Address: bert})
		a, b := as(t, s, anna), as(t, s, bert)
		var wg sync.WaitGroup
		status := make([]int, 7)
		for i := range status {
			c := a
			if i == 6 {
				c = b
			}
			wg.Go(func() { status[i] = c.get("/me/messages").status })
		}
		wg.Wait()
		counts := map[int]int{}
		for _, st := range status[:6] {
			counts[st]++
		}
		if diff := cmp.Diff(map[int]int{200: 4, 429: 2}, counts); diff != "" {
			t.Error(diff)
		}
		if status[6] != 200 {
			t.Error("the limit is one for all mailboxes")
		}
		a.get("/me/messages").ok(t, 200) // places are given back
	})
}

func TestMailboxFull(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{QuotaStatus: 507})
	c := as(t, s, anna)
	s.SetFull(anna, true, false)
	c.post("/me/messages", text("x", "x", bert)).refused(t, 507, "ErrorQuotaExceeded")
	c.get("/me/messages").ok(t, 200)
	as(t, s, bert).post("/me/sendMail", object{"message": text("hi", "x", anna)}).ok(t, 202)
	if got := s.In(bert, "inbox"); len(got) != 1 || !bytes.Contains(got[0].Raw, []byte("5.2.2")) {
		t.Error("mail to a full mailbox did not come back")
	}
	s.SetFull(anna, true, true)
	c.get("/me/messages").refused(t, 507, "ErrorQuotaExceeded")
	s.SetFull(anna, false, false)
	c.post("/me/messages", text("x", "x", bert)).ok(t, 201)
}

func TestFaultsAndLog(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	s.Inject(outlooktest.Fault{Path: "/v1.0/me/sendMail", After: true, Status: 504, Body: "<html>gateway</html>"})
	r := c.post("/me/sendMail", object{"message": text("once", "x", bert)})
	if r.status != 504 || string(r.body) != "<html>gateway</html>" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := s.In(bert, "inbox"); len(got) != 1 {
		t.Errorf("%d messages arrived", len(got))
	}
	log := s.Log()
	if x := log[len(log)-1]; !x.Scripted || x.Method != "POST" || !strings.HasSuffix(x.URL, "/v1.0/me/sendMail") {
		t.Errorf("%+v", x)
	}
}

func TestListens(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	access, _ := s.Tokens(anna)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/v1.0/me/messages?$top=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	deliver(t, s, eml("1"))
	deliver(t, s, eml("2"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	body.ReadFrom(resp.Body)
	if !strings.Contains(body.String(), `"@odata.nextLink":"`+s.URL()+`/v1.0/me/messages?`) {
		t.Errorf("links do not lead to the listening address: %s", body.String())
	}
}
