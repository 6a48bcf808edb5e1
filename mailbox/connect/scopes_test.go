package connect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// Extra scopes are asked for, remembered, asked for again, and never required.
func TestExtraScopes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := request()
	r.ExtraScopes = []string{"calendar", "mail.send"} // one that is asked for anyway
	started := h.start(t, r)
	if got := query(t, started).Get("scope"); got != "mail.headers mail.send openid calendar" {
		t.Errorf("asked for %q", got)
	}
	a, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"openid", "mail.headers", "mail.send"}}))
	if err != nil || a.Capabilities != wanted || slices.Contains(a.Scopes, "calendar") || !slices.Equal(a.ExtraScopes, r.ExtraScopes) {
		t.Errorf("account %+v, error %v", a, err)
	}
	again := connect.StartRequest{Ref: ref, Browser: browserA}
	if got := query(t, h.start(t, again)).Get("scope"); !strings.Contains(got, "calendar") {
		t.Errorf("the reconnect asks for %q", got)
	}
	again.ExtraScopes = []string{}
	if got := query(t, h.start(t, again)).Get("scope"); strings.Contains(got, "calendar") {
		t.Errorf("without extra scopes the reconnect asks for %q", got)
	}
	for _, bad := range [][]string{{""}, {"a b"}, {"a\tb"}, {"a\nb"}, {"a\x00"}, {"ä"}, {`"`}, {`\`}, {strings.Repeat("a", 256)}, slices.Repeat([]string{"a"}, 33)} {
		r.ExtraScopes = bad
		_, err := h.Start(t.Context(), r)
		if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "extra_scopes" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What is to come later is not asked for, and remembered as missing.
func TestLater(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if got := query(t, h.start(t, sendNow())).Get("scope"); got != "mail.send openid" {
		t.Errorf("asked for %q", got)
	}
	a := h.connect(t, sendNow(), "ann")
	if a.Wanted != wanted || a.Missing() != mailbox.CanReadHeaders {
		t.Errorf("wanted %s, missing %s", a.Wanted, a.Missing())
	}
	// A reconnect with nothing but the mailbox asks for what works and forgets
	// nothing.
	a = h.connect(t, connect.StartRequest{Ref: ref, Provider: mailbox.Outlook, Browser: browserA}, "ann")
	if a.Wanted != wanted || a.Capabilities != mailbox.CanSend {
		t.Errorf("after a reconnect: wanted %s, has %s", a.Wanted, a.Capabilities)
	}
	r := sendNow()
	r.Later = mailbox.CanShared
	if _, err := h.Start(t.Context(), r); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("something later that the provider lacks: %v", err)
	}
}

// An account that lacks what was wanted and not needed is connected and says so.
func TestPartialConsentIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := request()
	r.Want, r.Need = wanted|mailbox.CanReadBodies, mailbox.CanSend
	a, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"openid", "mail.send", "mail.headers"}}))
	if err != nil || a.State != mailbox.StateConnected || a.Missing() != mailbox.CanReadBodies {
		t.Errorf("state %s, missing %s, error %v", a.State, a.Missing(), err)
	}
	_, err = h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"openid"}}))
	ce, ok := errors.AsType[*connect.ConsentError](err)
	if !ok || ce.Missing != mailbox.CanSend || len(ce.Scopes) != 1 || ce.Scopes[0].Scope != "mail.send" {
		t.Errorf("the cause is %+v", ce)
	}
}

func TestAppsOfTenants(t *testing.T) {
	t.Parallel()
	app := func(name string, tenants ...mailbox.TenantID) func(*connect.Config) {
		return func(c *connect.Config) {
			a := c.Apps[0]
			a.Name, a.Tenants = name, tenants
			c.Apps = append(c.Apps, a)
		}
	}
	drop := func(c *connect.Config) { c.Apps = c.Apps[1:] } // the one for Gmail of newHost
	tests := map[string]struct {
		apps  []func(*connect.Config)
		named string
		want  string
		fails bool
	}{
		"the one without a name":          {apps: []func(*connect.Config){app("b")}, want: ""},
		"that of the tenant":              {apps: []func(*connect.Config){app("b", "acme")}, want: "b"},
		"not that of another tenant":      {apps: []func(*connect.Config){app("b", "globex")}, want: ""},
		"the named one":                   {apps: []func(*connect.Config){app("b"), app("c", "acme")}, named: "b", want: "b"},
		"two of the tenant":               {apps: []func(*connect.Config){app("b", "acme"), app("c", "acme", "globex")}, fails: true},
		"two for all":                     {apps: []func(*connect.Config){app("b"), app("c"), drop}, fails: true},
		"only those of other tenants":     {apps: []func(*connect.Config){app("b", "globex"), drop}, fails: true},
		"a named one of another tenant":   {apps: []func(*connect.Config){app("b", "globex")}, named: "b", fails: true},
		"a name that there is not at all": {apps: nil, named: "b", fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, test.apps...)
			r := request()
			r.App = test.named
			if test.fails {
				_, err := h.Start(t.Context(), r)
				if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "app" {
					t.Errorf("got %v", err)
				}
				return
			}
			if a := h.connect(t, r, "ann"); a.App != test.want {
				t.Errorf("connected with %q", a.App)
			}
		})
	}
	// A reconnect keeps to the app, also where a better one came since.
	h := newHost(t, func(c *connect.Config) { c.States = connect.NewMemoryStates() })
	h.connect(t, request(), "ann")
	app("b", "acme")(&h.config)
	var err error
	if h.Connector, err = connect.New(h.config); err != nil {
		t.Fatal(err)
	}
	if a := h.connect(t, request(), "ann"); a.App != "" {
		t.Errorf("reconnected with app %q", a.App)
	}
	r := request()
	r.Mailbox = "second"
	if a := h.connect(t, r, "bob"); a.App != "b" {
		t.Errorf("a new mailbox got app %q", a.App)
	}
	// An app that is taken from the tenant while the user signs in.
	r.Mailbox = "third"
	late := h.begin(t, r, consent{user: "cid"})
	h.config.Apps[2].Tenants = []mailbox.TenantID{"globex"}
	if h.Connector, err = connect.New(h.config); err != nil {
		t.Fatal(err)
	}
	_, err = h.Callback(t.Context(), late)
	wantRefused(t, err, mailbox.ClassConfig, connect.CodeUnknownApp)
	for _, tenants := range [][]mailbox.TenantID{{""}, {"a\nb"}, {"acme", "acme"}} {
		c := newHost(t).config
		c.Apps[0].Tenants = tenants
		_, err := connect.New(c)
		if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "Apps[0].Tenants" {
			t.Errorf("%q: %v", tenants, err)
		}
	}
}
