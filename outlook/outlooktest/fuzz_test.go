package outlooktest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// A fake answers everything: with an error of the API's shape, never with a
// panic and never with a fault of its own.
func answered(t *testing.T, r reply) {
	t.Helper()
	if r.status == 500 || r.status >= 400 && r.status != 401 && r.code() == "" {
		t.Fatalf("%d %s", r.status, r.body)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"receivedDateTime ge 2026-11-20T13:00:00Z and not (isRead eq true or subject eq 'it''s')", "((((", "not not not isRead eq true",
		"singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1042' and contains(ep/value,'x'))", "contains(subject,'",
		"singleValueExtendedProperties/any(:", "singleValueExtendedProperties/any(a:a/id",
	} {
		f.Add(s, "receivedDateTime desc")
	}
	s := start(f, outlooktest.Options{MaxRequests: -1})
	deliver(f, s, eml("Hi"))
	f.Fuzz(func(t *testing.T, filter, order string) {
		s.ClearLog()
		c := as(t, s, anna)
		q := url.Values{"$filter": {filter}, "$orderby": {order}, "$expand": {"singleValueExtendedProperties($filter=" + filter + ")"}}
		answered(t, c.get("/me/messages?"+q.Encode()))
	})
}

func FuzzDeliver(f *testing.F) {
	f.Add(eml("Hi", "References: <a@b> <c@d>"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b--"))
	f.Add([]byte("Subject: =?x-nonsense?b?////?=\r\nThread-Index: AQ==\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%"))
	f.Add([]byte("\r\n"))
	f.Add([]byte(""))
	f.Add([]byte(":\n:\n \n\n\x00\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := start(t, outlooktest.Options{})
		id := deliver(t, s, raw)
		c := as(t, s, anna).immutable()
		path := "/me/messages/" + id
		r := c.get(path+"?$expand=attachments,singleValueExtendedProperties($filter=id%20eq%20'String%200x7D')").ok(t, 200)
		if !json.Valid(r.body) {
			t.Fatalf("%s", r.body)
		}
		c.get(path+"?$select=internetMessageHeaders,uniqueBody").ok(t, 200)
		if v := c.get(path+"/$value").ok(t, 200); string(v.body) != string(raw) {
			t.Fatal("the message changed")
		}
		answered(t, c.post(path+"/createReplyAll", object{"comment": "x"}))
		answered(t, c.get("/me/mailFolders/inbox/messages/delta"))
	})
}

func FuzzDraftMIME(f *testing.F) {
	f.Add([]byte("To: "+bert+"\r\nBcc: x@y.example\r\n\r\nx"), true)
	f.Add([]byte("To: "+bert+"\n\tMessage-ID: <a>\n\n"), false)
	f.Fuzz(func(t *testing.T, raw []byte, patch bool) {
		s := start(t, outlooktest.Options{RewriteWorkIDs: true})
		c := as(t, s, anna).immutable()
		r := c.post("/me/messages", mimeBody(base64.StdEncoding.EncodeToString(raw)))
		answered(t, r)
		if r.status != 201 {
			return
		}
		if patch {
			answered(t, c.do("PATCH", "/me/messages/"+r.str("id"), object{"subject": "s", "toRecipients": to(bert)}))
		}
		answered(t, c.post("/me/messages/"+r.str("id")+"/send", nil))
		for _, user := range []string{anna, bert} {
			for _, m := range s.Messages(user) {
				as(t, s, user).get("/me/messages/"+m.ID).ok(t, 200)
			}
		}
	})
}

func FuzzDeltaToken(f *testing.F) {
	s := start(f, outlooktest.Options{MaxRequests: -1})
	deliver(f, s, eml("Hi"))
	r := as(f, s, anna).get(inboxDelta)
	u, err := url.Parse(r.str("@odata.deltaLink"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(u.Query().Get("$deltatoken"), "$deltatoken")
	f.Add("latest", "$skiptoken")
	f.Add("fHx8", "$deltatoken")
	f.Fuzz(func(t *testing.T, token, kind string) {
		s.ClearLog()
		q := url.Values{kind: {token}}
		answered(t, as(t, s, anna).get(inboxDelta+"?"+q.Encode()))
	})
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"requests":[{"id":"1","method":"GET","url":"/me/messages?$top=1"},{"id":"2","method":"POST","url":"me/sendMail","body":{},"headers":{"Content-Type":"application/json"},"dependsOn":["1"]}]}`))
	f.Add([]byte(`{"requests":[{"id":"1","method":"GET","url":"/$batch"}]}`))
	f.Add([]byte(`{"requests":[{"id":"1","method":" ","url":"%zz"}]}`))
	f.Add([]byte(`{"requests":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := start(t, outlooktest.Options{})
		answered(t, as(t, s, anna).with("Content-Type", "application/json").post("/$batch", body))
	})
}

func FuzzDraftJSON(f *testing.F) {
	f.Add([]byte(`{"subject":null,"body":{"contentType":"HTML","content":null},"toRecipients":[{"emailAddress":null},{}],"attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","name":"x"}],"singleValueExtendedProperties":[{"id":"","value":""}],"flag":null}`))
	f.Add([]byte(`{"from":{"emailAddress":{"address":"` + anna + `"}},"toRecipients":[{"emailAddress":{"address":"` + bert + `"}}],"internetMessageId":"<a@b>"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := start(t, outlooktest.Options{})
		c := as(t, s, anna).with("Content-Type", "application/json")
		r := c.post("/me/messages", body)
		answered(t, r)
		if r.status == 201 {
			answered(t, c.post("/me/messages/"+r.str("id")+"/send", nil))
		}
		answered(t, c.post("/me/sendMail", body))
	})
}

func FuzzUserFilter(f *testing.F) {
	for _, s := range []string{
		"startswith(displayName,'a') or mail eq 'it''s'", "startswith(", "mail eq", "mail eq 'x' or", "'' eq ''", "startswith(mail)'x'",
	} {
		f.Add(s, "5", "0")
	}
	s := start(f, outlooktest.Options{MaxRequests: -1})
	f.Fuzz(func(t *testing.T, filter, top, skip string) {
		s.ClearLog()
		q := url.Values{"$filter": {filter}, "$top": {top}, "$skiptoken": {skip}}
		answered(t, as(t, s, anna, "User.ReadBasic.All").get("/users?"+q.Encode()))
	})
}
