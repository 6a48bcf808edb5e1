package mailboxtest

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// optionalRules are about what only some providers can do. A rule whose interface
// is not implemented, or whose means the harness does not have, holds.
var optionalRules = []rule{
	{"an ID token is about the account that the token belongs to", func(t *testing.T, h *Harness) {
		reader, ok := h.Provider.(mailbox.IDTokenReader)
		if !ok || h.IDToken == nil {
			return
		}
		scopes := must[[]string](t)(h.Provider.Scopes(sending))
		for _, address := range []string{h.Alice, h.Bob} {
			told := must[mailbox.Identity](t)(reader.IDToken(h.IDToken(t, address)))
			asked := must[mailbox.Identity](t)(h.Provider.Identify(t.Context(), h.Session(t, address, scopes)))
			if told.Subject != "" && told.Subject != asked.Subject {
				t.Errorf("the token is about %q, the account is %q", told.Subject, asked.Subject)
			}
		}
		if h.Provider.OAuth().KeysURL == "" {
			t.Error("nothing tells where the keys are")
		}
	}},
	{"an ID token of another issuer is refused", func(t *testing.T, h *Harness) {
		reader, ok := h.Provider.(mailbox.IDTokenReader)
		if !ok || h.IDToken == nil {
			return
		}
		var claims map[string]any
		if err := json.Unmarshal(h.IDToken(t, h.Alice), &claims); err != nil {
			t.Fatal(err)
		}
		issuer, _ := claims["iss"].(string)
		for _, other := range []any{"https://evil.example", issuer + ".evil.example", issuer + "/", strings.ToUpper(issuer), "", nil, []string{issuer}} {
			claims["iss"] = other
			forged, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			if id, err := reader.IDToken(forged); err == nil {
				t.Errorf("issuer %v gives %+v", other, id)
			}
		}
		for _, claims := range []string{"", "null", "[]", "{}", `{"iss":7}`, "<html>"} {
			if id, err := reader.IDToken([]byte(claims)); err == nil {
				t.Errorf("%q gives %+v", claims, id)
			}
		}
	}},
	{"a directory changes where tokens are asked for, never the host", func(t *testing.T, h *Harness) {
		base := h.Provider.OAuth()
		want := must[*url.URL](t)(url.Parse(base.TokenURL))
		for _, d := range []string{
			"", "contoso.example", "72f988bf-86f1-41af-91ab-2d7cd011db47", "..", "../../evil", "/", "//evil.example", "a b", "a\n",
			"evil.example/x", "x@evil.example", "?", "#", "%2e%2e", `\`, strings.Repeat("a", 5000),
		} {
			o := mailbox.OAuthAt(h.Provider, d)
			got, err := url.Parse(o.TokenURL)
			if err != nil || got.Scheme != want.Scheme || got.Host != want.Host || got.User != nil || got.RawQuery != want.RawQuery || got.Fragment != "" ||
				strings.Count(got.EscapedPath(), "/") != strings.Count(want.EscapedPath(), "/") {
				t.Errorf("directory %q leads to %s", d, o.TokenURL)
			}
			if d == "" && o.TokenURL != base.TokenURL {
				t.Errorf("no directory leads to %s", o.TokenURL)
			}
		}
	}},
	{"a cause that was told is not explained away", func(t *testing.T, h *Harness) {
		explainer, ok := h.Provider.(mailbox.GrantExplainer)
		if !ok {
			return
		}
		now := time.Now()
		for _, history := range []mailbox.GrantHistory{
			{},
			{RefusedAt: now},
			{GrantedAt: now.AddDate(0, 0, -7), UsedAt: now, RefusedAt: now},
			{GrantedAt: now.AddDate(-3, 0, 0), UsedAt: now.AddDate(-2, 0, 0), RefreshExpiry: now.AddDate(-1, 0, 0), RefusedAt: now},
		} {
			told := &mailbox.Error{Class: mailbox.ClassReconnect, Cause: mailbox.CauseMFA}
			if got := explainer.ExplainGrant(told, history); got != told.Cause {
				t.Errorf("%+v: %q", history, got)
			}
			fault := &mailbox.Error{Class: mailbox.ClassUnavailable}
			if got := explainer.ExplainGrant(fault, history); got != "" {
				t.Errorf("%+v: a fault of the provider has the cause %q", history, got)
			}
		}
	}},
	{"an app asks for its scopes in a known way", func(t *testing.T, h *Harness) {
		app, ok := h.Provider.(mailbox.AppProvider)
		if !ok {
			return
		}
		h.subsets(func(want mailbox.Capabilities) {
			scopes, flow, err := app.AppScopes(want)
			again, _, _ := app.AppScopes(want)
			if err != nil || flow != mailbox.AppFlowCredentials && flow != mailbox.AppFlowAssertion || !slices.Equal(scopes, again) {
				t.Errorf("AppScopes(%v) = %q, %q, %v", want, scopes, flow, err)
			}
		})
		_, _, err := app.AppScopes(1 << 30)
		wantClass(t, err, mailbox.ClassUnsupported)
	}},
	{"announcements start, are renewed and end", func(t *testing.T, h *Harness) {
		mb, ok := h.open(t, h.Alice, h.All).(mailbox.Watcher)
		if !ok || h.Announce == (mailbox.WatchRequest{}) {
			return
		}
		watching := func() int {
			if h.Watching == nil {
				return 0
			}
			return h.Watching(t, h.Alice)
		}
		var running int
		for n := range 3 {
			w := must[mailbox.Watch](t)(mb.Watch(t.Context(), h.Announce))
			if left := time.Until(w.ExpiresAt); left < time.Hour || left > 31*24*time.Hour {
				t.Errorf("expires in %v", left)
			}
			if n == 0 {
				running = watching()
			}
			if now := watching(); now != running || h.Watching != nil && now == 0 {
				t.Errorf("%d announcements run, %d at first", now, running)
			}
			time.Sleep(time.Minute) // of the bubble
		}
		for range 2 {
			if err := mb.Unwatch(t.Context()); err != nil {
				t.Errorf("Unwatch: %v", err)
			}
		}
		if n := watching(); n != 0 {
			t.Errorf("%d announcements are left", n)
		}
	}},
	{"announcements that cannot work are refused before any request", func(t *testing.T, h *Harness) {
		reader, ok := h.open(t, h.Alice, reading).(mailbox.Watcher)
		if !ok || h.Announce == (mailbox.WatchRequest{}) {
			return
		}
		sender := h.open(t, h.Alice, mailbox.CanSend).(mailbox.Watcher)
		before := h.Requests()
		_, err := reader.Watch(t.Context(), mailbox.WatchRequest{})
		if fe, ok := errors.AsType[*mailbox.FieldError](wantClass(t, err, mailbox.ClassInvalid)); !ok || fe.Field == "" {
			t.Errorf("%v names no field", err)
		}
		_, err = sender.Watch(t.Context(), h.Announce)
		wantClass(t, err, mailbox.ClassConsent)
		wantClass(t, sender.Unwatch(t.Context()), mailbox.ClassConsent)
		if n := h.Requests() - before; n != 0 {
			t.Errorf("%d requests", n)
		}
	}},
	{"shared mailboxes are found by trying", func(t *testing.T, h *Harness) {
		mb, ok := h.open(t, h.Alice, reading).(mailbox.SharedFinder)
		if !ok || h.Shared == "" {
			return
		}
		_, err := mb.FindShared(t.Context(), mailbox.SharedQuery{Addresses: []string{h.Shared}})
		wantClass(t, err, mailbox.ClassConsent) // CanShared is missing
		mb = h.open(t, h.Alice, reading|mailbox.CanShared).(mailbox.SharedFinder)
		_, err = mb.FindShared(t.Context(), mailbox.SharedQuery{})
		wantClass(t, err, mailbox.ClassInvalid)
		_, err = mb.FindShared(t.Context(), mailbox.SharedQuery{Addresses: make([]string, 101)})
		wantClass(t, err, mailbox.ClassInvalid)
		readable := map[string]bool{}
		for _, f := range must[[]mailbox.SharedMailbox](t)(mb.FindShared(t.Context(), mailbox.SharedQuery{Addresses: []string{h.Shared, h.Bob, h.NoOne, h.Shared}})) {
			address := strings.ToLower(f.Address)
			if _, twice := readable[address]; twice {
				t.Error("a mailbox is named twice")
			}
			readable[address] = f.Readable
		}
		if !readable[strings.ToLower(h.Shared)] || readable[strings.ToLower(h.Bob)] {
			t.Errorf("found %v", readable)
		}
		if _, there := readable[strings.ToLower(h.NoOne)]; there {
			t.Error("an address without a mailbox is named")
		}
	}},
	{"a shared mailbox is used by another's right, and stays apart", func(t *testing.T, h *Harness) {
		p, ok := h.Provider.(mailbox.AccountIdentifier)
		if !ok || h.Shared == "" {
			return
		}
		scopes := must[[]string](t)(h.Provider.Scopes(sending | mailbox.CanShared))
		session := h.Session(t, h.Alice, scopes)
		account := func(address string) mailbox.Account {
			a := h.account(address, scopes)
			a.Access, a.Wanted = mailbox.AccessShared, sending
			a.Capabilities &^= mailbox.CanShared
			return a
		}
		id := must[mailbox.Identity](t)(p.IdentifyAccount(t.Context(), account(h.Shared), session))
		if !mailbox.SameAddress(id.Address, h.Shared) {
			t.Errorf("identity %+v", id)
		}
		_, err := p.IdentifyAccount(t.Context(), account(h.Bob), session)
		if e := wantClass(t, err, mailbox.ClassConsent); e.Cause != mailbox.CauseNoRights {
			t.Errorf("without rights the cause is %q", e.Cause)
		}
		_, err = p.IdentifyAccount(t.Context(), account(h.NoOne), session)
		wantClass(t, err, mailbox.ClassNoMailbox)

		mb := must[mailbox.Mailbox](t)(h.Provider.Open(account(h.Shared), session))
		h.Deliver(t, h.Shared, raw(h.Shared, "For all of us"))
		h.Deliver(t, h.Alice, raw(h.Alice, "For Alice"))
		for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{}) {
			if err != nil || m.Subject != "For all of us" {
				t.Errorf("in the shared mailbox: %+v, %v", m, err)
			}
		}
		must[mailbox.Sent](t)(mb.Send(t.Context(), note(h.Bob, "From all of us"), mailbox.SendOptions{}))
		got := h.await(t, h.Bob, mailbox.FolderInbox, "From all of us")
		if len(got.From) != 1 || !mailbox.SameAddress(got.From[0].Address, h.Shared) {
			t.Errorf("sent from %v", got.From)
		}
		if h.search(t, h.Alice, mailbox.FolderSent, "From all of us") != nil {
			t.Error("the copy is in the member's own mailbox")
		}
	}},
}
