package mailtether_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/tokenstore"
)

const wanted = mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies

// host is a host application over a mail service in memory.
type host struct {
	service *mailboxtest.Service
	client  *mailtether.Client

	mu     sync.Mutex
	events []string
}

func (h *host) handle(_ context.Context, e mailbox.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := string(e.Kind) + " " + e.Key
	if e.State != "" {
		text += string(e.State)
	}
	h.events = append(h.events, text)
	return nil
}

func (h *host) config() mailtether.Config {
	return mailtether.Config{
		Apps: []connect.App{{
			Provider: h.service, ClientID: mailboxtest.ClientID, ClientSecret: mailboxtest.ClientSecret,
			RedirectURL: "http://localhost/callback", Transport: h.service.Transport(),
		}},
		Keys:    []tokenstore.Key{{ID: "2025", Secret: make([]byte, 32)}},
		Handler: h.handle,
		Tenants: func(context.Context) ([]mailbox.TenantID, error) { return []mailbox.TenantID{"t1"}, nil },
	}
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{service: mailboxtest.New()}
	h.service.AddUser("alice@mail.example", "Alice")
	h.service.AddUser("bob@mail.example", "Bob")
	client, err := mailtether.New(h.config())
	if err != nil {
		t.Fatal(err)
	}
	h.client = client
	return h
}

// connect connects a user's mailbox through the authorization page.
func (h *host) connect(t *testing.T, ref mailbox.Ref, user string) {
	t.Helper()
	if _, err := h.try(t, h.client, ref, user); err != nil {
		t.Fatal(err)
	}
}

// try runs the flow of a client and returns what its callback says.
func (h *host) try(t *testing.T, client *mailtether.Client, ref mailbox.Ref, user string) (mailbox.Account, error) {
	t.Helper()
	started, err := client.Connect.Start(t.Context(), connect.StartRequest{Ref: ref, Provider: mailboxtest.Memory, Want: wanted, Browser: "browser-secret-of-32-characters!"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := h.service.Decide(t.Context(), started.URL, mailboxtest.Decision{User: user})
	if err != nil {
		t.Fatal(err)
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return client.Connect.Callback(t.Context(), connect.CallbackRequest{Query: query, Browser: "browser-secret-of-32-characters!"})
}

var alice = mailbox.Ref{Tenant: "t1", Mailbox: "alice"}

func offer(key string) outbox.Request {
	return outbox.Request{Ref: alice, Key: key, Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: "bob@mail.example"}}, Subject: "Offer", Text: "Hello Bob",
	}}
}

func TestConnectSendNoticeTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.connect(t, alice, "alice@mail.example")
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := h.client.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Minute)
		i, err := h.client.Outbox.Send(t.Context(), offer("k1"))
		if err != nil || i.State != outbox.StateSent {
			t.Fatalf("%v, %v", i.State, err)
		}
		id := i.Sent.RFCMessageIDs[0].Brackets()
		_, err = h.service.Deliver("alice@mail.example", []byte("From: bob@mail.example\r\nTo: alice@mail.example\r\nSubject: Re: Offer\r\nIn-Reply-To: "+id+"\r\n\r\nYes\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		h.service.Revoke("alice@mail.example")
		time.Sleep(2 * time.Hour)
		stop()
		running.Wait()
		want := []string{"account_state connected", "sent k1", "reply k1", "account_state needs_reconnect"}
		if diff := cmp.Diff(want, h.events); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*mailtether.Config)
		field  string
	}{
		"no handler": {func(c *mailtether.Config) { c.Handler = nil }, "mailtether.Config.Handler"},
		"no keys":    {func(c *mailtether.Config) { c.Keys = nil }, "mailtether.Config.Keys"},
		"short key":  {func(c *mailtether.Config) { c.Keys[0].Secret = []byte("short") }, ""},
		"no apps":    {func(c *mailtether.Config) { c.Apps = nil }, ""},
		"no client":  {func(c *mailtether.Config) { c.Apps[0].ClientID = "" }, ""},
		"plain http": {func(c *mailtether.Config) { c.Apps[0].RedirectURL = "http://host.example/callback" }, ""},
		"bad policy": {func(c *mailtether.Config) { c.Policy = "everything" }, "inbox.Config.Policy"},
		"bad limit": {func(c *mailtether.Config) {
			c.Sends.Providers = map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: {Messages: -1}}
		}, ""},
		"bad maximum": {func(c *mailtether.Config) { c.Calls.MaxWait = -1 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &host{service: mailboxtest.New()}
			config := h.config()
			c.change(&config)
			_, err := mailtether.New(config)
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || mailbox.ClassOf(err) != mailbox.ClassInvalid || fe.Field == "" || c.field != "" && fe.Field != c.field {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRunNeedsTenants(t *testing.T) {
	t.Parallel()
	h := &host{service: mailboxtest.New()}
	config := h.config()
	config.Tenants = nil
	client, err := mailtether.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Run(t.Context()); mailbox.ClassOf(err) != mailbox.ClassInvalid {
		t.Errorf("got %v", err)
	}
}

func Example() {
	service := mailboxtest.New() // in production: gmail.New and outlook.New
	service.AddUser("alice@mail.example", "Alice")
	service.AddUser("bob@mail.example", "Bob")

	client, err := mailtether.New(mailtether.Config{
		Apps: []connect.App{{
			Provider: service, ClientID: mailboxtest.ClientID, ClientSecret: mailboxtest.ClientSecret,
			RedirectURL: "http://localhost/callback", Transport: service.Transport(),
		}},
		Keys: []tokenstore.Key{{ID: "2025", Secret: []byte(strings.Repeat("k", 32))}},
		Handler: func(_ context.Context, e mailbox.Event) error {
			fmt.Println("event:", e.Kind, e.Key+string(e.State))
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The browser signs in; a host mounts Connect.StartHandler and
	// Connect.CallbackHandler instead.
	ctx := context.Background()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "alice"}
	browser := "a random secret kept in a cookie"
	started, err := client.Connect.Start(ctx, connect.StartRequest{
		Ref: ref, Provider: mailboxtest.Memory, Browser: browser,
		Want: mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, _ := service.Decide(ctx, started.URL, mailboxtest.Decision{User: "alice@mail.example"})
	query, _ := url.ParseQuery(raw)
	if _, err := client.Connect.Callback(ctx, connect.CallbackRequest{Query: query, Browser: browser}); err != nil {
		fmt.Println(err)
		return
	}

	client.Inbox.Poll(ctx, ref) // takes the first position
	client.Outbox.Send(ctx, outbox.Request{Ref: ref, Key: "offer-42", Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: "nobody@mail.example"}}, Subject: "Our offer", Text: "Hello",
	}})
	client.Inbox.Poll(ctx, ref)
	// Output:
	// event: account_state connected
	// event: sent offer-42
	// event: bounce offer-42
}
