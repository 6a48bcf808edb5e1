package gmail_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	variants := map[string]gmailtest.Options{
		"usual": {},
		"other": {
			MessageID: gmailtest.MessageIDKeep, DraftMessageID: gmailtest.MessageIDKeep,
			EmptyHistoryPages: true, Disorder: true, EncodedHeaders: true, RawCharset: true, Unpadded: true,
			DSNOwnThread: true, InlineBytes: 1,
		},
		"slow": {SentLag: gmailtest.Lag{For: 5 * time.Second}, IndexLag: time.Minute, DraftLingers: 5 * time.Second},
	}
	for name, o := range variants {
		t.Run(name, func(t *testing.T) {
			mailboxtest.TestProvider(t, func(t *testing.T) *mailboxtest.Harness { return harness(setup(t, o)) })
		})
	}
}

// revocable is a token source that fails once its user has revoked.
type revocable struct {
	tokens
	revoked func() bool
}

func (s *revocable) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if req.Rejected != "" && s.revoked() {
		return "", &mailbox.Error{Class: mailbox.ClassReconnect}
	}
	return s.tokens.Token(ctx, req)
}

func harness(w *world) *mailboxtest.Harness {
	var mu sync.Mutex
	revoked := map[string]bool{}
	return &mailboxtest.Harness{
		Provider: w.provider, Alice: ann, Bob: bob, NoOne: "no.one@example.com", All: everything,
		Session: func(_ *testing.T, address string, scopes []string) mailbox.Session {
			source := &revocable{tokens: tokens{w: w, user: address, scopes: scopes}, revoked: func() bool {
				mu.Lock()
				defer mu.Unlock()
				return revoked[address]
			}}
			return mailbox.Session{Tokens: source, Transport: w.Transport()}
		},
		Deliver: func(t *testing.T, to string, raw []byte) {
			if _, err := w.Deliver(to, raw); err != nil {
				t.Fatal(err)
			}
		},
		Delete: func(t *testing.T, address string, id mailbox.MessageID) {
			w.deleteAs(t, address, id)
		},
		Requests: w.apiRequests,
		BodyReads: func() int {
			n := 0
			for _, x := range w.Log() {
				u, err := url.Parse(x.URL)
				if err != nil || x.Method != http.MethodGet || !strings.Contains(u.Path, "/messages/") {
					continue
				}
				if f := u.Query().Get("format"); f == "" || f == "full" || f == "raw" {
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
			mu.Lock()
			revoked[address] = true
			mu.Unlock()
			w.OAuth.RevokeUser(address)
		},
		LoseCursors: func(*testing.T) { w.ExpireHistory() },
		IDToken:     w.idToken,
		Announce:    mailbox.WatchRequest{Topic: "projects/mailtether-test/topics/mail"},
		Watching: func(_ *testing.T, address string) int {
			if w.Watch(address) != nil {
				return 1
			}
			return 0
		},
	}
}

// deleteAs deletes a message for good, as the user would do elsewhere.
func (w *world) deleteAs(t *testing.T, user string, id mailbox.MessageID) {
	t.Helper()
	access, _ := w.Tokens(user, gmailtest.ScopeFull)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, w.URL()+apiPath+"/messages/"+string(id), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := w.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		t.Fatalf("delete: %s", resp.Status)
	}
}

// apiRequests counts the requests to the API, batches as one each.
func (w *world) apiRequests() int {
	n := 0
	for _, x := range w.Log() {
		if !x.Inner && !strings.Contains(x.URL, "/token") {
			n++
		}
	}
	return n
}

func fault(how mailboxtest.Breakage) gmailtest.Fault {
	switch how {
	case mailboxtest.Lost:
		return gmailtest.Fault{After: true, Lose: true}
	case mailboxtest.Refused500:
		return gmailtest.Fault{Status: 500, Body: `{"error":{"code":500,"message":"Backend Error","status":"INTERNAL"}}`}
	case mailboxtest.HTMLError:
		return gmailtest.Fault{Status: 502, Body: "<html><body>Bad Gateway</body></html>"}
	case mailboxtest.Throttled:
		return gmailtest.Fault{
			Status: 429, Header: http.Header{"Retry-After": {"30"}},
			Body: `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`,
		}
	default:
		return gmailtest.Fault{Hang: true}
	}
}

// sending narrows a fault to the requests that send.
func sending(f gmailtest.Fault) gmailtest.Fault {
	f.Match = func(r *http.Request, _ []byte) bool { return strings.HasSuffix(r.URL.Path, "/send") }
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
