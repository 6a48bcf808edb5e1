package connect

import (
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
