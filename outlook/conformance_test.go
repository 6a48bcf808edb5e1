package outlook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	variants := map[string]outlooktest.Options{
		"usual": {},
		"other": {
			HTMLBodies: true, MixedCaseEnums: true, StrictIDs: true, SendRetryAfter: "30",
			DeltaPartial: true, DeltaEmptyPages: true, DeltaHeaders: outlooktest.Omit,
			ReadBasicHeaders: outlooktest.Allow, SentHeaders: outlooktest.SentNone,
		},
		"slow transport": {SendDelay: time.Second, HideInTransport: true},
	}
	for name, o := range variants {
		t.Run(name, func(t *testing.T) {
			mailboxtest.TestProvider(t, func(t *testing.T) *mailboxtest.Harness { return harness(newWorld(t, o)) })
		})
	}
}

func harness(w *world) *mailboxtest.Harness {
	w.AddUser(outlooktest.User{Address: support, Name: "Support", SharedWith: []string{anna}})
	return &mailboxtest.Harness{
		IDToken:  w.idToken,
		Announce: hook,
		Watching: func(_ *testing.T, address string) int { return len(w.subscriptions(address)) },
		Shared:   support,
		Provider: w.provider, Alice: anna, Bob: bert, NoOne: noOne, All: everything,
		Session: func(_ *testing.T, address string, scopes []string) mailbox.Session {
			return w.session(address, scopes)
		},
		Deliver: func(t *testing.T, to string, raw []byte) {
			if _, err := w.Deliver(to, raw); err != nil {
				t.Fatal(err)
			}
		},
		Delete: func(t *testing.T, address string, id mailbox.MessageID) {
			if err := w.Delete(address, string(id)); err != nil {
				t.Fatal(err)
			}
		},
		Requests: func() int {
			n := 0
			for _, x := range w.Log() {
				if !x.Inner && !strings.Contains(x.URL, "/oauth2/") {
					n++
				}
			}
			return n
		},
		BodyReads: func() int {
			n := 0
			for _, x := range w.Log() {
				_, query, _ := strings.Cut(x.URL, "?")
				query = strings.ReplaceAll(query, "%2C", ",")
				if x.Method == http.MethodGet && (strings.Contains(query, ",body") || strings.Contains(x.URL, "/$value") ||
					strings.Contains(x.URL, "/messages") && !strings.Contains(query, "elect=") && !strings.Contains(query, "token=")) {
					n++
				}
			}
			return n
		},
		Break:     func(_ *testing.T, how mailboxtest.Breakage) { w.Inject(fault(how)) },
		BreakSend: func(_ *testing.T, how mailboxtest.Breakage) { w.Inject(sending(fault(how))) },
		ExpireTokens: func(*testing.T) {
			w.OAuth.ExpireAccess()
		},
		Revoke: func(_ *testing.T, address string) {
			w.mu.Lock()
			w.revoked[address] = true
			w.mu.Unlock()
			w.OAuth.RevokeUser(address)
		},
		LoseCursors: func(*testing.T) { w.ExpireDelta() },
	}
}

func fault(how mailboxtest.Breakage) outlooktest.Fault {
	switch how {
	case mailboxtest.Lost:
		return outlooktest.Fault{After: true, Lose: true}
	case mailboxtest.Refused500:
		return outlooktest.Fault{Status: 500, Body: `{"error":{"code":"ErrorInternalServerError","message":"x"}}`}
	case mailboxtest.HTMLError:
		return outlooktest.Fault{Status: 502, Body: "<html><body>Bad Gateway</body></html>"}
	case mailboxtest.Throttled:
		return outlooktest.Fault{
			Status: 429, Header: http.Header{"Retry-After": {"30"}},
			Body: `{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}`,
		}
	default:
		return outlooktest.Fault{Hang: true}
	}
}

// sending narrows a fault to the requests that send.
func sending(f outlooktest.Fault) outlooktest.Fault {
	f.Match = func(r *http.Request, _ []byte) bool {
		return strings.HasSuffix(r.URL.Path, "/send") || strings.HasSuffix(r.URL.Path, "/sendMail")
	}
	return f
}

// idToken signs a user in and returns the claims of the ID token, unverified.
func (w *world) idToken(t *testing.T, address string) []byte {
	t.Helper()
	scopes, err := w.provider.Scopes(mailbox.CanSend)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := fakeserver.SignIn(t.Context(), w.transport, w.provider.OAuth(), scopes, address)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
