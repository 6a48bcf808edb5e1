package gmailtest_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestMessageIDIsReplaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy   gmailtest.MessageIDPolicy
		id       string
		want     string
		original string
	}{
		"replaced":  {gmailtest.MessageIDReplace, "<mine@example.com>", `^<CA[A-Z2-7]{40}@mail\.gmail\.com>$`, ""},
		"made up":   {gmailtest.MessageIDKeep, "", `^<CA[A-Z2-7]{40}@mail\.gmail\.com>$`, ""},
		"kept":      {gmailtest.MessageIDKeep, "<mine@example.com>", `^<mine@example\.com>$`, ""},
		"dot":       {gmailtest.MessageIDKeep, "<mine.@example.com>", `^<[0-9a-f]{24}@mx\.google\.com>$`, "<mine.@example.com>"},
		"no domain": {gmailtest.MessageIDKeep, "<mine@localhost>", `^<[0-9a-f]{24}@mx\.google\.com>$`, "<mine@localhost>"},
		"two ats":   {gmailtest.MessageIDKeep, "<a@b@example.com>", `^<[0-9a-f]{24}@mx\.google\.com>$`, "<a@b@example.com>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{MessageID: c.policy})
			fields := []string{"To: " + bob, "Subject: x"}
			if c.id != "" {
				fields = append(fields, "Message-ID: "+c.id)
			}
			id := w.send(fields...).str("id")
			wire := w.header(id, "message-id")
			if !regexp.MustCompile(c.want).MatchString(wire) {
				t.Errorf("Message-ID = %q, want %s", wire, c.want)
			}
			if got := w.header(id, "X-Google-Original-Message-ID"); got != c.original {
				t.Errorf("original = %q", got)
			}
			w.as(bob)
			if got := w.header(w.inbox(bob)[0], "Message-ID"); got != wire {
				t.Errorf("the recipient sees %q, the sender %q", got, wire)
			}
		})
	}
}

func TestFromIsReplacedSilently(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{
		Address: "dora@example.com", Name: "Dora Döring", Aliases: []string{"sales@example.com"},
		SendAs: []string{"dora@other.example"}, PendingSendAs: []string{"new@other.example"},
	})
	w.as("dora@example.com")
	for from, want := range map[string]string{
		"":                          "Dora Döring <dora@example.com>",
		"x@elsewhere.example":       "Dora Döring <dora@example.com>",
		"new@other.example":         "Dora Döring <dora@example.com>",
		"DORA@example.com":          "DORA@example.com",
		"dora+tag@example.com":      "dora+tag@example.com",
		"Sales <sales@example.com>": "Sales <sales@example.com>",
		"dora@other.example":        "dora@other.example",
	} {
		fields := []string{"To: " + bob}
		if from != "" {
			fields = append(fields, "From: "+from)
		}
		if got := w.header(w.send(fields...).str("id"), "From"); got != want {
			t.Errorf("From %q became %q, want %q", from, got, want)
		}
	}
}

func TestMissingDateIsFilledIn(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.SetTime(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	if got := w.header(w.send("To: "+bob).str("id"), "Date"); !strings.HasPrefix(got, "Wed, 04 Mar 2026 05:06:") {
		t.Errorf("Date = %q", got)
	}
	sent := w.send("To: "+bob, "Date: Thu, 1 Jan 2026 00:00:00 +0000").str("id")
	if got := w.header(sent, "Date"); got != "Thu, 1 Jan 2026 00:00:00 +0000" {
		t.Errorf("Date = %q", got)
	}
	if m := w.ok("GET", "/messages/"+sent+"?format=minimal", ""); !strings.HasPrefix(m.str("internalDate"), "17726007") {
		t.Errorf("internalDate = %s: does not follow the clock", m.str("internalDate"))
	}
}

func TestBcc(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strip bool
		want  string
	}{"kept in the sent copy": {false, bob}, "stripped": {true, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{StripSentBcc: c.strip})
			var relayed []gmailtest.Envelope
			w.SetRelay(func(e gmailtest.Envelope) { relayed = append(relayed, e) })
			sent := w.send("To: "+carl, "Bcc: "+bob, "Subject: x")
			if got := w.header(sent.str("id"), "Bcc"); got != c.want {
				t.Errorf("Bcc of the sent copy = %q", got)
			}
			if raw := w.raw(bob, w.inbox(bob)[0]); strings.Contains(raw, "Bcc") {
				t.Errorf("bob's copy names Bcc:\n%s", raw)
			}
			if len(relayed) != 1 || strings.Contains(string(relayed[0].Raw), "Bcc") || relayed[0].From != ann || relayed[0].To[0] != carl {
				t.Errorf("relayed = %+v", relayed)
			}
		})
	}
}

func TestXHeaders(t *testing.T) {
	t.Parallel()
	for _, strip := range []bool{false, true} {
		w := setup(t, gmailtest.Options{StripXHeaders: strip})
		id := w.send("To: "+bob, "X-Mailtether-Ref: r1").str("id")
		if got := w.header(id, "X-Mailtether-Ref"); (got == "") != strip {
			t.Errorf("strip %v: %q", strip, got)
		}
	}
}

func TestRawHeaderBytesAreLatin1(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.send("To: "+bob, "Subject: Grüße").str("id")
	if got := w.header(id, "Subject"); got != "GrÃ¼Ã\u009fe" {
		t.Errorf("Subject = %q", got)
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	t.Parallel()
	many := "To: " + strings.Repeat("a@example.com, ", 10)
	for i := range 600 {
		many += fmt.Sprintf("b%d@example.com, ", i)
	}
	for name, c := range map[string]struct {
		body   string
		reason string
		text   string
	}{
		"empty":         {`{}`, "invalidArgument", "'raw' RFC822 payload message string"},
		"not base64url": {body(object{"raw": base64.StdEncoding.EncodeToString([]byte("To: \xfb\xff\xfe"))}), "invalidArgument", "Base64 decoding failed"},
		"no recipient":  {sendBody(message("Subject: x"), ""), "invalidArgument", "Recipient address required"},
		"empty group":   {sendBody(message("To: undisclosed-recipients:;"), ""), "invalidArgument", "Recipient address required"},
		"bad To":        {sendBody(message("To: nobody"), ""), "invalidArgument", "Invalid To header"},
		"bad Cc":        {sendBody(message("To: "+bob, "Cc: nobody"), ""), "invalidArgument", "Invalid Cc header"},
		"too many":      {sendBody(message(many+"z@example.com"), ""), "invalidArgument", "Too many recipients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			w.refused("POST", "/messages/send", c.body, 400, c.reason, c.text)
			if got := w.Messages(ann); len(got) != 0 {
				t.Errorf("%d messages were filed", len(got))
			}
		})
	}
}

func TestPaddingOfRaw(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for _, tail := range []string{"", "a", "ab"} {
		raw := []byte(message("To: "+bob) + tail)
		for _, enc := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding} {
			w.ok("POST", "/messages/send", body(object{"raw": enc.EncodeToString(raw)}))
		}
	}
}

func TestSizeLimits(t *testing.T) {
	t.Parallel()
	const upload = "/upload/gmail/v1/users/me/messages/send?uploadType=media"
	large := message("To: "+bob) + strings.Repeat("x", 4<<20)
	huge := message("To: "+bob) + strings.Repeat("x", 36_700_160)
	for name, c := range map[string]struct {
		style  gmailtest.TooLargeStyle
		json   int
		upload int
		html   bool
	}{
		"json":     {gmailtest.TooLargeAuto, 400, 413, false},
		"html 400": {gmailtest.TooLargeHTML400, 400, 400, true},
		"html 413": {gmailtest.TooLargeHTML413, 413, 413, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{TooLarge: c.style})
			w.ClearLog()
			a := w.call("POST", "/messages/send", sendBody(large, ""))
			b := w.do(w.request("POST", upload, "message/rfc822", huge))
			w.ClearLog() // no need to check a hundred megabytes
			if a.status != c.json || b.status != c.upload {
				t.Errorf("JSON %d, upload %d", a.status, b.status)
			}
			if got := strings.HasPrefix(string(a.body), "<!DOCTYPE html>"); got != c.html {
				t.Errorf("body = %.100s", a.body)
			}
			if !c.html {
				a.wantError(t, 400, "badRequest", "Request payload size exceeds the limit: 5242880 bytes.")
				b.wantError(t, 413, "uploadTooLarge", "Request Entity Too Large")
			}
			if a := w.do(w.request("POST", upload, "message/rfc822", large)); a.status != 200 {
				t.Errorf("large upload: %d %.200s", a.status, a.body)
			}
			w.ClearLog()
		})
	}
}

func related(meta, contentType, media string) string {
	return "--b\r\nContent-Type: application/json\r\n\r\n" + meta + "\r\n--b\r\nContent-Type: " + contentType + "\r\n\r\n" + media + "\r\n--b--\r\n"
}

func TestUploads(t *testing.T) {
	t.Parallel()
	const send, drafts = "/upload/gmail/v1/users/me/messages/send", "/upload/gmail/v1/users/me/drafts"
	raw := message("To: "+bob, "Subject: up")
	for name, c := range map[string]struct {
		path, contentType, body string
		status                  int
		text                    string
	}{
		"media":            {send + "?uploadType=media", "message/rfc822", raw, 200, ""},
		"multipart":        {send + "?uploadType=multipart", `multipart/related; boundary="b"`, related("{}", "message/rfc822", raw), 200, ""},
		"draft":            {drafts + "?uploadType=multipart", "multipart/related; boundary=b", related(`{"message":{}}`, "message/rfc822", raw), 200, ""},
		"draft by media":   {drafts + "?uploadType=media", "message/rfc822", raw, 200, ""},
		"wrong type":       {send + "?uploadType=media", "text/plain", raw, 400, "Media type 'text/plain' is not supported"},
		"wrong part type":  {send + "?uploadType=multipart", "multipart/related; boundary=b", related("{}", "image/png", raw), 400, "Media type 'image/png' is not supported"},
		"not related":      {send + "?uploadType=multipart", "message/rfc822", raw, 400, "boundary"},
		"one part":         {send + "?uploadType=multipart", "multipart/related; boundary=b", "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--", 400, "Missing end boundary"},
		"no parts":         {send + "?uploadType=multipart", "multipart/related; boundary=b", "", 400, "Missing multipart metadata"},
		"unknown metadata": {send + "?uploadType=multipart", "multipart/related; boundary=b", related(`{"x":1}`, "message/rfc822", raw), 400, "Unknown name"},
		"thread unknown":   {send + "?uploadType=multipart", "multipart/related; boundary=b", related(`{"threadId":"1"}`, "message/rfc822", raw), 404, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			a := w.do(w.request("POST", c.path, c.contentType, c.body))
			if a.status != c.status || !strings.Contains(a.str("error.message"), c.text) {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if c.status == 200 && !strings.HasSuffix(string(w.Messages(ann)[0].Raw), "Hello.\r\n") {
				t.Errorf("raw = %q", w.Messages(ann)[0].Raw)
			}
		})
	}
}
