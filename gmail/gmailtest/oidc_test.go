package gmailtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// claimsOf verifies an ID token with the published keys.
func (w *world) claimsOf(token string) map[string]any {
	w.t.Helper()
	var set jose.JSONWebKeySet
	a := w.do(w.request("GET", "/oauth2/v3/certs", "", ""))
	if err := json.Unmarshal(a.body, &set); err != nil {
		w.t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.Claims(set, &claims); err != nil {
		w.t.Fatal(err)
	}
	return claims
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "eve@work.example", Name: "Eve", Subject: "77", HostedDomain: "work.example"})
	w.SetTime(time.Unix(1_800_000_000, 0))
	back := w.consent(gmailtest.Decision{User: "eve@work.example"}, url.Values{"nonce": {"n1"}})
	token := w.exchange(back.Get("code"))
	got := w.claimsOf(token.str("id_token"))
	for _, name := range []string{"iat", "exp"} {
		n, ok := got[name].(float64)
		if !ok || n < 1_800_000_000 || n > 1_800_003_700 {
			t.Errorf("%s = %v", name, got[name])
		}
		delete(got, name)
	}
	want := map[string]any{
		"iss": w.URL(), "aud": "client-id", "azp": "client-id", "sub": "77", "email": "eve@work.example",
		"email_verified": true, "hd": "work.example", "nonce": "n1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	again := w.claimsOf(w.refresh(token.str("refresh_token")).str("id_token"))
	if again["sub"] != "77" || again["nonce"] != nil {
		t.Errorf("ID token of a refresh = %v", again)
	}
	online := w.exchange(w.consent(gmailtest.Decision{User: bob}, url.Values{"scope": {gmailtest.ScopeSend}}).Get("code"))
	if online.status != http.StatusOK || online.at("id_token") != nil {
		t.Errorf("without openid: %s", online.body)
	}
}

func TestGrantForALimitedTime(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	const month = 30 * 24 * time.Hour
	token := w.exchange(w.consent(gmailtest.Decision{User: ann, Limit: month}, url.Values{"prompt": {"consent"}}).Get("code"))
	if n, ok := token.at("refresh_token_expires_in").(float64); !ok || n < month.Seconds()-2 || n > month.Seconds() {
		t.Errorf("token = %s", token.body)
	}
	w.Advance(month - time.Hour)
	if a := w.refresh(token.str("refresh_token")); a.status != 200 || a.at("refresh_token_expires_in") != nil {
		t.Errorf("an hour before: %s", a.body)
	}
	w.Advance(time.Hour)
	if a := w.refresh(token.str("refresh_token")); a.str("error_description") != "Token has been expired or revoked." {
		t.Errorf("afterwards: %s", a.body)
	}
}

func TestTestingModeEndsGrantsAfterAWeek(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Testing: true})
	_, mail := w.Tokens(ann, gmailtest.ScopeSend, "openid")
	_, signIn := w.Tokens(bob, "openid", "email", "profile")
	w.Advance(7*24*time.Hour - time.Minute)
	if a := w.refresh(mail); a.status != 200 {
		t.Errorf("in the first week: %s", a.body)
	}
	w.Advance(time.Minute)
	if a := w.refresh(mail); a.status != 400 || a.str("error") != "invalid_grant" || a.str("error_description") != "Token has been expired or revoked." {
		t.Errorf("after a week: %s", a.body)
	}
	if a := w.refresh(signIn); a.status != 200 {
		t.Errorf("sign-in scopes alone: %s", a.body)
	}
}

func TestUnusedGrantsEnd(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		option, unused time.Duration
		alive          bool
	}{
		"used":            {0, 182 * day, true},
		"six months":      {0, 184 * day, false},
		"a shorter time":  {day, 2 * day, false},
		"no end":          {-1, 1000 * day, true},
		"used after that": {2 * day, day, true},
	} {
		w := setup(t, gmailtest.Options{RefreshInactivity: c.option})
		_, token := w.Tokens(ann, gmailtest.ScopeSend)
		for range 3 { // every use puts the end off
			w.Advance(c.unused)
			a := w.refresh(token)
			if (a.status == 200) != c.alive || !c.alive && a.str("error") != "invalid_grant" {
				t.Errorf("%s: %s", name, a.body)
			}
		}
	}
}

func TestEndGrant(t *testing.T) {
	t.Parallel()
	for why, want := range map[gmailtest.EndReason][3]string{
		gmailtest.EndRevoked:  {"invalid_grant", "Token has been expired or revoked.", ""},
		gmailtest.EndPassword: {"invalid_grant", "Token has been expired or revoked.", ""},
		gmailtest.EndInactive: {"invalid_grant", "Token has been expired or revoked.", ""},
		gmailtest.EndDisabled: {"invalid_grant", "Token has been expired or revoked.", ""},
		gmailtest.EndUnclear:  {"invalid_grant", "Bad Request", ""},
		gmailtest.EndDeleted:  {"invalid_grant", "Account has been deleted", ""},
		gmailtest.EndReauth:   {"invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"},
		gmailtest.EndPolicy:   {"admin_policy_enforced", "The administrator of this account does not allow the app.", ""},
	} {
		w := setup(t, gmailtest.Options{})
		access, token := w.Tokens(ann, gmailtest.ScopeModify)
		_, bobs := w.Tokens(bob, gmailtest.ScopeModify)
		w.EndGrant(ann, why)
		a := w.refresh(token)
		if got := [3]string{a.str("error"), a.str("error_description"), a.str("error_subtype")}; got != want || a.status != 400 {
			t.Errorf("%s: %d %s", why, a.status, a.body)
		}
		w.token = access
		w.refused("GET", "/profile", "", 401, "authError", "")
		if w.refresh(bobs).status != 200 {
			t.Errorf("%s: the grant of another user ended", why)
		}
		if w.exchange(w.consent(gmailtest.Decision{User: ann}, nil).Get("code")).str("refresh_token") == "" {
			t.Errorf("%s: no way to connect again", why)
		}
	}
}

func TestClientFaults(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	_, token := w.Tokens(ann, gmailtest.ScopeModify)
	for fault, want := range map[gmailtest.ClientFault]string{
		gmailtest.ClientSecret: "invalid_client", gmailtest.ClientUnknown: "invalid_client", gmailtest.ClientDeleted: "deleted_client",
	} {
		w.SetClientFault("client-id", fault)
		if a := w.refresh(token); a.status != 401 || a.str("error") != want {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
	}
	w.SetClientFault("client-id", gmailtest.ClientFine)
	if a := w.refresh(token); a.status != 200 || w.OAuth.Refreshes(ann) != 1 {
		t.Errorf("%d refreshes, %s", w.OAuth.Refreshes(ann), a.body)
	}
}

// A stop by any client ends the pushes of the mailbox for the whole project.
func TestStopEndsTheWatchOfTheProject(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{ProjectID: "p1"})
	w.OAuth.Register(gmailtest.Client{ID: "other", Secret: "s"})
	w.ok("POST", "/watch", `{"topicName":"projects/p1/topics/mail"}`)
	w.as(bob).ok("POST", "/watch", `{"topicName":"projects/p1/topics/mail"}`)
	w.token, _ = w.OAuth.Issue(ann, "other", []string{gmailtest.ScopeReadonly})
	w.ok("POST", "/stop", "")
	if w.Watch(ann) != nil || w.Watch(bob) == nil {
		t.Errorf("ann %v, bob %v", w.Watch(ann), w.Watch(bob))
	}
	w.ok("POST", "/stop", "") // nothing to stop is no error
}

func TestOpenerPolicyOfTheAuthorizationPage(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"", "same-origin"} {
		w := setup(t, gmailtest.Options{OpenerPolicy: policy})
		a := w.do(w.request("GET", "/o/oauth2/v2/auth?response_type=code&client_id=client-id&scope=openid&redirect_uri="+url.QueryEscape(callback), "", ""))
		if got := a.header.Get("Cross-Origin-Opener-Policy"); a.status != 200 || got != policy {
			t.Errorf("%d, policy %q", a.status, got)
		}
	}
}
