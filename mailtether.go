// Package mailtether tethers your users' Gmail and Outlook mailboxes to your
// application: connect them by OAuth, send real mail from them once, notice who
// answered and how, and stay inside every limit. It runs in your process, on
// your stores.
//
// [New] wires the rooms of the library into one [Client]:
//
//   - Client.Connect connects, reconnects, disconnects and opens mailboxes
//     (package mailbox/connect),
//   - Client.Outbox sends each message once (mailbox/outbox),
//   - Client.Inbox notices replies, bounces and automatic answers (mailbox/inbox),
//   - Client.Sends and Client.Calls keep the limits (quota),
//   - Client.Tokens holds the tokens, sealed (tokenstore).
//
// When a mailbox is connected again, what waited in the outbox goes out, and what
// arrived meanwhile is read.
//
// Each room can also be used alone. This package imports no driver: a host adds
// gmail, outlook or both as apps, and compiles only what it uses.
package mailtether

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/inbox"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/tokenstore"
)

// Config is what a host decides. Apps, Keys and Handler are required; the rest
// has defaults that suit one process without a database.
type Config struct {
	// Apps are the OAuth apps, at least one, each with the provider it is for.
	Apps []connect.App
	// Keys encrypt tokens at rest. The first one seals; all of them open, so
	// that a key can be replaced by putting a new one in front. Losing all keys
	// means that every mailbox has to be connected again.
	Keys []tokenstore.Key
	// Handler takes the events: answers, bounces, sends that went out or failed,
	// mailboxes that need attention. It is called at least once for each event
	// and must be safe for concurrent use; drop duplicates by Event.ID. An error
	// makes the event come again, except for EventAccountState, EventAppAlarm,
	// EventLimitsDown and EventLimitsUp.
	Handler func(ctx context.Context, e mailbox.Event) error

	// Stores keep everything; what is nil is kept in memory and lost on restart.
	Stores Stores
	// Policy says what of a mailbox reaches the host, and of which messages
	// bodies are read. Empty means inbox.PolicyMatched: answers only.
	Policy inbox.Policy
	// Calls configures the pace of calls to providers; the zero value keeps the
	// published limits. Its Shared is Stores.Calls.
	Calls quota.LimiterConfig
	// Sends configures how much a mailbox may send; the zero value keeps
	// cautious limits. Its Store is Stores.Sends. OnStore of both makes the events
	// EventLimitsDown and EventLimitsUp unless it is set.
	Sends quota.SendsConfig
	// Tenants returns the tenants whose mailboxes Run polls. Run requires it.
	Tenants func(ctx context.Context) ([]mailbox.TenantID, error)
	// ReturnTo is the path the browser returns to after connecting when a
	// request names none; empty means "/".
	ReturnTo string
	// Origins, AdminConsentURL and LinkPer are those of connect.Config: whose pages
	// may open a flow in a popup, where administrators are sent, and how often one
	// account can be connected.
	Origins         []string
	AdminConsentURL string
	LinkPer         func(tenant mailbox.TenantID) connect.LinkScope
	// Rooms are told when a mailbox is connected and before it is disconnected,
	// after the outbox and the inbox.
	Rooms []connect.Room
	// Watch is that of inbox.Config: whether and how changes of a mailbox are
	// announced. nil means that mailboxes are polled only.
	Watch func(ctx context.Context, a mailbox.Account) (mailbox.WatchRequest, bool)
	// HoldFor is that of outbox.Config: how long a message waits for a mailbox
	// that cannot be used. 0 means as long as it takes.
	HoldFor time.Duration
	// Logger is told of trouble, without secrets, addresses or subjects; nil is
	// silent.
	Logger *slog.Logger
}

// Stores are the host's stores. Each has a conformance suite for hosts that
// bring their own. Calls is for several processes that serve the same mailboxes;
// nil leaves each its own pace.
type Stores struct {
	Accounts connect.AccountStore
	States   connect.StateStore
	Tokens   tokenstore.Store
	Ledger   outbox.Ledger
	Inbox    inbox.Store
	Index    threading.Index
	Sends    quota.Store
	Calls    quota.CallStore
}

func (s Stores) withDefaults() Stores {
	if s.Accounts == nil {
		s.Accounts = connect.NewMemory()
	}
	if s.States == nil {
		s.States = connect.NewMemoryStates()
	}
	if s.Tokens == nil {
		s.Tokens = tokenstore.NewMemory()
	}
	if s.Ledger == nil {
		s.Ledger = outbox.NewMemory()
	}
	if s.Inbox == nil {
		s.Inbox = inbox.NewMemory()
	}
	if s.Index == nil {
		s.Index = threading.NewMemory()
	}
	if s.Sends == nil {
		s.Sends = quota.NewMemory()
	}
	return s
}

// Client is the wired library. It is safe for concurrent use and holds no
// goroutine except in Run.
type Client struct {
	// Connect connects, opens and disconnects mailboxes.
	Connect *connect.Connector
	// Outbox sends.
	Outbox *outbox.Outbox
	// Inbox reads.
	Inbox *inbox.Inbox
	// Sends keeps the limits on sending, Calls those on calls to providers.
	Sends *quota.Sends
	Calls *quota.Limiter
	// Tokens holds the tokens. Its Rotate seals them with the first of Config.Keys
	// after that was put in front of the others.
	Tokens *tokenstore.Vault
	// Stores are the stores in use.
	Stores Stores

	tenants func(ctx context.Context) ([]mailbox.TenantID, error)
}

// New wires a Client. A configuration that cannot work is a
// mailbox.ClassInvalid error that names the field. It makes no request and
// starts nothing.
func New(c Config) (*Client, error) {
	if c.Handler == nil {
		return nil, mailbox.Invalid("mailtether.Config.Handler", "required", "is missing")
	}
	if len(c.Keys) == 0 {
		return nil, mailbox.Invalid("mailtether.Config.Keys", "at least one key of 32 bytes", "is empty")
	}
	keyring, err := tokenstore.NewKeyring(c.Keys[0], c.Keys[1:]...)
	if err != nil {
		return nil, err
	}
	// Flows are signed with a key of their own, derived from the first one:
	// replacing that breaks sign-ins under way and links for administrators,
	// nothing else.
	stateKey, err := hkdf.Key(sha256.New, c.Keys[0].Secret, nil, "mailtether connect state", 32)
	if err != nil {
		return nil, fmt.Errorf("mailtether: deriving the state key: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}

	client := &Client{Stores: c.Stores.withDefaults(), tenants: c.Tenants}
	if c.Calls.OnStore == nil {
		c.Calls.OnStore = c.limitsEvent("calls")
	}
	if c.Sends.OnStore == nil {
		c.Sends.OnStore = c.limitsEvent("sends")
	}
	c.Calls.Shared = client.Stores.Calls
	if client.Calls, err = quota.NewLimiter(c.Calls); err != nil {
		return nil, err
	}
	c.Sends.Store = client.Stores.Sends
	if client.Sends, err = quota.NewSends(c.Sends); err != nil {
		return nil, err
	}
	if err := client.wireRooms(c); err != nil {
		return nil, err
	}
	client.Tokens = tokenstore.NewVault(client.Stores.Tokens, keyring)
	if err := client.wireConnect(c, stateKey); err != nil {
		return nil, err
	}
	return client, nil
}

// limitsEvent tells the host that a store of limits fails, or works again.
func (c *Config) limitsEvent(store string) func(error) {
	return func(err error) {
		e := mailbox.Event{Kind: mailbox.EventLimitsDown, At: time.Now(), Store: store, Err: err}
		if err == nil {
			e.Kind = mailbox.EventLimitsUp
		}
		e.ID = fmt.Sprintf("%s:%s:%d", e.Kind, store, e.At.UnixMicro())
		if err := c.Handler(context.Background(), e); err != nil {
			c.Logger.Warn("handler failed", "kind", string(e.Kind), "error", err)
		}
	}
}

// wireRooms makes the rooms that work with connected mailboxes. They ask for the
// Connector only when they run.
func (c *Client) wireRooms(config Config) (err error) {
	open := func(ctx context.Context, ref mailbox.Ref) (mailbox.Mailbox, error) { return c.Connect.Open(ctx, ref) }
	c.Outbox, err = outbox.New(outbox.Config{
		Ledger: c.Stores.Ledger, Open: open, Limits: c.Sends, HoldFor: config.HoldFor,
		Index: c.Stores.Index, Handler: config.Handler, Logger: config.Logger,
	})
	if err != nil {
		return err
	}
	c.Inbox, err = inbox.New(inbox.Config{
		Store: c.Stores.Inbox, Open: open, Handler: config.Handler,
		Index: c.Stores.Index, Sends: c.Sends, Policy: config.Policy, Logger: config.Logger,
		Mailboxes: c.connected, Watch: config.Watch, InUse: c.Stores.Accounts.InUse,
	})
	return err
}

func (c *Client) wireConnect(config Config, stateKey []byte) (err error) {
	apps := slices.Clone(config.Apps)
	for i := range apps {
		apps[i].Transport = c.Calls.Transport(apps[i].Transport)
	}
	tell := func(ctx context.Context, e mailbox.Event) {
		if err := config.Handler(ctx, e); err != nil {
			config.Logger.WarnContext(ctx, "handler failed", "kind", string(e.Kind), "mailbox", e.Mailbox, "error", err)
		}
	}
	c.Connect, err = connect.New(connect.Config{
		Apps: apps, Accounts: c.Stores.Accounts, States: c.Stores.States, Vault: c.Tokens,
		StateKey: stateKey, ReturnTo: config.ReturnTo, Logger: config.Logger,
		Origins: config.Origins, AdminConsentURL: config.AdminConsentURL, LinkPer: config.LinkPer,
		Rooms:   append([]connect.Room{c.Outbox, c.Inbox}, config.Rooms...),
		OnState: tell, OnAlarm: tell,
	})
	return err
}

// Run sends what is due and polls all connected mailboxes until ctx ends, then
// waits for what it has begun and returns nil. It needs Config.Tenants.
func (c *Client) Run(ctx context.Context) error {
	if c.tenants == nil {
		return mailbox.Invalid("mailtether.Config.Tenants", "required by Run", "is missing")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, run := range []func(context.Context) error{c.Outbox.Run, c.Inbox.Run} {
		wg.Go(func() {
			defer stop()
			errs[i] = run(ctx)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// connected ranges over all mailboxes that can be read.
func (c *Client) connected(ctx context.Context) iter.Seq2[mailbox.Ref, error] {
	return func(yield func(mailbox.Ref, error) bool) {
		tenants, err := c.tenants(ctx)
		if err != nil {
			yield(mailbox.Ref{}, err)
			return
		}
		for _, tenant := range tenants {
			for a, err := range c.Stores.Accounts.List(ctx, tenant) {
				if err != nil {
					yield(mailbox.Ref{}, err)
					return
				}
				if a.State == mailbox.StateConnected && a.Capabilities.Has(mailbox.CanReadHeaders) && !yield(a.Ref, nil) {
					return
				}
			}
		}
	}
}
