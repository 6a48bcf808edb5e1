package outlooktest_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func fileAttachment(name, content string) object {
	return object{"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentType": "text/plain", "contentBytes": content}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	in := text("Files", "x", bert)
	in["attachments"] = []any{fileAttachment("a.txt", base64.StdEncoding.EncodeToString([]byte("first")))}
	draft := c.post("/me/messages", in).ok(t, 201)
	if draft.object["hasAttachments"] != true {
		t.Error("hasAttachments is false")
	}
	path := "/me/messages/" + draft.str("id") + "/attachments"
	inline := fileAttachment("logo.png", base64.StdEncoding.EncodeToString([]byte("png")))
	inline["isInline"], inline["contentId"], inline["contentType"] = true, "logo", "image/png"
	added := c.post(path, inline).ok(t, 201)
	if added.str("contentId") != "logo" || added.object["isInline"] != true {
		t.Errorf("%s", added.body)
	}
	list := c.get(path).ok(t, 200).list("value")
	if len(list) != 2 || list[0].str("contentBytes") == "" || list[0].str("@odata.type") != "#microsoft.graph.fileAttachment" {
		t.Fatalf("%v", list)
	}
	slim := c.get(path+"?$select=id,name,contentType,size,isInline").ok(t, 200).list("value")
	if _, ok := slim[0]["contentBytes"]; ok || slim[0].str("name") != "a.txt" || slim[0]["size"] != 5.0 {
		t.Errorf("%v", slim)
	}
	one := c.get(path+"/"+added.str("id")).ok(t, 200)
	if one.str("contentBytes") != base64.StdEncoding.EncodeToString([]byte("png")) {
		t.Errorf("%s", one.body)
	}
	expanded := c.get("/me/messages/"+draft.str("id")+"?$expand=attachments($select=id,name)").ok(t, 200)
	if got := expanded.list("attachments"); len(got) != 2 || got[1].str("name") != "logo.png" {
		t.Errorf("%v", got)
	}
	c.do("DELETE", path+"/"+list[0].str("id"), nil).ok(t, 204)
	r := c.get("/me/messages/"+draft.str("id")).ok(t, 200)
	if r.object["hasAttachments"] != false {
		t.Error("hasAttachments counts inline files")
	}

	c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
	raw := string(s.In(bert, "inbox")[0].Raw)
	for _, want := range []string{"multipart/related", "Content-ID: <logo>", "cG5n", "Content-Disposition: inline"} {
		if !strings.Contains(raw, want) {
			t.Errorf("the message has no %q", want)
		}
	}
	got := as(t, s, bert).get("/me/messages/"+s.In(bert, "inbox")[0].ID+"?$expand=attachments").ok(t, 200)
	if list := got.list("attachments"); len(list) != 1 || list[0].str("contentBytes") != "cG5n" || list[0].str("contentId") != "logo" {
		t.Errorf("%s", got.body)
	}
}

func TestAttachmentRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	draft := c.post("/me/messages", text("x", "x", bert)).ok(t, 201).str("id")
	path := "/me/messages/" + draft + "/attachments"
	c.post(path, object{"name": "x", "contentBytes": "eA=="}).refused(t, 501, "notImplemented")
	c.post(path, fileAttachment("x", "%%%")).refused(t, 400, "RequestBodyRead")
	c.post(path, fileAttachment("", "eA==")).refused(t, 400, "ErrorRequiredPropertyMissing")
	big := base64.StdEncoding.EncodeToString(make([]byte, 3<<20+1))
	c.post(path, fileAttachment("big", big)).refused(t, 413, "RequestEntityTooLarge")
	roomy := start(t, outlooktest.Options{MaxRequestBytes: 8 << 20}) // the file is too large, not the request
	other := as(t, roomy, anna)
	otherPath := "/me/messages/" + other.post("/me/messages", text("x", "x", bert)).ok(t, 201).str("id") + "/attachments"
	other.post(otherPath, fileAttachment("big", big)).refused(t, 413, "RequestEntityTooLarge")
	other.post(otherPath, fileAttachment("fits", base64.StdEncoding.EncodeToString(make([]byte, 3<<20)))).ok(t, 201)
	received := deliver(t, s, eml("x"))
	c.post("/me/messages/"+received+"/attachments", fileAttachment("x", "eA==")).refused(t, 403, "ErrorAccessDenied")
	c.get(path+"/x").refused(t, 404, "ErrorItemNotFound")
}

func TestReceivedAttachments(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, []byte(strings.ReplaceAll(`Subject: s
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

text
--b
Content-Type: application/pdf; name="=?utf-8?q?Gr=C3=BC=C3=9Fe.pdf?="
Content-Disposition: attachment
Content-Transfer-Encoding: base64

cGRm
--b
Content-Type: message/rfc822

Subject: inner

inner text
--b--
`, "\n", "\r\n")))
	list := as(t, s, anna).get("/me/messages/"+id+"/attachments").ok(t, 200).list("value")
	var got []string
	for _, a := range list {
		got = append(got, fmt.Sprint(a.str("@odata.type"), " ", a.str("name"), " ", a.str("contentBytes")))
	}
	if diff := cmp.Diff([]string{"#microsoft.graph.fileAttachment Grüße.pdf cGRm", "#microsoft.graph.itemAttachment inner "}, got); diff != "" {
		t.Error(diff)
	}
}

func session(t *testing.T, c *client, draft string, size int) string {
	t.Helper()
	r := c.post("/me/messages/"+draft+"/attachments/createUploadSession", object{"AttachmentItem": object{
		"attachmentType": "file", "name": "big.bin", "size": size, "contentType": "application/octet-stream",
	}}).ok(t, 201)
	if diff := cmp.Diff([]any{"0-"}, r.object["nextExpectedRanges"]); diff != "" {
		t.Error(diff)
	}
	return r.str("uploadUrl")
}

// put sends a chunk without a token.
func put(c *client, target string, from, to, total int, chunk []byte) reply {
	bare := *c
	bare.token = ""
	return bare.with("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, total)).do("PUT", target, chunk)
}

func TestUploadSession(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	draft := c.post("/me/messages", text("big", "x", bert)).ok(t, 201).str("id")
	data := bytes.Repeat([]byte("0123456789"), 600_000)
	target := session(t, c, draft, len(data))
	if !strings.HasPrefix(target, s.URL()+"/upload/") {
		t.Fatal(target)
	}
	const step = 4 << 20
	r := put(c, target, 0, step-1, len(data), data[:step]).ok(t, 200)
	if diff := cmp.Diff([]any{fmt.Sprint(step)}, r.object["nextExpectedRanges"]); diff != "" {
		t.Error(diff)
	}
	done := put(c, target, step, len(data)-1, len(data), data[step:]).ok(t, 201)
	if done.header.Get("Location") == "" || len(done.body) != 0 {
		t.Errorf("%v %s", done.header, done.body)
	}
	list := c.get("/me/messages/"+draft+"/attachments?$select=name,size").ok(t, 200).list("value")
	if len(list) != 1 || list[0].str("name") != "big.bin" || list[0]["size"] != float64(len(data)) {
		t.Errorf("%v", list)
	}
	put(c, target, 0, 0, len(data), data[:1]).refused(t, 404, "ErrorItemNotFound") // the session is over
}

func TestUploadSessionRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	draft := c.post("/me/messages", text("big", "x", bert)).ok(t, 201).str("id")
	target := session(t, c, draft, 100)
	chunk := make([]byte, 50)
	if r := c.with("Content-Range", "bytes 0-49/100").do("PUT", target, chunk); r.status != 401 {
		t.Errorf("a token was taken: %d", r.status)
	}
	put(c, target, 50, 99, 100, chunk).refused(t, 416, "ErrorInvalidRange")
	put(c, target, 0, 48, 100, chunk).refused(t, 400, "BadRequest")
	put(c, target, 0, 49, 99, chunk).refused(t, 400, "BadRequest")
	put(c, target, 0, 4<<20, 4<<20+1, make([]byte, 4<<20+1)).refused(t, 413, "RequestEntityTooLarge")
	put(c, target+"x", 0, 49, 100, chunk).refused(t, 404, "ErrorItemNotFound") // the URL was altered
	put(c, target, 0, 49, 100, chunk).ok(t, 200)
	put(c, target, 0, 49, 100, chunk).refused(t, 416, "ErrorInvalidRange")
	bare := *c
	bare.token = ""
	bare.do("DELETE", target, nil).ok(t, 204)
	put(c, target, 50, 99, 100, chunk).refused(t, 404, "ErrorItemNotFound")

	target = session(t, c, draft, 100)
	s.Advance(2 * time.Hour)
	put(c, target, 0, 49, 100, chunk).refused(t, 404, "ErrorItemNotFound")

	c = as(t, s, anna)
	item := func(v object) object { return object{"AttachmentItem": v} }
	path := "/me/messages/" + draft + "/attachments/createUploadSession"
	c.post(path, item(object{"attachmentType": "file", "name": "x"})).refused(t, 400, "ErrorRequiredPropertyMissing")
	c.post(path, item(object{"attachmentType": "file", "name": "x", "size": 151 << 20})).refused(t, 400, "ErrorAttachmentSizeLimitExceeded")
	received := deliver(t, s, eml("x"))
	c.post("/me/messages/"+received+"/attachments/createUploadSession", item(object{"attachmentType": "file", "name": "x", "size": 1})).
		refused(t, 403, "ErrorAccessDenied")
}
