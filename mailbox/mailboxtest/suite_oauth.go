package mailboxtest

import (
	"slices"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

var capabilities = [...]mailbox.Capabilities{
	mailbox.CanSend, mailbox.CanReadHeaders, mailbox.CanReadBodies, mailbox.CanWriteReadState, mailbox.CanDraft, mailbox.CanShared,
}

// subsets calls f with every set of capabilities the provider has.
func (h *Harness) subsets(f func(mailbox.Capabilities)) {
	for bits := range 1 << len(capabilities) {
		var c mailbox.Capabilities
		for i, one := range capabilities {
			if bits&(1<<i) != 0 {
				c |= one
			}
		}
		if h.All.Has(c) {
			f(c)
		}
	}
}

var oauthRules = []rule{
	{"scopes asked for give the capabilities wanted", func(t *testing.T, h *Harness) {
		h.subsets(func(want mailbox.Capabilities) {
			scopes := must[[]string](t)(h.Provider.Scopes(want))
			if got := h.Provider.Granted(scopes); !got.Has(want) {
				t.Errorf("Scopes(%v) = %q gives %v", want, scopes, got)
			}
		})
	}},
	{"scopes are named once and in a fixed order", func(t *testing.T, h *Harness) {
		h.subsets(func(want mailbox.Capabilities) {
			scopes := must[[]string](t)(h.Provider.Scopes(want))
			again := must[[]string](t)(h.Provider.Scopes(want))
			if !slices.Equal(scopes, again) {
				t.Errorf("Scopes(%v) varies: %q, %q", want, scopes, again)
			}
			slices.Sort(again)
			if len(slices.Compact(again)) != len(scopes) {
				t.Errorf("Scopes(%v) repeats itself: %q", want, scopes)
			}
		})
	}},
	{"sending alone does not ask to read", func(t *testing.T, h *Harness) {
		scopes := must[[]string](t)(h.Provider.Scopes(mailbox.CanSend))
		if got := h.Provider.Granted(scopes); got&reading != 0 {
			t.Errorf("Scopes(send) = %q gives %v", scopes, got)
		}
	}},
	{"reading headers does not ask for bodies", func(t *testing.T, h *Harness) {
		scopes := must[[]string](t)(h.Provider.Scopes(mailbox.CanSend | mailbox.CanReadHeaders))
		if got := h.Provider.Granted(scopes); got.Has(mailbox.CanReadBodies) {
			t.Errorf("scopes %q give %v", scopes, got)
		}
	}},
	{"a capability the provider lacks is unsupported", func(t *testing.T, h *Harness) {
		_, err := h.Provider.Scopes(1 << 30)
		wantClass(t, err, mailbox.ClassUnsupported)
	}},
	{"unknown scopes give nothing", func(t *testing.T, h *Harness) {
		if got := h.Provider.Granted([]string{"", "unknown", "https://example.com/all"}); got != 0 {
			t.Errorf("got %v", got)
		}
	}},
	{"endpoints are there", func(t *testing.T, h *Harness) {
		o := h.Provider.OAuth()
		if o.AuthURL == "" || o.TokenURL == "" {
			t.Errorf("OAuth() = %+v", o)
		}
	}},
	{"a refused refresh asks to reconnect", func(t *testing.T, h *Harness) {
		e := h.Provider.OAuthError(400, nil, []byte(`{"error":"invalid_grant"}`))
		wantClass(t, e, mailbox.ClassReconnect)
	}},
	{"trouble at the token endpoint never asks to reconnect", func(t *testing.T, h *Harness) {
		for _, answer := range []struct {
			status int
			body   string
		}{
			{500, ""},
			{502, "<html>Bad Gateway</html>"},
			{503, `{"error":"temporarily_unavailable"}`},
			{429, ""},
			{200, "<html>"},
			{400, "null"},
			{400, `{"error":null}`},
			{400, `{"error":"something_new"}`},
			{500, `{"error":{"code":500}}`},
		} {
			e := h.Provider.OAuthError(answer.status, nil, []byte(answer.body))
			if e == nil {
				t.Errorf("%d %q: nil", answer.status, answer.body)
				continue
			}
			if a := e.Action(); a == mailbox.ActionReconnect {
				t.Errorf("%d %q: %v asks to reconnect", answer.status, answer.body, e)
			}
		}
	}},
	{"a wrong client is the operator's fault", func(t *testing.T, h *Harness) {
		e := h.Provider.OAuthError(401, nil, []byte(`{"error":"invalid_client"}`))
		wantClass(t, e, mailbox.ClassConfig)
	}},
	{"a user who declines is told apart", func(t *testing.T, h *Harness) {
		e := h.Provider.OAuthError(0, nil, []byte(`error=access_denied&state=x`))
		wantClass(t, e, mailbox.ClassDeclined)
	}},
	{"an identity has a stable subject and the address", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, sending} {
			scopes := must[[]string](t)(h.Provider.Scopes(caps))
			id := must[mailbox.Identity](t)(h.Provider.Identify(t.Context(), h.Session(t, h.Alice, scopes)))
			again := must[mailbox.Identity](t)(h.Provider.Identify(t.Context(), h.Session(t, h.Alice, scopes)))
			if !mailbox.SameAddress(id.Address, h.Alice) || id.Subject == "" || id.Subject != again.Subject {
				t.Errorf("with %v: %+v, then %+v", caps, id, again)
			}
		}
	}},
	{"two users have two subjects", func(t *testing.T, h *Harness) {
		scopes := must[[]string](t)(h.Provider.Scopes(sending))
		a := must[mailbox.Identity](t)(h.Provider.Identify(t.Context(), h.Session(t, h.Alice, scopes)))
		b := must[mailbox.Identity](t)(h.Provider.Identify(t.Context(), h.Session(t, h.Bob, scopes)))
		if a.Same(b) {
			t.Errorf("%+v is %+v", a, b)
		}
	}},
	{"opening makes no request", func(t *testing.T, h *Harness) {
		before := h.Requests()
		mb := h.open(t, h.Alice, h.All)
		if got := h.Requests() - before; got != 0 {
			t.Errorf("%d requests", got)
		}
		if a := mb.Account(); a.Address != h.Alice || a.Provider != h.Provider.Name() {
			t.Errorf("account is %+v", a)
		}
	}},
	{"a session without a token source is refused", func(t *testing.T, h *Harness) {
		_, err := h.Provider.Open(h.account(h.Alice, nil), mailbox.Session{})
		wantClass(t, err, mailbox.ClassInvalid)
	}},
}
