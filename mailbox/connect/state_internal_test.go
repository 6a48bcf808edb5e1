package connect

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

func FuzzParseState(f *testing.F) {
	k, err := newKeeper[flow](Config{States: NewMemoryStates(), StateKey: []byte(strings.Repeat("k", 32)), StateTTL: time.Hour}, "connect")
	if err != nil {
		f.Fatal(err)
	}
	issued := state{id: [16]byte([]byte("0123456789abcdef")), expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	param := issued.encode(k.mac, "browser") // the same in every worker of the fuzzer
	f.Add(param, "browser")
	f.Add(param, "other")
	f.Add(param+"=", "browser")
	f.Add(strings.Repeat("A", 75), "")
	f.Fuzz(func(t *testing.T, s, browser string) {
		if parsed, ok := parseState(s); ok {
			mac := parsed.mac
			if again := parsed.encode(k.mac, browser); (again == s) != (string(mac[:]) == string(parsed.sign(k.mac, browser))) {
				t.Fatal("a state has two forms")
			}
		}
		want := CodeStateInvalid
		if s == param && browser == "browser" {
			want = CodeStateUsed // signed, and nowhere in the store
		}
		_, err := k.take(t.Context(), []string{s}, browser)
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Class != mailbox.ClassBadCallback || e.Code != want {
			t.Fatalf("got %v, want %s", err, want)
		}
	})
}

// Whatever passes checkReturnTo stays on the site, as browsers read it.
func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c#d", "//evil.test", `/\evil.test`, "/\t/evil.test", "javascript:x", "/..//evil.test", "/%2f/evil.test", "/a/../..//evil.test", "/?connected=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkReturnTo("return_to", s) != nil {
			return
		}
		w := httptest.NewRecorder()
		redirect(w, httptest.NewRequest(http.MethodGet, "https://host.test/connect/gmail", nil), withParam(s, ParamConnected, "m"))
		location := w.Header().Get("Location")
		// Browsers drop tabs and line breaks and take a backslash for a slash.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(location)
		if !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
			t.Fatalf("%q leads to %q", s, location)
		}
		u, err := url.Parse(location)
		if err != nil || u.Host != "" || u.Scheme != "" || u.Query().Get(ParamConnected) != "m" {
			t.Fatalf("%q leads to %q, error %v", s, location, err)
		}
	})
}

// A ticket has one form, and only what was sealed is one.
func FuzzTicket(f *testing.F) {
	c := &Connector{}
	var err error
	if c.tickets, err = deriveRing([]byte(strings.Repeat("k", 32)), "admin consent ticket"); err != nil {
		f.Fatal(err)
	}
	good, err := c.sealTicket(ticket{Provider: mailbox.Outlook, Expires: 1 << 40})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", good, good + "=", good[1:], "AQRmbG93" + strings.Repeat("A", 38), "\n" + good} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		opened, err := c.openTicket(s)
		if err == nil { // sealed by this process or another worker of the fuzzer
			b, err := base64.RawURLEncoding.Strict().DecodeString(s)
			if err != nil || base64.RawURLEncoding.EncodeToString(b) != s || opened.Expires != 1<<40 {
				t.Fatalf("%q became %+v, error %v", s, opened, err)
			}
			return
		}
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Class != mailbox.ClassBadCallback || e.Code != CodeBadTicket {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

// Whatever passes parseOrigin is scheme and host of https, or of this machine,
// and stays itself when it is parsed again.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://app.example.com", "HTTPS://A.test:443", "http://localhost:3000", "http://[::1]:80", "null", "javascript:x", "https://a@b", "https://a/", "https://a\\b", "https://a:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		origin, err := parseOrigin("popup", s)
		if err != nil {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme+"://"+u.Host != origin || u.Hostname() == "" || strings.ContainsAny(origin, " \"'<>\\@#?*") {
			t.Fatalf("%q became %q, error %v", s, origin, err)
		}
		if again, err := parseOrigin("popup", origin); err != nil || again != origin {
			t.Fatalf("%q became %q, then %q, error %v", s, origin, again, err)
		}
	})
}

func TestMemoryStatesAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMemoryStates()
	soon := time.Now().Add(time.Hour)
	for i := range maxStates {
		m.states[strconv.Itoa(i)] = stateEntry{expires: soon}
	}
	if err := m.Put(t.Context(), "id", nil, soon); !errors.Is(err, mailbox.ClassStorage) {
		t.Errorf("Put into a full store: %v", err)
	}
	// What has expired makes room.
	for id := range m.states {
		m.states[id] = stateEntry{expires: time.Now().Add(-time.Second)}
	}
	m.swept = time.Now().Add(-time.Minute)
	if err := m.Put(t.Context(), "id", nil, soon); err != nil || len(m.states) != 1 {
		t.Errorf("Put: %v, %d entries are left", err, len(m.states))
	}
}
