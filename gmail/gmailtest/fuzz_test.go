package gmailtest

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		"in:inbox -is:unread", `subject:"a b" from:x`, "after:2026/01/02 before:1700000000", "rfc822msgid:<a@b>", "label:x-y", "free", `to:"`,
	} {
		f.Add(q)
	}
	b := newBox(User{Address: "a@b.example", Labels: []string{"X Y"}}, 1)
	m := newMessage("1", []byte("Subject: s\r\nMessage-ID: <a@b>\r\n\r\n"), time.Unix(0, 0), labelInbox)
	f.Fuzz(func(t *testing.T, q string) {
		terms, err := parseQuery(q)
		if err != nil {
			if terms != nil {
				t.Errorf("%q: terms and an error", q)
			}
			return
		}
		for _, term := range terms {
			if term.op == "" || term.value == "" {
				t.Errorf("%q: empty term %+v", q, term)
			}
			term.matches(b, m)
		}
		twice, err := parseQuery(q + " " + q)
		if err != nil || len(twice) != 2*len(terms) {
			t.Errorf("%q twice: %d terms, %v", q, len(twice), err)
		}
	})
}

func FuzzReadBatch(f *testing.F) {
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\nContent-Type: application/http\r\nContent-ID: <a>\r\n\r\nGET /gmail/v1/users/me/labels\r\n\r\n--b--\r\n"))
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\nContent-Type: application/http\r\n\r\nPOST /gmail/v1/x?y=z HTTP/1.1\r\nA: b\r\n\r\n{}\r\n--b\r\n\r\n\r\n--b--\r\n"))
	f.Add("multipart/mixed", []byte("--b"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r, err := http.NewRequest("POST", "/batch", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		calls, refusal := readBatch(r)
		if (refusal == nil) != (len(calls) > 0) {
			t.Errorf("%d calls, %+v", len(calls), refusal)
		}
		for _, c := range calls {
			if (c.req == nil) == (c.err == nil) {
				t.Errorf("call %+v", c)
			}
			if c.req != nil && !strings.HasPrefix(c.req.URL.Path, "/gmail/v1/") {
				t.Errorf("path %q", c.req.URL.Path)
			}
		}
	})
}

func FuzzApplyMask(f *testing.F) {
	for _, s := range []string{"a", "a/b,c(d,e/f)", "*", "a(", "((", "a/b,a/c,a"} {
		f.Add(s)
	}
	answer := map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": 1}}}, "c": "x"}
	whole, _ := json.Marshal(answer)
	f.Fuzz(func(t *testing.T, fields string) {
		got, err := applyMask(answer, fields)
		if err != nil {
			return
		}
		b, jerr := json.Marshal(got)
		if jerr != nil || len(b) > len(whole) {
			t.Errorf("%q: %s, %v", fields, b, jerr)
		}
	})
}

// FuzzDeliver: whatever arrives is kept byte for byte and can be read in every
// format.
func FuzzDeliver(f *testing.F) {
	for _, raw := range []string{
		"", "Subject: x\n\nbody", "Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\n\r\nx\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--a--",
		"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\nGyRC", "From: =?x?q?y?= <a@b>\r\nTo: \xff\r\n\r\n",
		"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a=3D=\r\nb>=ZZ",
	} {
		f.Add([]byte(raw))
	}
	s := New(Options{})
	s.AddUser(User{Address: "a@b.example"})
	token, _ := s.Tokens("a@b.example")
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, err := s.Deliver("a@b.example", raw)
		if err != nil {
			t.Fatal(err)
		}
		defer s.ClearLog()
		for _, format := range []string{"minimal", "metadata", "full", "raw", "delete"} {
			method, query := "GET", "?format="+format
			if format == "delete" {
				method, query = "DELETE", ""
			}
			req, _ := http.NewRequest(method, Origin+"/gmail/v1/users/me/messages/"+id+query, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := s.Transport().RoundTrip(req)
			if err != nil || resp.StatusCode/100 != 2 {
				t.Fatalf("%s: %v %v", format, resp, err)
			}
			var m struct {
				Raw string `json:"raw"`
			}
			if format == "raw" {
				if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
					t.Fatal(err)
				}
				got, err := base64.URLEncoding.DecodeString(m.Raw)
				if err != nil || !bytes.HasSuffix(got, fakeserver.ToCRLF(raw)) {
					t.Errorf("%q became %q", raw, got)
				}
			}
		}
	})
}

// FuzzSend: whatever is sent is refused or filed, never lost in between.
func FuzzSend(f *testing.F) {
	f.Add([]byte("To: a@b.example\r\n\r\nx"))
	f.Add([]byte("To: x@b.example, y@c.example\nBcc: a@b.example\nMessage-ID: <a@@b>\nFrom: \xe4 <z@z>\n\nx"))
	s := New(Options{MessageID: MessageIDKeep, StripXHeaders: true})
	s.AddUser(User{Address: "a@b.example"})
	token, _ := s.Tokens("a@b.example")
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := len(s.Messages("a@b.example"))
		body, _ := json.Marshal(map[string]string{"raw": base64.URLEncoding.EncodeToString(raw)})
		req, _ := http.NewRequest("POST", Origin+"/gmail/v1/users/me/messages/send", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := s.Transport().RoundTrip(req)
		s.ClearLog()
		if err != nil || resp.StatusCode != 200 && resp.StatusCode != 400 {
			t.Fatalf("%v %v", resp, err)
		}
		after := s.Messages("a@b.example")
		if filed := len(after) > before; filed != (resp.StatusCode == 200) {
			t.Errorf("%d, filed %v", resp.StatusCode, filed)
		}
		for _, m := range after {
			if m.Has(labelSent) {
				mail := fakeserver.ParseMail(m.Raw)
				if mail.Get("From") == "" || mail.Get("Date") == "" || mail.Get("Message-ID") == "" {
					t.Errorf("incomplete: %q", m.Raw)
				}
			}
		}
		s.mu.Lock()
		s.boxes[0].messages, s.boxes[0].order = map[string]*message{}, nil
		s.mu.Unlock()
	})
}

// Whatever comes as an assertion is read without a panic, and refused unless it
// was signed with the key of the account.
func FuzzAssertion(f *testing.F) {
	claims := func(more string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"robot@p.example"` + more + `}`))
	}
	const head = "eyJhbGciOiJSUzI1NiJ9." // {"alg":"RS256"}
	f.Add(head + claims(`,"sub":"ann@example.com","aud":"https://gmail.fake/token","scope":"a b","iat":1800000000,"exp":1800003600`) + ".c2lnbmVk")
	f.Add(head + claims(`,"iat":1e300,"exp":-1`) + ".c2lnbmVk")
	f.Add(head + claims(`,"aud":["x"],"iat":null`) + ".")
	f.Add("eyJhbGciOiJub25lIn0." + claims("") + ".")
	f.Add(`{"payload":"e30","protected":"e30","signature":"e30"}`)
	f.Add("..")
	s := New(Options{})
	modulus := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(12345)) // nobody knows its factors
	s.accounts["robot@p.example"] = serviceAccount{
		ServiceAccount{Email: "robot@p.example", Domain: "example.com", Scopes: []string{"a"}}, &rsa.PublicKey{N: modulus, E: 65537},
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, kind := s.readAssertion(raw)
		if kind == "" {
			t.Fatal("an unsigned assertion was taken")
		}
		if r := refusalOf(kind); r.status/100 != 4 || r.code == "" || kind != badAssertion && r.code == "invalid_request" {
			t.Errorf("%s is answered %+v", kind, r)
		}
	})
}
