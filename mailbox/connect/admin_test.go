package connect_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// sendNow asks for sending now and for reading after an administrator's consent.
func sendNow() connect.StartRequest {
	r := request()
	r.Provider, r.Want, r.Later = mailbox.Outlook, mailbox.CanSend, mailbox.CanReadHeaders
	return r
}

// managed is a host whose users may not agree to reading by themselves.
func managed(t testing.TB, edit ...func(*connect.Config)) *host {
	t.Helper()
	h := newHost(t, edit...)
	h.outlook.managed = []string{"mail.headers", "mail.bodies", "calendar"}
	return h
}

func adminMux(h *host) http.Handler {
	m := http.NewServeMux()
	m.Handle("/admin/start", h.AdminConsentHandler())
	m.Handle("/admin/outlook", h.AdminCallbackHandler(mailbox.Outlook))
	m.Handle("/admin/gmail", h.AdminCallbackHandler(mailbox.Gmail))
	return m
}

func link(t testing.TB, h *host, r connect.AdminRequest) connect.AdminLink {
	t.Helper()
	l, err := h.AdminConsent(t.Context(), r)
	if err != nil {
		t.Fatalf("AdminConsent: %v", err)
	}
	return l
}

// room notes what it is told.
type room struct{ connected []mailbox.Account }

func (r *room) Connected(_ context.Context, a mailbox.Account) error {
	r.connected = append(r.connected, a)
	return errors.New("a room that fails stops nothing")
}

func (*room) Disconnecting(context.Context, mailbox.Account, mailbox.Mailbox) error { return nil }

// The user connects sending; the administrator gets a letter and agrees; the
// mailbox then reads, without the user.
func TestTwoStageConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rooms := &room{}
		h := managed(t, func(c *connect.Config) { c.Rooms = []connect.Room{rooms} })
		before := h.connect(t, sendNow(), "ann")
		if before.State != mailbox.StateConnected || before.Capabilities != mailbox.CanSend || before.Missing() != mailbox.CanReadHeaders {
			t.Fatalf("after the user: %+v", before)
		}
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		source := mb.(*opened).session.Tokens
		narrow, err := source.Token(t.Context(), mailbox.TokenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		// Too early.
		_, err = h.Widen(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassConsent, "consent_required")
		if diff := cmp.Diff(before, h.account(t)); diff != "" {
			t.Errorf("a refused Widen changed the account:\n%s", diff)
		}

		l := link(t, h, connect.AdminRequest{Ref: ref, ReturnTo: "/thanks"})
		var admin browser
		resp := admin.do(adminMux(h), http.MethodGet, l.URL)
		wantRedirect(t, resp, resp.Header.Get("Location"))
		answer := h.outlook.administer(t, resp.Header.Get("Location"), "contoso", "")
		if got := answer.Get("scope"); got != "mail.headers mail.send openid" {
			t.Errorf("the administrator is asked for %q", got)
		}
		resp = admin.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?"+answer.Encode())
		wantRedirect(t, resp, "/thanks?admin_consent=granted")

		after := h.account(t)
		if after.Capabilities != wanted || after.Missing() != 0 || after.State != mailbox.StateConnected || !after.ConnectedAt.Equal(before.ConnectedAt) {
			t.Errorf("after the administrator: %+v", after)
		}
		if len(rooms.connected) != 2 || rooms.connected[1].Capabilities != wanted {
			t.Errorf("the rooms were told %+v", rooms.connected)
		}
		if last := h.events[len(h.events)-1]; len(h.events) != 2 || last.State != mailbox.StateConnected || last.ID == h.events[0].ID {
			t.Errorf("events %+v", h.events)
		}
		// Also for the mailbox that stayed open.
		wide, err := source.Token(t.Context(), mailbox.TokenRequest{})
		if err != nil || wide == narrow {
			t.Errorf("Token: %v", err)
		}
		if g := h.outlook.accesses[string(wide)]; strings.Join(g.scopes, " ") != "mail.headers mail.send openid" {
			t.Errorf("the token has %v", g.scopes)
		}
		// And it lasts.
		time.Sleep(2 * time.Hour)
		tok, err := source.Token(t.Context(), mailbox.TokenRequest{})
		if g := h.outlook.accesses[string(tok)]; err != nil || len(g.scopes) != 3 {
			t.Errorf("after a refresh: %v, error %v", g.scopes, err)
		}
		// Nothing is left to do.
		n := h.outlook.count("/contoso/token")
		if a, err := h.Widen(t.Context(), ref); err != nil || a.Version != after.Version || h.outlook.count("/contoso/token") != n {
			t.Errorf("Widen again: version %d, error %v", a.Version, err)
		}
	})
}

// The normal flow tells that an administrator is needed; the link then works
// without an account, and the user connects afterwards.
func TestAdminConsentBeforeTheAccount(t *testing.T) {
	t.Parallel()
	h := managed(t)
	r := request()
	r.Provider = mailbox.Outlook
	_, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann"}))
	wantRefused(t, err, mailbox.ClassAdmin, "admin_policy_enforced")
	if connect.ErrorCode(err) != connect.ErrorAdmin {
		t.Errorf("code %s", connect.ErrorCode(err))
	}
	l := link(t, h, connect.AdminRequest{Ref: ref, Provider: mailbox.Outlook, Directory: "contoso", Want: wanted})
	var admin browser
	answer := h.outlook.administer(t, admin.do(adminMux(h), http.MethodGet, l.URL).Header.Get("Location"), "contoso", "")
	resp := admin.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?"+answer.Encode())
	wantRedirect(t, resp, "/settings?admin_consent=granted")
	h.wantUntouched(t)
	h.connect(t, r, "ann")
}

// What the browser brings is no proof of consent.
func TestAdminConsentIsNotBelieved(t *testing.T) {
	t.Parallel()
	h := managed(t)
	before := h.connect(t, sendNow(), "ann")
	var admin browser
	page := admin.do(adminMux(h), http.MethodGet, link(t, h, connect.AdminRequest{Ref: ref}).URL).Header.Get("Location")
	forged := url.Values{"state": {query(t, page).Get("state")}, "admin_consent": {"True"}, "tenant": {"somebody-elses"}}
	resp := admin.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?"+forged.Encode())
	wantRedirect(t, resp, "/settings?admin_consent=pending")
	if diff := cmp.Diff(before, h.account(t)); diff != "" {
		t.Errorf("the account changed:\n%s", diff)
	}
}

func TestAdminRefuses(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[string]string{
		"permission_denied":     connect.ErrorDeclined,
		"access_denied":         connect.ErrorDeclined,
		"invalid_scope":         connect.ErrorMisconfigured,
		"admin_policy_enforced": connect.ErrorAdmin,
		"surprise":              connect.ErrorFailed,
	} {
		h := managed(t)
		h.connect(t, sendNow(), "ann")
		var admin browser
		answer := h.outlook.administer(t, admin.do(adminMux(h), http.MethodGet, link(t, h, connect.AdminRequest{Ref: ref}).URL).Header.Get("Location"), "contoso", refusal)
		resp := admin.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?"+answer.Encode())
		wantRedirect(t, resp, "/settings?connect_error="+want)
	}
}

func TestAdminLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := managed(t)
		r := sendNow()
		r.ExtraScopes = []string{"calendar.free"}
		h.connect(t, r, "ann")
		l := link(t, h, connect.AdminRequest{Ref: ref})
		if !l.ExpiresAt.Equal(time.Now().Add(7*24*time.Hour)) || l.Subject == "" {
			t.Errorf("link %+v", l)
		}
		want := []connect.Permission{
			{Scope: "mail.headers", For: mailbox.CanReadHeaders},
			{Scope: "mail.send", For: mailbox.CanSend},
			{Scope: "openid"},
			{Scope: "calendar.free"},
		}
		if diff := cmp.Diff(want, l.Permissions); diff != "" {
			t.Errorf("permissions differ (-want +got):\n%s", diff)
		}
		for _, part := range []string{
			"ann@example.com", "(client) ID: client\n", "Organisation: contoso\n", "\n" + l.URL + "\n",
			"- mail.headers: to notice answers", "- mail.send: to send mail\n", "- openid: to sign the user in",
			"- calendar.free: for further features", "What happens next: the mailbox above can be used", "8 January 2000, 00:00 UTC",
		} {
			if !strings.Contains(l.Text, part) {
				t.Errorf("the letter does not say %q:\n%s", part, l.Text)
			}
		}
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if text := link(t, h, connect.AdminRequest{Ref: ref, Want: mailbox.CanSend}).Text; !strings.Contains(text, "What happens next: the user can connect") {
			t.Errorf("of a mailbox that was disconnected:\n%s", text)
		}
		for _, hidden := range []string{"acme", "sales", "user-7", "sub-ann", "contoso"} {
			if strings.Contains(l.URL, hidden) {
				t.Errorf("the link shows %q: %s", hidden, l.URL)
			}
		}
	})
}

func TestAdminConsentRefuses(t *testing.T) {
	t.Parallel()
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	tests := map[string]struct {
		change func(*connect.AdminRequest)
		field  string
	}{
		"no tenant":            {func(r *connect.AdminRequest) { r.Tenant = "" }, "tenant"},
		"bad mailbox":          {func(r *connect.AdminRequest) { r.Mailbox = "a\nb" }, "mailbox"},
		"no provider":          {func(r *connect.AdminRequest) { r.Mailbox = "" }, "provider"},
		"another provider":     {func(r *connect.AdminRequest) { r.Provider = mailbox.Gmail }, "provider"},
		"unknown app":          {func(r *connect.AdminRequest) { r.App = "other" }, "app"},
		"nothing wanted":       {func(r *connect.AdminRequest) { r.Mailbox, r.Provider = "new", mailbox.Outlook }, "want"},
		"short":                {func(r *connect.AdminRequest) { r.TTL = time.Second }, "ttl"},
		"long":                 {func(r *connect.AdminRequest) { r.TTL = 31 * 24 * time.Hour }, "ttl"},
		"directory of a path":  {func(r *connect.AdminRequest) { r.Directory = "contoso/../evil" }, "directory"},
		"directory with dots":  {func(r *connect.AdminRequest) { r.Directory = ".." }, "directory"},
		"directory with query": {func(r *connect.AdminRequest) { r.Directory = "contoso?x=y" }, "directory"},
		"scopes in one":        {func(r *connect.AdminRequest) { r.ExtraScopes = []string{"a b"} }, "extra_scopes"},
		"too many scopes":      {func(r *connect.AdminRequest) { r.ExtraScopes = make([]string, 33) }, "extra_scopes"},
		"another site":         {func(r *connect.AdminRequest) { r.ReturnTo = "https://evil.test" }, "return_to"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := connect.AdminRequest{Ref: ref}
			test.change(&r)
			_, err := h.AdminConsent(t.Context(), r)
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || fe.Field != test.field {
				t.Errorf("got %v, want a FieldError of %s", err, test.field)
			}
		})
	}
	_, err := h.AdminConsent(t.Context(), connect.AdminRequest{Ref: mailbox.Ref{Tenant: "acme"}, Provider: mailbox.Gmail, Want: wanted})
	wantRefused(t, err, mailbox.ClassUnsupported, "")
	for field, edit := range map[string]func(*connect.Config){
		"Config.AdminConsentURL": func(c *connect.Config) { c.AdminConsentURL = "" },
		"App.AdminRedirectURL":   func(c *connect.Config) { c.Apps[1].AdminRedirectURL = "" },
	} {
		_, err := managed(t, edit).AdminConsent(t.Context(), connect.AdminRequest{Ref: ref, Provider: mailbox.Outlook, Want: wanted})
		if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != field {
			t.Errorf("got %v, want a FieldError of %s", err, field)
		}
	}
}

// Every way in which the pages of administrators can be misused.
func TestAdminPagesRefuse(t *testing.T) {
	t.Parallel()
	const refused = "/settings?connect_error=invalid_callback"
	// begin returns a host, an administrator's browser, and the provider's answer.
	begin := func(t *testing.T) (*host, *browser, url.Values) {
		h := managed(t)
		h.connect(t, sendNow(), "ann")
		admin := &browser{}
		page := admin.do(adminMux(h), http.MethodGet, link(t, h, connect.AdminRequest{Ref: ref}).URL).Header.Get("Location")
		return h, admin, h.outlook.administer(t, page, "contoso", "")
	}
	at := func(h *host, b *browser, path string, q url.Values) *http.Response {
		return b.do(adminMux(h), http.MethodGet, "https://host.test"+path+"?"+q.Encode())
	}
	wantNarrow := func(t *testing.T, h *host) {
		t.Helper()
		if a := h.account(t); a.Capabilities != mailbox.CanSend {
			t.Errorf("the mailbox was widened: %s", a.Capabilities)
		}
	}
	t.Run("another browser", func(t *testing.T) {
		t.Parallel()
		h, _, answer := begin(t)
		other := &browser{}
		other.do(adminMux(h), http.MethodGet, link(t, h, connect.AdminRequest{Ref: ref}).URL) // has a cookie of its own
		wantRedirect(t, at(h, other, "/admin/outlook", answer), refused)
		wantRedirect(t, at(h, &browser{}, "/admin/outlook", answer), refused)
		wantNarrow(t, h)
	})
	t.Run("replay", func(t *testing.T) {
		t.Parallel()
		h, admin, answer := begin(t)
		wantRedirect(t, at(h, admin, "/admin/outlook", answer), "/settings?admin_consent=granted")
		wantRedirect(t, at(h, admin, "/admin/outlook", answer), refused)
	})
	t.Run("another provider", func(t *testing.T) {
		t.Parallel()
		h, admin, answer := begin(t)
		wantRedirect(t, at(h, admin, "/admin/gmail", answer), refused)
		wantNarrow(t, h)
	})
	t.Run("no state", func(t *testing.T) {
		t.Parallel()
		h, admin, answer := begin(t)
		answer.Del("state")
		wantRedirect(t, at(h, admin, "/admin/outlook", answer), refused)
		wantNarrow(t, h)
	})
	t.Run("no consent", func(t *testing.T) {
		t.Parallel()
		h, admin, answer := begin(t)
		answer.Set("admin_consent", "False")
		wantRedirect(t, at(h, admin, "/admin/outlook", answer), refused)
		wantNarrow(t, h)
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h, admin, answer := begin(t)
			time.Sleep(10 * time.Minute)
			wantRedirect(t, at(h, admin, "/admin/outlook", answer), refused)
		})
	})
	t.Run("state of a connect", func(t *testing.T) {
		t.Parallel()
		h, admin, answer := begin(t)
		m := mux(h, fixed(sendNow()))
		page := admin.do(m, http.MethodGet, "https://host.test/start").Header.Get("Location")
		state := answer.Get("state")
		answer.Set("state", query(t, page).Get("state"))
		wantRedirect(t, at(h, admin, "/admin/outlook", answer), refused)
		wantRedirect(t, admin.do(m, http.MethodGet, "https://host.test/connect/outlook?code=x&state="+state), refused)
		wantNarrow(t, h)
	})
	t.Run("expired ticket", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h, admin, _ := begin(t)
			l := link(t, h, connect.AdminRequest{Ref: ref, TTL: time.Hour})
			time.Sleep(time.Hour)
			wantRedirect(t, admin.do(adminMux(h), http.MethodGet, l.URL), refused)
		})
	})
	t.Run("tampered ticket", func(t *testing.T) {
		t.Parallel()
		h, admin, _ := begin(t)
		good := link(t, h, connect.AdminRequest{Ref: ref}).URL
		m := adminMux(h)
		for i := len("https://host.test/admin/start?ticket="); i < len(good); i++ {
			bad := []byte(good)
			bad[i] ^= 1
			wantRedirect(t, admin.do(m, http.MethodGet, (&url.URL{Scheme: "https", Host: "host.test", Path: "/admin/start"}).String()+
				"?ticket="+url.QueryEscape(string(bad[len("https://host.test/admin/start?ticket="):]))), refused)
		}
		for _, bad := range []string{"", "?ticket=", "?ticket=" + strings.Repeat("A", 9000), "?ticket=x&ticket=y", "?ticket=" + query(t, h.start(t, sendNow())).Get("state")} {
			wantRedirect(t, admin.do(m, http.MethodGet, "https://host.test/admin/start"+bad), refused)
		}
	})
	t.Run("ticket of another host", func(t *testing.T) {
		t.Parallel()
		h, admin, _ := begin(t)
		other := managed(t, func(c *connect.Config) { c.StateKey = []byte(strings.Repeat("x", 32)) })
		other.connect(t, sendNow(), "ann")
		wantRedirect(t, admin.do(adminMux(h), http.MethodGet, link(t, other, connect.AdminRequest{Ref: ref}).URL), refused)
	})
	t.Run("methods", func(t *testing.T) {
		t.Parallel()
		h, admin, _ := begin(t)
		for _, path := range []string{"/admin/start", "/admin/outlook"} {
			if resp := admin.do(adminMux(h), http.MethodPost, "https://host.test"+path); resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: HTTP %d", path, resp.StatusCode)
			}
		}
	})
}

// A link for more than the account was waiting for makes it wait for that too.
func TestAdminConsentForMore(t *testing.T) {
	t.Parallel()
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	l := link(t, h, connect.AdminRequest{Ref: ref, Want: wanted | mailbox.CanReadBodies, ExtraScopes: []string{"calendar"}})
	var admin browser
	answer := h.outlook.administer(t, admin.do(adminMux(h), http.MethodGet, l.URL).Header.Get("Location"), "contoso", "")
	wantRedirect(t, admin.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?"+answer.Encode()), "/settings?admin_consent=granted")
	a := h.account(t)
	if want := wanted | mailbox.CanReadBodies; a.Capabilities != want || a.Wanted != want || !slices.Equal(a.ExtraScopes, []string{"calendar"}) || !slices.Contains(a.Scopes, "calendar") {
		t.Errorf("capabilities %s, wanted %s, scopes %v", a.Capabilities, a.Wanted, a.Scopes)
	}
}

// Scopes that give something only together, and scopes that give the same.
func TestPermissionsTogether(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) { c.Apps[1].Provider = together{c.Apps[1].Provider.(*service)} })
	l := link(t, h, connect.AdminRequest{Ref: ref, Provider: mailbox.Outlook, Want: mailbox.CanShared | mailbox.CanReadHeaders})
	want := []connect.Permission{
		{Scope: "openid"},
		{Scope: "mail", For: mailbox.CanReadHeaders},
		{Scope: "mail.full", For: mailbox.CanReadHeaders | mailbox.CanShared},
		{Scope: "shared", For: mailbox.CanShared},
	}
	if diff := cmp.Diff(want, l.Permissions); diff != "" {
		t.Errorf("permissions differ (-want +got):\n%s", diff)
	}
}

type together struct{ *service }

func (together) Scopes(mailbox.Capabilities) ([]string, error) {
	return []string{"openid", "mail", "mail.full", "shared"}, nil
}

func (together) Granted(scopes []string) mailbox.Capabilities {
	var c mailbox.Capabilities
	if slices.Contains(scopes, "mail") || slices.Contains(scopes, "mail.full") {
		c |= mailbox.CanReadHeaders
	}
	if slices.Contains(scopes, "shared") && slices.Contains(scopes, "mail.full") {
		c |= mailbox.CanShared
	}
	return c
}
