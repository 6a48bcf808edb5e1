package gmail_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/googleapi"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

const scope = "https://www.googleapis.com/auth/"

func TestNewChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		field  string
		config gmail.Config
	}{
		{"endpoints.api_url", gmail.Config{Endpoints: gmail.Endpoints{APIURL: "http://gmail.example/"}}},
		{"endpoints.api_url", gmail.Config{Endpoints: gmail.Endpoints{APIURL: "https://proxy.example/gmail/"}}},
		{"endpoints.userinfo_url", gmail.Config{Endpoints: gmail.Endpoints{UserinfoURL: "userinfo"}}},
		{"endpoints.auth_url", gmail.Config{Endpoints: gmail.Endpoints{AuthURL: "ftp://x"}}},
		{"endpoints.token_url", gmail.Config{Endpoints: gmail.Endpoints{TokenURL: "http://token.example"}}},
		{"endpoints.revoke_url", gmail.Config{Endpoints: gmail.Endpoints{RevokeURL: ":"}}},
		{"endpoints.keys_url", gmail.Config{Endpoints: gmail.Endpoints{KeysURL: "http://keys.example"}}},
		{"endpoints.issuer", gmail.Config{Endpoints: gmail.Endpoints{Issuer: "accounts.google.com"}}},
		{"batch_size", gmail.Config{BatchSize: 51}},
		{"batch_size", gmail.Config{BatchSize: -1}},
		{"settle_time", gmail.Config{SettleTime: -1}},
		{"units.gmail.users.messages.get", gmail.Config{Units: map[string]int{"gmail.users.messages.get": -1}}},
	}
	for _, tt := range tests {
		_, err := gmail.New(tt.config)
		if !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%+v: error %v, want ClassInvalid", tt.config, err)
			continue
		}
		wantField(t, err, tt.field)
	}
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	want := mailbox.OAuth{
		AuthURL:    "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL:   "https://oauth2.googleapis.com/token",
		RevokeURL:  "https://oauth2.googleapis.com/revoke",
		KeysURL:    "https://www.googleapis.com/oauth2/v3/certs",
		AuthParams: map[string]string{"access_type": "offline", "prompt": "consent select_account"},
	}
	if diff := cmp.Diff(want, p.OAuth()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.OAuth().AuthParams["prompt"] = "none"
	if diff := cmp.Diff(want, p.OAuth()); diff != "" {
		t.Error("a caller can change the provider's parameters")
	}
	if p.Name() != mailbox.Gmail {
		t.Errorf("name %q", p.Name())
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	const (
		send, headers, bodies = mailbox.CanSend, mailbox.CanReadHeaders, mailbox.CanReadBodies
		state, draft          = mailbox.CanWriteReadState, mailbox.CanDraft
	)
	tests := []struct {
		want    mailbox.Capabilities
		scopes  string
		granted mailbox.Capabilities
	}{
		{0, "", 0},
		{send, "gmail.send", send},
		{headers, "gmail.metadata", headers},
		{bodies, "gmail.readonly", headers | bodies},
		{send | headers, "gmail.send gmail.metadata", send | headers},
		{send | headers | bodies, "gmail.send gmail.readonly", send | headers | bodies},
		{draft, "gmail.compose", send | draft},
		{send | draft | headers, "gmail.compose gmail.metadata", send | draft | headers},
		{send | draft | bodies, "gmail.compose gmail.readonly", send | draft | headers | bodies},
		{state, "gmail.modify", everything},
		{everything, "gmail.modify", everything},
	}
	for _, tt := range tests {
		got, err := p.Scopes(tt.want)
		if err != nil {
			t.Errorf("%v: %v", tt.want, err)
			continue
		}
		var want []string
		for name := range strings.FieldsSeq(tt.scopes) {
			want = append(want, scope+name)
		}
		want = append(want, "openid", "email")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.want, diff)
		}
		if g := p.Granted(got); g != tt.granted || !g.Has(tt.want) {
			t.Errorf("%v: granted %v, want %v", tt.want, g, tt.granted)
		}
	}
	_, err := p.Scopes(send | mailbox.CanShared)
	if !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("shared mailboxes: error %v, want ClassUnsupported", err)
	}
	wantField(t, err, "capabilities")
}

func TestGranted(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	tests := []struct {
		name, scopes string
		want         mailbox.Capabilities
	}{
		{"nothing", "", 0},
		{"as Google spells them", "openid " + scope + "userinfo.email " + scope + "gmail.send", mailbox.CanSend},
		{"full", "https://mail.google.com/", everything},
		{"unknown", "openid profile " + scope + "gmail.labels " + scope + "drive", 0},
		{"someone else's scope", "https://evil.example/gmail.modify", 0},
		{"metadata beside modify", scope + "gmail.modify " + scope + "gmail.metadata", everything &^ mailbox.CanReadBodies},
		{"metadata beside readonly", scope + "gmail.metadata " + scope + "gmail.readonly", mailbox.CanReadHeaders},
		{"metadata beside full", "https://mail.google.com/ " + scope + "gmail.metadata", everything &^ mailbox.CanReadBodies},
	}
	for _, tt := range tests {
		if got := p.Granted(strings.Fields(tt.scopes)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	const carl = "Carl@example.com"
	tests := []struct {
		name   string
		user   string
		scopes []string
		want   mailbox.Identity
		class  mailbox.Class
	}{
		{
			name: "send only", user: ann, scopes: []string{scope + "gmail.send", "openid", "email"},
			want: mailbox.Identity{Subject: "1001", Address: ann},
		},
		{
			name: "with a profile", user: ann, scopes: []string{scope + "gmail.send", "openid", "email", "profile"},
			want: mailbox.Identity{Subject: "1001", Address: ann, Name: "Ann Example"},
		},
		{
			name: "headers", user: ann, scopes: []string{scope + "gmail.metadata", "openid", "email"},
			want: mailbox.Identity{Subject: "1001", Address: ann},
		},
		{
			name: "aliases", user: carl, scopes: []string{scope + "gmail.readonly", "openid", "email"},
			want: mailbox.Identity{Subject: "1002", Address: carl, Name: "Carl", Aliases: []string{"c@example.com", bob}},
		},
		{
			name: "no Gmail", user: "dora@elsewhere.example", scopes: []string{scope + "gmail.modify", "openid", "email"},
			class: mailbox.ClassNoMailbox,
		},
		{name: "no sign-in scope", user: ann, scopes: []string{scope + "gmail.modify"}, class: mailbox.ClassReconnect},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			w.AddUser(gmailtest.User{
				Address: carl, Name: "Carl", Subject: "1002",
				Aliases: []string{"c@example.com"}, SendAs: []string{bob}, PendingSendAs: []string{ann},
			})
			w.AddUser(gmailtest.User{Address: "dora@elsewhere.example", NoGmail: true})
			s, _ := w.session(tt.user, tt.scopes...)
			got, err := w.provider.Identify(t.Context(), s)
			if tt.class != mailbox.ClassUnknown {
				wantError(t, err, tt.class, mailbox.OutcomeNone)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestIdentifyFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault gmailtest.Fault
		class mailbox.Class
	}{
		{"address not verified, no Gmail scope", gmailtest.Fault{
			Path: "/v1/userinfo", Status: 200, Body: `{"sub":"1","email":"x@elsewhere.example","email_verified":false}`,
		}, mailbox.ClassNoMailbox},
		{"no subject", gmailtest.Fault{Path: "/v1/userinfo", Status: 200, Body: `{"email":"a@b"}`}, mailbox.ClassUnavailable},
		{"null", gmailtest.Fault{Path: "/v1/userinfo", Status: 200, Body: `null`}, mailbox.ClassUnavailable},
		{"HTML", gmailtest.Fault{Path: "/v1/userinfo", Status: 200, Body: `<html>`}, mailbox.ClassUnavailable},
		{"userinfo down", gmailtest.Fault{Path: "/v1/userinfo", Status: 503}, mailbox.ClassUnavailable},
		{"profile down", gmailtest.Fault{Path: apiPath + "/profile", Status: 503}, mailbox.ClassUnavailable},
		{"profile null", gmailtest.Fault{Path: apiPath + "/profile", Status: 200, Body: "null"}, mailbox.ClassUnavailable},
		{"aliases down", gmailtest.Fault{Path: apiPath + "/settings/sendAs", Status: 429}, mailbox.ClassThrottled},
		{"API off", gmailtest.Fault{Path: apiPath + "/profile", Status: 403, Body: `{"error":{"errors":[{"reason":"accessNotConfigured"}]}}`}, mailbox.ClassConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			w.Inject(tt.fault)
			s, _ := w.session(ann, scope+"gmail.send", "openid", "email")
			if tt.class != mailbox.ClassNoMailbox {
				s, _ = w.session(ann, scope+"gmail.modify", "openid", "email")
			}
			_, err := w.provider.Identify(t.Context(), s)
			wantError(t, err, tt.class, mailbox.OutcomeNone)
		})
	}

	t.Run("aliases refused for good", func(t *testing.T) {
		t.Parallel()
		w := setup(t, gmailtest.Options{})
		w.Inject(gmailtest.Fault{Path: apiPath + "/settings/sendAs", Status: 403, Body: `{"error":{"message":"not for this account"}}`})
		s, _ := w.session(ann, scope+"gmail.modify", "openid", "email")
		got := must[mailbox.Identity](t)(w.provider.Identify(t.Context(), s))
		if diff := cmp.Diff(mailbox.Identity{Subject: "1001", Address: ann}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("verified as a string, other spelling of the address", func(t *testing.T) {
		t.Parallel()
		w := setup(t, gmailtest.Options{})
		w.Inject(gmailtest.Fault{Path: "/v1/userinfo", Status: 200, Body: `{"sub":"1","email":"a.n.n@example.com","email_verified":"true","new":[]}`})
		s, _ := w.session(ann, scope+"gmail.metadata", "openid", "email")
		got := must[mailbox.Identity](t)(w.provider.Identify(t.Context(), s))
		if diff := cmp.Diff(mailbox.Identity{Subject: "1", Address: ann, Aliases: []string{"a.n.n@example.com"}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	s, _ := w.session(ann)
	_, err := w.provider.Open(mailbox.Account{}, mailbox.Session{})
	wantField(t, err, "session.tokens")
	_, err = w.provider.Open(mailbox.Account{Provider: mailbox.Outlook}, s)
	wantField(t, err, "account.provider")
	a := mailbox.Account{Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, Address: ann}
	mb := must[mailbox.Mailbox](t)(w.provider.Open(a, s))
	if diff := cmp.Diff(a, mb.Account()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := w.requests(); n != 0 {
		t.Errorf("Open made %d requests", n)
	}
}

// TestMissingCapabilities: what was not granted fails before any request.
func TestMissingCapabilities(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	s, _ := w.session(ann)
	none := w.openWith(ann, 0, s)
	headers := w.openWith(ann, mailbox.CanReadHeaders, s)
	tests := []struct {
		name, missing string
		outcome       mailbox.Outcome
		call          func() error
	}{
		{"send", "send", mailbox.OutcomeNotSent, func() error {
			_, err := headers.Send(t.Context(), outgoing(), mailbox.SendOptions{})
			return err
		}},
		{"list", "read_headers", 0, func() error { _, err := none.List(t.Context(), mailbox.Query{}); return err }},
		{"list bodies", "read_bodies", 0, func() error {
			_, err := headers.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody})
			return err
		}},
		{"fetch", "read_headers", 0, func() error { _, err := none.Fetch(t.Context(), nil, mailbox.PartHeaders); return err }},
		{"fetch bodies", "read_bodies", 0, func() error { _, err := headers.Fetch(t.Context(), nil, mailbox.PartBody); return err }},
		{"cursor", "read_headers", 0, func() error { _, err := none.Cursor(t.Context()); return err }},
		{"changes", "read_headers", 0, func() error { _, err := none.Changes(t.Context(), "x", 0); return err }},
		{"set read", "write_read_state", 0, func() error { return headers.SetRead(t.Context(), true, "1") }},
		{"read sent", "read_headers", 0, func() error { _, err := none.ReadSent(t.Context(), mailbox.Sent{ID: "1"}); return err }},
		{"raw", "read_bodies", 0, func() error { _, err := headers.Raw(t.Context(), "1", 0); return err }},
		{"resolve", "read_headers", mailbox.OutcomeUnknown, func() error {
			_, outcome, err := none.ResolveSend(t.Context(), mailbox.Checkpoint{DraftID: "d"})
			if outcome != mailbox.OutcomeUnknown {
				t.Errorf("resolve: outcome %v, want unknown", outcome)
			}
			return err
		}},
	}
	for _, tt := range tests {
		err := tt.call()
		wantError(t, err, mailbox.ClassConsent, tt.outcome)
		if !strings.Contains(err.Error(), tt.missing) {
			t.Errorf("%s: %v does not name %s", tt.name, err, tt.missing)
		}
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	var call mailbox.Call
	s, _ := w.session(ann)
	s.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		call, _ = mailbox.CallOf(r.Context())
		return w.Transport().RoundTrip(r)
	})
	mb := w.openWith(ann, everything, s)

	req := must[*http.Request](t)(http.NewRequest("GET", "gmail/v1/users/me/labels", nil))
	resp := must[*http.Response](t)(mb.Do(t.Context(), "gmail.users.labels.list", req))
	resp.Body.Close()
	if resp.StatusCode != 200 || call.Units != 1 || call.Method != "gmail.users.labels.list" || call.Mailbox != ann {
		t.Errorf("status %d, call %+v", resp.StatusCode, call)
	}
	if req.Header.Get("Authorization") != "" || req.URL.Host != "" {
		t.Error("the caller's request was changed")
	}

	req = must[*http.Request](t)(http.NewRequest("GET", "gmail/v1/users/me/threads/123", nil))
	_, err := mb.Do(t.Context(), "gmail.users.threads.get", req)
	wantError(t, err, mailbox.ClassNotFound, mailbox.OutcomeNone)
	if _, ok := errors.AsType[*googleapi.Error](err); !ok {
		t.Errorf("the native error of %v is not *googleapi.Error", err)
	}

	req = must[*http.Request](t)(http.NewRequest("POST", "gmail/v1/users/me/messages/send", strings.NewReader(`{"raw":"eA=="}`)))
	req.Header.Set("Content-Type", "application/json")
	_, err = mb.Do(t.Context(), "gmail.users.messages.send", req)
	wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNotSent)

	for _, req := range []*http.Request{nil, {}} {
		_, err = mb.Do(t.Context(), "made.up", req)
		wantField(t, err, "request")
	}
	resp = must[*http.Response](t)(mb.Do(t.Context(), "gmail.users.getProfile", &http.Request{Method: "GET", URL: &url.URL{Path: "gmail/v1/users/me/profile"}}))
	resp.Body.Close()

	req = must[*http.Request](t)(http.NewRequest("GET", "https://evil.example/steal", nil))
	_, err = mb.Do(t.Context(), "made.up", req)
	if e := wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNone); e.Code != "foreign_host" {
		t.Errorf("a foreign host gives %v", e)
	}
}
