package mailtether_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// endpoint answers the token endpoint in place of the service while it has
// something to say.
type endpoint struct {
	http.RoundTripper

	mu     sync.Mutex
	status int
	body   string
}

func (e *endpoint) set(status int, body string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.body = status, body
}

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status == 0 || req.URL.Path != "/token" {
		return e.RoundTripper.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: e.status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(e.body)), Request: req,
	}, nil
}

// live runs a host in a bubble of fake time, with Alice's mailbox connected and
// its first position taken.
func live(t *testing.T, edit func(*mailtether.Config), run func(*testing.T, *host, *endpoint)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{service: mailboxtest.New()}
		h.service.AddUser("alice@mail.example", "Alice")
		h.service.AddUser("bob@mail.example", "Bob")
		tokens := &endpoint{RoundTripper: h.service.Transport()}
		config := h.config()
		config.Apps[0].Transport = tokens
		if edit != nil {
			edit(&config)
		}
		var err error
		if h.client, err = mailtether.New(config); err != nil {
			t.Fatal(err)
		}
		h.connect(t, alice, "alice@mail.example")
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := h.client.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Minute)
		run(t, h, tokens)
		stop()
		running.Wait()
	})
}

func (h *host) send(t *testing.T, key string) outbox.Intent {
	t.Helper()
	i, err := h.client.Outbox.Send(t.Context(), offer(key))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (h *host) wantEvents(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.events); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

func (h *host) answer(t *testing.T, id mailbox.RFCMessageID) {
	t.Helper()
	raw := "From: bob@mail.example\r\nTo: alice@mail.example\r\nSubject: Re: Offer\r\nIn-Reply-To: " + id.Brackets() + "\r\n\r\nYes\r\n"
	if _, err := h.service.Deliver("alice@mail.example", []byte(raw)); err != nil {
		t.Fatal(err)
	}
}

// The user ends the grant, or disconnects. Days later the same mailbox is
// connected again: what waited goes out once, and what was missed is told.
func TestReconnectGoesOnWhereItWas(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*testing.T, *host)
		tell string
	}{
		"revoked": {func(_ *testing.T, h *host) { h.service.Revoke("alice@mail.example") }, "account_state needs_reconnect"},
		"disconnected": {func(t *testing.T, h *host) {
			if err := h.client.Connect.Disconnect(t.Context(), alice); err != nil {
				t.Fatal(err)
			}
		}, "account_state disconnected"},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, nil, func(t *testing.T, h *host, _ *endpoint) {
				first := h.send(t, "first")
				time.Sleep(time.Minute)
				test.end(t, h)
				time.Sleep(2 * time.Hour)
				i := h.send(t, "held")
				if i.State != outbox.StatePending || len(i.Waiting) != 1 || !strings.HasPrefix(i.Waiting[0], "held until the user") {
					t.Fatalf("%s, waiting %q", i.State, i.Waiting)
				}
				h.answer(t, first.Sent.RFCMessageIDs[0])
				time.Sleep(100 * time.Hour)
				h.wantEvents(t, "account_state connected", "sent first", test.tell)
				h.connect(t, alice, "alice@mail.example")
				time.Sleep(6 * time.Second) // one look of the outbox
				h.mu.Lock()
				slices.Sort(h.events[4:]) // both rooms work at once
				h.mu.Unlock()
				h.wantEvents(t, "account_state connected", "sent first", test.tell, "account_state connected", "reply first", "sent held")
			})
		})
	}
}

// Whatever the token endpoint is troubled with, nothing but time is lost.
func TestTokenEndpointInTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"down":        {503, "<html>Service Unavailable</html>"},
		"overloaded":  {429, `{"error":"invalid_grant"}`},
		"not OAuth":   {200, "<html>Captive portal</html>"},
		"bad gateway": {502, `{"error":"invalid_grant"}`},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, nil, func(t *testing.T, h *host, tokens *endpoint) {
				time.Sleep(2 * time.Hour)
				h.service.ExpireTokens()
				tokens.set(test.status, test.body)
				time.Sleep(2 * time.Hour)
				if i := h.send(t, "waiting"); i.State != outbox.StatePending || !i.HeldSince.IsZero() {
					t.Fatalf("%s, held since %s", i.State, i.HeldSince)
				}
				time.Sleep(24 * time.Hour)
				tokens.set(0, "")
				time.Sleep(20 * time.Minute)
				h.wantEvents(t, "account_state connected", "sent waiting")
			})
		})
	}
}

// The app's secret has expired: the operator is told, no user is, and nothing is
// lost.
func TestAppSecretExpired(t *testing.T) {
	live(t, nil, func(t *testing.T, h *host, tokens *endpoint) {
		time.Sleep(2 * time.Hour)
		h.service.ExpireTokens()
		tokens.set(401, `{"error":"invalid_client"}`)
		i := h.send(t, "held")
		if i.State != outbox.StatePending || i.HeldSince.IsZero() {
			t.Fatalf("%s, held since %s", i.State, i.HeldSince)
		}
		time.Sleep(100 * time.Hour)
		tokens.set(0, "")
		time.Sleep(20 * time.Minute)
		h.wantEvents(t, "account_state connected", "app_alarm ", "sent held")
	})
}

func TestLinkPerTenant(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, alice, "alice@mail.example")
	config := h.config()
	config.Stores = h.client.Stores
	config.LinkPer = func(mailbox.TenantID) connect.LinkScope { return connect.LinkPerTenant }
	loose, err := mailtether.New(config)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := mailbox.Ref{Tenant: "t2", Mailbox: "alice"}
	if _, err := h.try(t, h.client, elsewhere, "alice@mail.example"); !errors.Is(err, connect.ErrLinked) {
		t.Errorf("got %v", err)
	}
	if _, err := h.try(t, loose, elsewhere, "alice@mail.example"); err != nil {
		t.Errorf("got %v", err)
	}
}

// room is a part of the host that is told of connections.
type room struct{ told []string }

func (r *room) Connected(_ context.Context, a mailbox.Account) error {
	r.told = append(r.told, "connected "+string(a.Mailbox))
	return nil
}

func (r *room) Disconnecting(_ context.Context, a mailbox.Account, mb mailbox.Mailbox) error {
	text := "disconnecting " + string(a.Mailbox)
	if mb == nil {
		text += " shut"
	}
	r.told = append(r.told, text)
	return nil
}

func TestRoomsOfTheHost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := new(room)
	config := h.config()
	config.Rooms = []connect.Room{r}
	var err error
	if h.client, err = mailtether.New(config); err != nil {
		t.Fatal(err)
	}
	h.connect(t, alice, "alice@mail.example")
	if err := h.client.Connect.Disconnect(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"connected alice", "disconnecting alice"}, r.told); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
}

// A new key in front seals all tokens again, after which the old one can go.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, alice, "alice@mail.example")
	config := h.config()
	config.Stores = h.client.Stores
	fresh := tokenstore.Key{ID: "2026", Secret: bytes.Repeat([]byte{7}, 32)}
	config.Keys = append([]tokenstore.Key{fresh}, config.Keys...)
	both, err := mailtether.New(config)
	if err != nil {
		t.Fatal(err)
	}
	report, err := both.Tokens.Rotate(t.Context(), tokenstore.RotateOptions{})
	if err != nil || report.Rotated != 1 || report.Failed != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	config.Keys = config.Keys[:1]
	after, err := mailtether.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := after.Tokens.Get(t.Context(), alice); err != nil {
		t.Errorf("with the new key alone: %v", err)
	}
	if _, _, err := h.client.Tokens.Get(t.Context(), alice); mailbox.ClassOf(err) != mailbox.ClassConfig {
		t.Errorf("with the old key alone: %v", err)
	}
}
