package outlooktest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestDeliveredMessage(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	raw := eml("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Message-ID: <a@example.net>", "In-Reply-To: <b@example.net>",
		"References: <c@example.net>\r\n <b@example.net>", "Reply-To: Dora <answers@example.net>", "X-Thing: 1", "X-thing: 2")
	id := deliver(t, s, raw)
	r := as(t, s, anna).immutable().get("/me/messages/"+id).ok(t, 200)
	for name, want := range map[string]any{
		"subject": "Grüße", "internetMessageId": "<a@example.net>", "isRead": false, "isDraft": false, "hasAttachments": false,
		"bodyPreview": "Hello", "importance": "normal", "id": id, "sentDateTime": "2026-11-20T10:00:00Z",
	} {
		if r.object[name] != want {
			t.Errorf("%s is %v, want %v", name, r.object[name], want)
		}
	}
	if diff := cmp.Diff(object{"contentType": "text", "content": "Hello\r\n"}, r.obj("body")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("dora@example.net", r.obj("from").obj("emailAddress").str("address")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("answers@example.net", r.list("replyTo")[0].obj("emailAddress").str("address")); diff != "" {
		t.Error(diff)
	}
	if r.list("internetMessageHeaders") != nil {
		t.Error("internetMessageHeaders came without $select")
	}

	h := as(t, s, anna).get("/me/messages/"+id+"?$select=internetMessageHeaders").ok(t, 200)
	var names []string
	for _, f := range h.list("internetMessageHeaders") {
		names = append(names, f.str("name"))
		if f.str("name") == "References" && f.str("value") != "<c@example.net> <b@example.net>" {
			t.Errorf("References are not unfolded: %q", f.str("value"))
		}
	}
	want := []string{"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Reply-To", "X-Thing", "X-thing", "Content-Type"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}

	v := as(t, s, anna).get("/me/messages/"+id+"/$value").ok(t, 200)
	if diff := cmp.Diff(string(raw), string(v.body)); diff != "" {
		t.Error(diff)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	c := as(t, s, anna)
	r := c.get("/me/messages/"+id+"?$select=subject,ISREAD").ok(t, 200)
	want := map[string]bool{"@odata.context": true, "@odata.etag": true, "id": true, "subject": true, "isRead": true}
	got := map[string]bool{}
	for name := range r.object {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	c.get("/me/messages/"+id+"?$select=nonsense").refused(t, 400, "BadRequest")
	c.get("/me/messages/"+id+"?$expand=nonsense").refused(t, 400, "BadRequest")
	c.get("/me/messages/"+id+"?$filter=isRead%20eq%20true").refused(t, 400, "BadRequest")
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		s := start(t, outlooktest.Options{StrictIDs: strict})
		immutable := deliver(t, s, eml("Hi"))
		plain, fixed := as(t, s, anna), as(t, s, anna).immutable()
		r := plain.get("/me/mailFolders/inbox/messages").ok(t, 200)
		mutable := r.list("value")[0].str("id")
		if mutable == immutable {
			t.Fatal("both flavours are equal")
		}
		if r.header.Get("Preference-Applied") != "" {
			t.Error("a preference was applied that nobody asked for")
		}
		r = fixed.get("/me/messages/"+immutable).ok(t, 200)
		if r.header.Get("Preference-Applied") != `IdType="ImmutableId"` {
			t.Error(r.header)
		}
		want := 200
		if strict {
			want = 404
		}
		fixed.get("/me/messages/"+mutable).ok(t, want)
		plain.get("/me/messages/"+immutable).ok(t, want)

		moved := plain.post("/me/messages/"+mutable+"/move", object{"destinationId": "archive"}).ok(t, 201).str("id")
		plain.get("/me/messages/"+mutable).refused(t, 404, "ErrorItemNotFound")
		plain.get("/me/messages/"+moved).ok(t, 200)
		fixed.get("/me/messages/"+immutable).ok(t, 200)
	}
}

func TestForeignAndMalformedIDs(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	as(t, s, bert).get("/me/messages/"+id).refused(t, 400, "ErrorInvalidMailboxItemId")
	as(t, s, anna).get("/me/messages/nonsense").refused(t, 400, "ErrorInvalidIdMalformed")
	// Ids are case-sensitive.
	as(t, s, anna).get("/me/messages/"+strings.ToLower(id)).refused(t, 400, "ErrorInvalidIdMalformed")
	if err := s.Delete(anna, id); err != nil {
		t.Fatal(err)
	}
	as(t, s, anna).get("/me/messages/"+id).refused(t, 404, "ErrorItemNotFound")
}

func TestTranslateIDs(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	m := s.Messages(anna)[0]
	r := as(t, s, anna).post("/me/translateExchangeIds", object{
		"inputIds": []string{m.MutableID}, "sourceIdType": "restId", "targetIdType": "restImmutableEntryId",
	}).ok(t, 200)
	if got := r.list("value")[0].str("targetId"); got != id {
		t.Errorf("got %s, want %s", got, id)
	}
}

func TestCreateDraft(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	in := text("Plan", "See you", bert)
	in["internetMessageHeaders"] = []any{object{"name": "X-Ref", "value": "r-1"}}
	in["importance"] = "High"
	r := as(t, s, anna).immutable().post("/me/messages", in).ok(t, 201)
	if r.object["isDraft"] != true || r.str("internetMessageId") == "" || r.str("conversationId") == "" || r.str("importance") != "high" {
		t.Errorf("%s", r.body)
	}
	if from, ok := r.object["from"]; !ok || from != nil {
		t.Errorf("from of a fresh draft is %v, want null", from)
	}
	m := s.Messages(anna)
	if len(m) != 1 || m[0].Folder != "drafts" || m[0].ID != r.str("id") {
		t.Errorf("%+v", m)
	}
}

func TestCreateInFolder(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	c.post("/me/mailFolders/archive/messages", text("x", "x", bert)).ok(t, 201)
	if got := s.In(anna, "archive"); len(got) != 1 || !got[0].Draft {
		t.Errorf("%+v", got)
	}
	c.post("/me/mailFolders/archive/messages", mimeBody(base64.StdEncoding.EncodeToString(eml("x")))).refused(t, 415, "UnsupportedMediaType")
}

func TestCreateDraftRefusals(t *testing.T) {
	t.Parallel()
	header := func(names ...string) object {
		var list []any
		for _, n := range names {
			list = append(list, object{"name": n, "value": "v"})
		}
		return object{"internetMessageHeaders": list}
	}
	for _, tt := range []struct {
		name   string
		body   any
		status int
		code   string
	}{
		{"no x-", header("In-Reply-To"), 400, "InvalidInternetMessageHeader"},
		{"List-Unsubscribe", header("List-Unsubscribe"), 400, "InvalidInternetMessageHeader"},
		{"six", header("X-1", "X-2", "X-3", "X-4", "X-5", "X-6"), 400, "InvalidInternetMessageHeaderCollection"},
		{"five", header("X-1", "X-2", "x-3", "X-4", "X-5"), 201, ""},
		{"unknown property", object{"subjekt": "x"}, 400, "RequestBodyRead"},
		{"wrong type", object{"subject": 1}, 400, "RequestBodyRead"},
		{"wrong enum", object{"importance": "urgent"}, 400, "RequestBodyRead"},
		{"wrong body type", object{"body": object{"contentType": "markdown", "content": ""}}, 400, "RequestBodyRead"},
		{"no object", []any{}, 400, "RequestBodyRead"},
		{"no JSON", []byte("{"), 415, "UnsupportedMediaType"},
		{"bad base64", mimeBody("%%%"), 400, "ErrorMimeContentInvalidBase64String"},
		{"empty MIME", mimeBody(""), 400, "ErrorMimeContentInvalidBase64String"},
		{"header injection", object{"internetMessageHeaders": []any{object{"name": "X-A", "value": "a\r\nBcc: x@y"}}}, 400, "InvalidInternetMessageHeader"},
		{"bad Message-ID", object{"internetMessageId": "x"}, 400, "ErrorInvalidPropertySet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, outlooktest.Options{})
			r := as(t, s, anna).post("/me/messages", tt.body)
			if r.status != tt.status || r.code() != tt.code {
				t.Errorf("%d %s", r.status, r.body)
			}
			if r.status != 201 && len(s.Messages(anna)) != 0 {
				t.Error("a refused draft was kept")
			}
		})
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	id := deliver(t, s, eml("Hi"))
	r := c.do("PATCH", "/me/messages/"+id, object{"isRead": true}).ok(t, 200)
	if r.object["isRead"] != true || !s.Messages(anna)[0].Read {
		t.Error("isRead did not change")
	}
	c.do("PATCH", "/me/messages/"+id, object{"subject": "other"}).refused(t, 403, "ErrorAccessDenied")
	c.do("PATCH", "/me/messages/"+id, object{"categories": []string{"Red"}, "flag": object{"flagStatus": "flagged"}}).ok(t, 200)
	if string(s.Messages(anna)[0].Raw) != string(eml("Hi")) {
		t.Error("a received message lost its raw form")
	}

	draft := c.post("/me/messages", text("Hi", "x", bert)).ok(t, 201)
	r = c.do("PATCH", "/me/messages/"+draft.str("id"), object{
		"subject": "Other", "internetMessageId": "<mine@contoso.example>", "body": object{"contentType": "HTML", "content": "<p>New</p>"},
		"toRecipients": to(carol), "ccRecipients": to(bert),
	}).ok(t, 200)
	if r.str("internetMessageId") != "<mine@contoso.example>" || r.str("bodyPreview") != "New" || r.obj("body").str("contentType") != "html" {
		t.Errorf("%s", r.body)
	}
	if r.str("conversationId") == draft.str("conversationId") {
		t.Error("another subject is another conversation")
	}
	stale := as(t, s, anna).with("If-Match", `W/"stale"`)
	stale.do("PATCH", "/me/messages/"+draft.str("id"), object{"subject": "x"}).refused(t, 412, "ErrorIrresolvableConflict")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	id := deliver(t, s, eml("Hi"))
	c.do("DELETE", "/me/messages/"+id, nil).ok(t, 204)
	if got := s.In(anna, "deleteditems"); len(got) != 1 || got[0].ID != id {
		t.Fatalf("%+v", got)
	}
	c.do("DELETE", "/me/messages/"+id, nil).ok(t, 204)
	c.get("/me/messages/"+id).refused(t, 404, "ErrorItemNotFound")
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const html = "<html><head><style>p {color:red}</style></head><body><p>Hello &amp; <b>bye</b></p><p>2</p></body></html>"
	s := start(t, outlooktest.Options{})
	rich := deliver(t, s, []byte("Subject: s\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"+html+"\r\n--b--\r\n"))
	c := as(t, s, anna)
	r := c.get("/me/messages/"+rich).ok(t, 200)
	if diff := cmp.Diff(object{"contentType": "html", "content": html}, r.obj("body")); diff != "" {
		t.Error(diff)
	}
	r = c.with("Prefer", `outlook.body-content-type="text"`).get("/me/messages/"+rich).ok(t, 200)
	if diff := cmp.Diff(object{"contentType": "text", "content": "Hello & bye\r\n2"}, r.obj("body")); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(r.header.Get("Preference-Applied"), "outlook.body-content-type") {
		t.Error(r.header)
	}

	s = start(t, outlooktest.Options{HTMLBodies: true, MixedCaseEnums: true})
	plain := deliver(t, s, eml("s"))
	r = as(t, s, anna).get("/me/messages/"+plain).ok(t, 200)
	if r.obj("body").str("contentType") != "HTML" || !strings.Contains(r.obj("body").str("content"), "converted from text") ||
		r.str("importance") != "Normal" || r.str("inferenceClassification") != "Focused" {
		t.Errorf("%s", r.body)
	}
}

func TestPreviewLength(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, []byte("Subject: s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+strings.Repeat("ü", 400)))
	r := as(t, s, anna).get("/me/messages/"+id).ok(t, 200)
	if n := len([]rune(r.str("bodyPreview"))); n != 255 {
		t.Errorf("%d characters", n)
	}
}

func TestExtendedProperties(t *testing.T) {
	t.Parallel()
	const own = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name MyRef"
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	in := text("Hi", "x", bert)
	in["singleValueExtendedProperties"] = []any{object{"id": own, "value": "r-1"}}
	id := c.post("/me/messages", in).ok(t, 201).str("id")
	find := func(filter string) []string {
		t.Helper()
		return ids(c.get("/me/messages"+query("$filter", filter)).ok(t, 200).list("value"))
	}
	const any = "singleValueExtendedProperties/Any(ep: ep/id eq '"
	if diff := cmp.Diff([]string{id}, find(any+own+"' and ep/value eq 'R-1')")); diff != "" {
		t.Errorf("values are compared without case: %s", diff)
	}
	if got := find(any + strings.ToLower(own) + "' and ep/value eq 'r-1')"); len(got) != 0 {
		t.Error("names are case-sensitive")
	}

	reply := deliver(t, s, eml("Re: Hi", "In-Reply-To: <x@example.net>", "References: <w@example.net> <x@example.net>"))
	r := c.get("/me/messages/"+reply+query("$expand", "singleValueExtendedProperties($filter=id eq 'String 0x1042' or id eq 'String 0x1039' or id eq 'String 0x007D')")).ok(t, 200)
	got := map[string]string{}
	for _, p := range r.list("singleValueExtendedProperties") {
		got[p.str("id")] = p.str("value")
	}
	if got["String 0x1042"] != "<x@example.net>" || got["String 0x1039"] != "<w@example.net> <x@example.net>" || !strings.Contains(got["String 0x7d"], "Subject: Re: Hi") {
		t.Errorf("%v", got)
	}
	c.get("/me/messages/"+reply+"?$expand=singleValueExtendedProperties").refused(t, 400, "BadRequest")
}

func TestFolders(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	deliver(t, s, eml("1"))
	inbox := c.get("/me/mailFolders/inbox").ok(t, 200)
	if inbox.object["totalItemCount"] != 1.0 || inbox.object["unreadItemCount"] != 1.0 {
		t.Errorf("%s", inbox.body)
	}
	byID := c.get("/me/mailFolders/"+inbox.str("id")+"/messages").ok(t, 200)
	if diff := cmp.Diff([]string{"1"}, subjects(byID.list("value"))); diff != "" {
		t.Error(diff)
	}
	if n := len(c.get("/me/mailFolders").ok(t, 200).list("value")); n != 7 {
		t.Errorf("%d folders", n)
	}
	first := c.get("/me/mailFolders?$top=3&$select=displayName").ok(t, 200)
	second := c.get(first.str("@odata.nextLink")).ok(t, 200)
	if len(first.list("value")) != 3 || len(second.list("value")) != 3 || second.list("value")[0].str("displayName") == "" {
		t.Errorf("%s %s", first.body, second.body)
	}
	made := c.post("/me/mailFolders", object{"displayName": "Projects"}).ok(t, 201).str("id")
	c.get("/me/mailFolders/"+made).ok(t, 200)
	c.post("/me/mailFolders", object{"displayName": "Projects"}).refused(t, 409, "ErrorFolderExists")
	c.get("/me/mailFolders/nonsense/messages").refused(t, 400, "ErrorInvalidIdMalformed")
	through := c.get("/me/mailFolders/inbox/messages/"+s.Messages(anna)[0].ID).ok(t, 200)
	if through.str("subject") != "1" {
		t.Errorf("%s", through.body)
	}
	c.get("/me/mailFolders/archive/messages/"+s.Messages(anna)[0].ID).refused(t, 404, "ErrorItemNotFound")
}
