package connect_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

func appRequest() connect.AppRequest {
	return connect.AppRequest{
		Ref: ref, Owner: "user-7", Provider: mailbox.Outlook, Address: "sales@example.com", Directory: "contoso", Want: wanted,
	}
}

func TestConnectApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o *organisation
		h := newHost(t, withOrganisation(&o))
		_, err := h.ConnectApp(t.Context(), appRequest())
		wantRefused(t, err, mailbox.ClassAdmin, "admin_policy_enforced")
		h.wantUntouched(t)
		time.Sleep(time.Hour)
		o.allow("contoso")
		a, err := h.ConnectApp(t.Context(), appRequest())
		if err != nil {
			t.Fatal(err)
		}
		want := mailbox.Account{
			Ref: ref, Owner: "user-7", Provider: mailbox.Outlook, Subject: "sub-sales", Address: "sales@example.com", Name: "sales",
			Directory: "contoso", Access: mailbox.AccessApp, Scopes: []string{".default"}, Wanted: wanted, Capabilities: wanted,
			State: mailbox.StateConnected, Version: 1,
		}
		if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(mailbox.Account{}, "StateSince", "ConnectedAt", "Link")); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
		if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("a token was stored: %v", err)
		}
		// Opened again and again, it goes on with one token.
		asked := h.outlook.count("/contoso/token?app")
		for range 3 {
			mb, err := h.Open(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			if tok, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); err != nil || tok != "canary-app-access" {
				t.Fatalf("Token: %v", err)
			}
		}
		if got := h.outlook.count("/contoso/token?app"); got != asked {
			t.Errorf("%d more requests for a token", got-asked)
		}
		// With less, and everything else as it was.
		again, err := h.ConnectApp(t.Context(), connect.AppRequest{Ref: ref, Want: mailbox.CanSend})
		if err != nil || again.Capabilities != mailbox.CanSend || again.Address != a.Address || again.Link != a.Link || again.Owner != "user-7" {
			t.Errorf("renewed as %+v, %v", again, err)
		}

		// The administrator takes it back, and gives it again.
		h.told()
		o.allow()
		time.Sleep(2 * time.Hour)
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); mailbox.ClassOf(err) != mailbox.ClassAdmin {
			t.Fatalf("Token: %v", err)
		}
		_, err = h.Open(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassAdmin, "")
		o.allow("contoso")
		time.Sleep(time.Hour)
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateConnected {
			t.Errorf("Check: %s, %v", a.State, err)
		}
		if diff := cmp.Diff([]string{"sales needs_admin", "sales connected"}, h.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		_, err = h.Open(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
		if len(h.outlook.revoked) != 0 {
			t.Error("something was revoked")
		}
	})
}

func TestConnectAppRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit    func(*connect.AppRequest)
		prepare func(*testing.T, *host)
		class   mailbox.Class
		field   string
	}{
		"no mailbox":         {edit: func(r *connect.AppRequest) { r.Mailbox = "" }, class: mailbox.ClassInvalid, field: "mailbox"},
		"no provider":        {edit: func(r *connect.AppRequest) { r.Provider = "" }, class: mailbox.ClassInvalid, field: "provider"},
		"no address":         {edit: func(r *connect.AppRequest) { r.Address = "" }, class: mailbox.ClassInvalid, field: "address"},
		"a path for one":     {edit: func(r *connect.AppRequest) { r.Directory = "contoso/../other" }, class: mailbox.ClassInvalid, field: "directory"},
		"no directory":       {edit: func(r *connect.AppRequest) { r.Directory = "" }, class: mailbox.ClassInvalid, field: "directory"},
		"nothing wanted":     {edit: func(r *connect.AppRequest) { r.Want = 0 }, class: mailbox.ClassInvalid, field: "want"},
		"another app":        {edit: func(r *connect.AppRequest) { r.App = "other" }, class: mailbox.ClassInvalid, field: "app"},
		"other capabilities": {edit: func(r *connect.AppRequest) { r.Want = mailbox.CanDraft }, class: mailbox.ClassUnsupported},
		"another provider":   {edit: func(r *connect.AppRequest) { r.Provider = mailbox.Gmail }, class: mailbox.ClassUnsupported},
		"linked by its user": {class: mailbox.ClassConflict, prepare: func(t *testing.T, h *host) {
			r := sharing()
			r.Tenant = "other"
			h.connect(t, r, "sales")
		}},
		"connected by its user": {class: mailbox.ClassInvalid, field: "mailbox", prepare: func(t *testing.T, h *host) {
			h.connect(t, sharing(), "sales")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o *organisation
			h := newHost(t, withOrganisation(&o))
			o.allow("contoso")
			r := appRequest()
			if test.edit != nil {
				test.edit(&r)
			}
			if test.prepare != nil {
				test.prepare(t, h)
			}
			_, err := h.ConnectApp(t.Context(), r)
			if mailbox.ClassOf(err) != test.class {
				t.Fatalf("got %v", err)
			}
			if fe, ok := errors.AsType[*mailbox.FieldError](err); test.field != "" && (!ok || fe.Field != test.field) {
				t.Errorf("got %v, want the field %s", err, test.field)
			}
			if test.class == mailbox.ClassConflict && !errors.Is(err, connect.ErrLinked) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What the provider says to a mistaken request is not about the mailbox that is
// connected under the same name.
func TestConnectAppRefusedLeavesTheMailbox(t *testing.T) {
	t.Parallel()
	for name, connected := range map[string]func(*testing.T, *host) mailbox.Ref{
		"an app's": func(t *testing.T, h *host) mailbox.Ref {
			if _, err := h.ConnectApp(t.Context(), appRequest()); err != nil {
				t.Fatal(err)
			}
			return ref
		},
		"a shared one": func(t *testing.T, h *host) mailbox.Ref {
			h.connect(t, sharing(), "ann")
			h.connectShared(t, supportRequest())
			return support
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o *organisation
			h := newHost(t, withOrganisation(&o))
			o.allow("contoso")
			r := appRequest()
			r.Ref = connected(t, h)
			want := h.accountOf(t, r.Ref)
			h.told()
			r.Directory = "fabrikam" // has not allowed the app
			_, err := h.ConnectApp(t.Context(), r)
			wantRefused(t, err, mailbox.ClassAdmin, "admin_policy_enforced")
			if diff := cmp.Diff(want, h.accountOf(t, r.Ref)); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
			if told := h.told(); len(told) != 0 {
				t.Errorf("told %v", told)
			}
			if _, err := h.Open(t.Context(), r.Ref); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

// delegating is a service whose app has a service account, which says for whom it
// acts.
type delegating struct {
	*organisation
	subjects chan string
}

func (d delegating) AppScopes(mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	return []string{"mail.send"}, mailbox.AppFlowAssertion, nil
}

func (d delegating) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(req.Form.Get("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	claims, err := jws.Verify(testKey().Public())
	if err != nil {
		return nil, err
	}
	var c struct{ Sub string }
	if err := json.Unmarshal(claims, &c); err != nil {
		return nil, err
	}
	d.subjects <- c.Sub
	return answer(200, `{"access_token":"canary-app-access","token_type":"Bearer","expires_in":3600}`), nil
}

func TestConnectAppByServiceAccount(t *testing.T) {
	t.Parallel()
	der, err := x509.MarshalPKCS8PrivateKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@project.example", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	subjects := make(chan string, 10)
	h := newHost(t, func(c *connect.Config) {
		d := delegating{newOrganisation(c.Apps[0].Provider.(*service)), subjects}
		c.Apps[0].Provider, c.Apps[0].Transport, c.Apps[0].ServiceAccountKey = d, d, file
		c.Apps[0].RedirectURL, c.Apps[0].AdminRedirectURL = "", "" // no user connects with it
	})
	user := request()
	user.Mailbox = "of a user"
	_, err = h.Start(t.Context(), user)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "app" {
		t.Errorf("Start without a redirect URL: %v", err)
	}
	for _, name := range []string{"sales", "info"} {
		r := appRequest()
		r.Provider, r.Directory, r.Mailbox, r.Address = mailbox.Gmail, "", mailbox.MailboxID(name), name+"@example.com"
		if _, err := h.ConnectApp(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		token(t, h, r.Ref)
		if got := <-subjects; got != r.Address {
			t.Errorf("a token for %q, want %q", got, r.Address)
		}
	}
	if len(subjects) != 0 {
		t.Errorf("%d more tokens were asked for", len(subjects))
	}
}

func TestServiceAccountKey(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.config.Apps[1].ServiceAccountKey = []byte(`{"type":"service_account","client_email":"canary@x.example"}`)
	_, err := connect.New(h.config)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "Apps[1].ServiceAccountKey: private_key_id" {
		t.Errorf("got %v", err)
	}
	wantNoSecrets(t, "error", err)
}
