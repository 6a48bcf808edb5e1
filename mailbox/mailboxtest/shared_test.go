package mailboxtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
)

const (
	alice = "alice@mail.example"
	team  = "team@mail.example"
)

func newService() *mailboxtest.Service {
	s := mailboxtest.New()
	s.AddUser(alice, "Alice")
	s.AddUser(team, "Team")
	s.AddUser("tess@mail.example", "Tess")
	return s
}

func open(t *testing.T, s *mailboxtest.Service, a mailbox.Account, session mailbox.Session) mailbox.Mailbox {
	t.Helper()
	mb, err := s.Open(a, session)
	if err != nil {
		t.Fatal(err)
	}
	return mb
}

func TestShare(t *testing.T) {
	t.Parallel()
	s := newService()
	s.Share(team, alice)
	caps := mailbox.CanSend | mailbox.CanReadHeaders
	session := s.Session(alice, caps|mailbox.CanShared)
	own := open(t, s, mailbox.Account{Address: alice, Capabilities: caps | mailbox.CanShared}, session)
	found, err := own.(mailbox.SharedFinder).FindShared(t.Context(), mailbox.SharedQuery{Search: "te", Addresses: []string{team}})
	want := []mailbox.SharedMailbox{{Address: team, Name: "Team", Readable: true}, {Address: "tess@mail.example", Name: "Tess"}}
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	shared := mailbox.Account{Address: team, Access: mailbox.AccessShared, Capabilities: caps}
	mb := open(t, s, shared, session)
	if _, err := mb.(mailbox.Watcher).Watch(t.Context(), mailbox.WatchRequest{URL: "https://h.example/"}); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("watch: %v", err)
	}
	s.Unshare(team, alice)
	out := &mailbox.Outgoing{To: []mailbox.Address{{Address: alice}}, Text: "x"}
	_, err = mb.Send(t.Context(), out, mailbox.SendOptions{})
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || e.Class != mailbox.ClassConsent || e.Cause != mailbox.CauseNoRights || e.Outcome != mailbox.OutcomeNotSent {
		t.Errorf("after the rights were taken back: %v", err)
	}
	if _, err := own.List(t.Context(), mailbox.Query{}); err != nil {
		t.Errorf("the own mailbox: %v", err)
	}
}

func TestAllowApp(t *testing.T) {
	t.Parallel()
	s := newService()
	scopes, flow, err := s.AppScopes(mailbox.CanReadHeaders)
	if err != nil || flow != mailbox.AppFlowCredentials {
		t.Fatal(flow, err)
	}
	if status, body := credentials(t, s, scopes); !errors.Is(s.OAuthError(status, nil, body), mailbox.ClassAdmin) {
		t.Errorf("before it is allowed: %d %s", status, body)
	}
	s.AllowApp(true)
	status, body := credentials(t, s, scopes)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &token); err != nil || token.Access == "" {
		t.Fatalf("%d %s", status, body)
	}
	a := mailbox.Account{Address: team, Access: mailbox.AccessApp, Capabilities: mailbox.CanReadHeaders}
	session := mailbox.Session{Tokens: fixed(token.Access)}
	if id, err := s.IdentifyAccount(t.Context(), a, session); err != nil || id.Name != "Team" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := open(t, s, a, session).List(t.Context(), mailbox.Query{}); err != nil {
		t.Error(err)
	}
	// A token of the app is nobody's own.
	if _, err := s.Identify(t.Context(), session); !errors.Is(err, mailbox.ClassReconnect) {
		t.Errorf("as a user: %v", err)
	}
	s.AllowApp(false)
	if _, err := open(t, s, a, session).List(t.Context(), mailbox.Query{}); !errors.Is(err, mailbox.ClassConsent) {
		t.Errorf("no longer allowed: %v", err)
	}
}

func TestWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		mb := open(t, s, mailbox.Account{Address: alice, Capabilities: mailbox.CanReadHeaders}, s.Session(alice, mailbox.CanReadHeaders))
		r := mailbox.WatchRequest{Topic: "projects/p/topics/t", Secret: "s"}
		w, err := mb.(mailbox.Watcher).Watch(t.Context(), r)
		got, running := s.Watched(alice)
		if err != nil || got != r || !running || s.Calls("watch") != 1 {
			t.Errorf("%+v, %+v, %t, %v", w, got, running, err)
		}
		time.Sleep(time.Until(w.ExpiresAt)) // of the bubble
		if _, running := s.Watched(alice); running {
			t.Error("it runs for ever")
		}
	})
}

type fixed mailbox.AccessToken

func (f fixed) Token(context.Context, mailbox.TokenRequest) (mailbox.AccessToken, error) {
	return mailbox.AccessToken(f), nil
}

// credentials asks for a token of the app itself.
func credentials(t *testing.T, s *mailboxtest.Service, scopes []string) (status int, body []byte) {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")},
		"client_id": {mailboxtest.ClientID}, "client_secret": {mailboxtest.ClientSecret},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.OAuth().TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
