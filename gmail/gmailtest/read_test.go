package gmailtest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

const nested = "From: Carl <carl@elsewhere.example>\r\n" +
	"To: =?utf-8?q?Gr=C3=BC=C3=9F=2C?= Ann <ann@example.com>\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"X-Folded: one\r\n two\r\n" +
	"Received: a\r\nReceived: b\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n" +
	"preamble\r\n--out\r\n" +
	"Content-Type: multipart/alternative; boundary=\"in\"\r\n\r\n" +
	"--in\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe & =\r\nmore\r\n" +
	"--in\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+SGk8L2I+\r\n--in--\r\n" +
	"--out\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n" +
	"--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n--out--\r\n"

func deliverNested(t *testing.T, o gmailtest.Options) (*world, string) {
	w := setup(t, o)
	id, err := w.Deliver(ann, []byte(nested))
	if err != nil {
		t.Fatal(err)
	}
	return w, id
}

func TestFormats(t *testing.T) {
	t.Parallel()
	w, id := deliverNested(t, gmailtest.Options{})
	minimal := w.ok("GET", "/messages/"+id+"?format=minimal", "")
	if minimal.at("payload") != nil || minimal.at("raw") != nil || minimal.labels() != "INBOX UNREAD" || minimal.str("historyId") == "" || minimal.str("internalDate") == "" || minimal.at("sizeEstimate") == nil {
		t.Errorf("minimal = %s", minimal.body)
	}
	if got := minimal.str("snippet"); got != "Grüße &amp; more" {
		t.Errorf("snippet = %q", got)
	}
	metadata := w.ok("GET", "/messages/"+id+"?format=metadata", "")
	if metadata.at("payload.parts") != nil || metadata.at("payload.body") != nil || metadata.str("payload.mimeType") != "multipart/mixed" || len(metadata.list("payload.headers")) != 10 {
		t.Errorf("metadata = %s", metadata.body)
	}
	raw := w.ok("GET", "/messages/"+id+"?format=raw", "")
	if got := decode(t, raw.str("raw")); !strings.HasSuffix(got, nested) || raw.at("payload") != nil {
		t.Errorf("raw = %q", got)
	}
	w.refused("GET", "/messages/"+id+"?format=pretty", "", 400, "invalidArgument", "format")
}

// headers returns name and value of every header field.
func headers(a answer) [][2]string {
	var out [][2]string
	for _, h := range a.list("payload.headers") {
		out = append(out, [2]string{h.(object)["name"].(string), h.(object)["value"].(string)})
	}
	return out
}

func TestMetadataHeaders(t *testing.T) {
	t.Parallel()
	const query = "?format=metadata&metadataHeaders=subject&metadataHeaders=TO&metadataHeaders=X-Folded&metadataHeaders=X-None&metadataHeaders=Received"
	w, id := deliverNested(t, gmailtest.Options{})
	got := headers(w.ok("GET", "/messages/"+id+query, ""))
	got[0][1] = "" // the fake's own Received field
	want := [][2]string{
		{"Received", ""},
		{"To", `"Grüß, Ann" <ann@example.com>`},
		{"Subject", "Grüße"},
		{"X-Folded", "one two"},
		{"Received", "a"},
		{"Received", "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	w, id = deliverNested(t, gmailtest.Options{EncodedHeaders: true})
	if got := w.header(id, "Subject"); got != "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" {
		t.Errorf("encoded Subject = %q", got)
	}
}

func TestFullTree(t *testing.T) {
	t.Parallel()
	w, id := deliverNested(t, gmailtest.Options{})
	a := w.ok("GET", "/messages/"+id, "")
	type part struct{ ID, Type, File, Data string }
	var got []part
	var walk func(path string)
	walk = func(path string) {
		p := part{a.str(path + ".partId"), a.str(path + ".mimeType"), a.str(path + ".filename"), decode(t, a.str(path+".body.data"))}
		if a.str(path+".body.attachmentId") != "" {
			p.Data = "(attachment)"
		}
		got = append(got, p)
		for i := range a.list(path + ".parts") {
			walk(path + ".parts." + string(rune('0'+i)))
		}
	}
	walk("payload")
	want := []part{
		{"", "multipart/mixed", "", ""},
		{"0", "multipart/alternative", "", ""},
		{"0.0", "text/plain", "", "Grüße & more"},
		{"0.1", "text/html", "", "<b>Hi</b>"},
		{"1", "application/pdf", "a.pdf", "(attachment)"},
		{"2", "message/rfc822", "", "(attachment)"},
		{"2.0", "text/plain", "", "inner body"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRawCharset(t *testing.T) {
	t.Parallel()
	w, id := deliverNested(t, gmailtest.Options{RawCharset: true})
	a := w.ok("GET", "/messages/"+id, "")
	if got := decode(t, a.str("payload.parts.0.parts.0.body.data")); got != "Gr\xfc\xdfe & more" {
		t.Errorf("data = %q", got)
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	w, id := deliverNested(t, gmailtest.Options{})
	attachment := func() string { return w.ok("GET", "/messages/"+id, "").str("payload.parts.1.body.attachmentId") }
	one, two := attachment(), attachment()
	if one == two {
		t.Error("the attachmentId is the same in two gets")
	}
	for _, a := range []string{one, two} {
		got := w.ok("GET", "/messages/"+id+"/attachments/"+a, "")
		if decode(t, got.str("data")) != "\x00\x01\x02\x03" || got.at("size") != 4.0 {
			t.Errorf("attachment = %s", got.body)
		}
	}
	w.refused("GET", "/messages/"+id+"/attachments/nonsense", "", 400, "invalidArgument", "Invalid attachment token")
	w.refused("GET", "/messages/18f0000000000000/attachments/"+one, "", 404, "notFound", "")
}

func TestLargeTextHasAnAttachmentID(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{InlineBytes: 10})
	id, err := w.Deliver(ann, []byte("Subject: x\r\n\r\n"+strings.Repeat("long ", 10)))
	if err != nil {
		t.Fatal(err)
	}
	a := w.ok("GET", "/messages/"+id, "")
	got := w.ok("GET", "/messages/"+id+"/attachments/"+a.str("payload.body.attachmentId"), "")
	if a.at("payload.body.data") != nil || decode(t, got.str("data")) != strings.Repeat("long ", 10) {
		t.Errorf("full = %s, attachment = %s", a.body, got.body)
	}
}

func TestUnpadded(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Unpadded: true})
	id, err := w.Deliver(ann, []byte("a: b\r\n\r\nx"))
	if err != nil {
		t.Fatal(err)
	}
	a := w.ok("GET", "/messages/"+id, "")
	if got, err := base64.RawURLEncoding.DecodeString(a.str("payload.body.data")); err != nil || string(got) != "x" {
		t.Errorf("data = %q", a.str("payload.body.data"))
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	w, id := deliverNested(t, gmailtest.Options{})
	for fields, want := range map[string]string{
		"id":                              `{"id":"` + id + `"}`,
		"payload/mimeType":                `{"payload":{"mimeType":"multipart/mixed"}}`,
		"payload(parts(filename))":        `{"payload":{"parts":[{"filename":""},{"filename":"a.pdf"},{"filename":""}]}}`,
		"id,payload/parts/partId":         `{"id":"` + id + `","payload":{"parts":[{"partId":"0"},{"partId":"1"},{"partId":"2"}]}}`,
		"payload/partId,payload/mimeType": `{"payload":{"mimeType":"multipart/mixed","partId":""}}`,
		"*/mimeType":                      `{"historyId":`, // scalars stay
		"nothing":                         `{}`,
	} {
		a := w.ok("GET", "/messages/"+id+"?fields="+fields, "")
		if got := strings.TrimSpace(string(a.body)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", fields, got)
		}
	}
	for _, fields := range []string{"a(", "a)", ",", "a//b", "a(b", "a(b)c", strings.Repeat("a/", 30) + "a"} {
		w.refused("GET", "/messages/"+id+"?fields="+fields, "", 400, "invalidArgument", "Invalid field selection")
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.refused("GET", "/messages/nonsense", "", 400, "invalidArgument", "Invalid id value")
	w.refused("GET", "/messages/18f0000000000000", "", 404, "notFound", "Requested entity was not found.")
	id := w.deliver("Subject: x")
	w.as(bob).refused("GET", "/messages/"+id, "", 404, "notFound", "") // ids are of one mailbox
}
