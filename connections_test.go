package mailtether_test

import (
	stdcmp "cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
	"github.com/mailtether/mailtether/tokenstore"
)

// world is a host with both drivers over both fakes.
type world struct {
	t         *testing.T
	google    *gmailtest.Server
	microsoft *outlooktest.Server
	client    *mailtether.Client

	mu     sync.Mutex
	events []mailbox.Event
}

const browserSecret = "browser-secret-of-32-characters!"

func newWorld(t *testing.T, edit ...func(*mailtether.Config)) *world {
	t.Helper()
	w := &world{
		t:      t,
		google: gmailtest.NewServer(t, gmailtest.Options{}), microsoft: outlooktest.NewServer(t, outlooktest.Options{}),
	}
	w.google.AddUser(gmailtest.User{Address: "ann@acme.example", HostedDomain: "acme.example"})
	w.microsoft.AddUser(outlooktest.User{Address: "bob@contoso.example"})
	w.microsoft.AddUser(outlooktest.User{Address: "admin@contoso.example", Admin: true})
	key := w.google.AddServiceAccount(gmailtest.ServiceAccount{
		Email: "robot@project.iam.example", Domain: "acme.example", Scopes: []string{gmailtest.ScopeReadonly, gmailtest.ScopeSend},
	})
	google, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(w.google.URL())})
	if err != nil {
		t.Fatal(err)
	}
	microsoft, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(w.microsoft.URL())})
	if err != nil {
		t.Fatal(err)
	}
	config := mailtether.Config{
		Apps: []connect.App{
			{
				Provider: google, ClientID: "client-id", ClientSecret: "client-secret", ServiceAccountKey: key,
				RedirectURL: "http://localhost/gmail", Transport: w.google.Transport(),
			},
			{
				Provider: microsoft, ClientID: "client-id", ClientSecret: "client-secret",
				RedirectURL: "http://localhost/outlook", AdminRedirectURL: "http://localhost/consented", Transport: w.microsoft.Transport(),
			},
		},
		Keys: []tokenstore.Key{{ID: "k", Secret: make([]byte, 32)}},
		Handler: func(_ context.Context, e mailbox.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		},
		AdminConsentURL: "http://localhost/consent",
	}
	for _, f := range edit {
		f(&config)
	}
	if w.client, err = mailtether.New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

// connect runs a flow in which the user agrees to everything.
func (w *world) connect(r connect.StartRequest, user string) (mailbox.Account, error) {
	w.t.Helper()
	r.Browser = browserSecret
	started, err := w.client.Connect.Start(w.t.Context(), r)
	if err != nil {
		return mailbox.Account{}, err
	}
	rt := w.google.Transport()
	if r.Provider == mailbox.Outlook {
		rt = w.microsoft.Transport()
	}
	back, err := gmailtest.Decide(w.t.Context(), rt, started.URL, gmailtest.Decision{User: user})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.client.Connect.Callback(w.t.Context(), connect.CallbackRequest{Query: back.Query(), Browser: browserSecret, Provider: r.Provider})
}

func (w *world) mustConnect(r connect.StartRequest, user string) mailbox.Account {
	w.t.Helper()
	a, err := w.connect(r, user)
	if err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	return a
}

func (w *world) account(ref mailbox.Ref) mailbox.Account {
	w.t.Helper()
	a, err := w.client.Stores.Accounts.Get(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) poll(ref mailbox.Ref) error {
	_, err := w.client.Inbox.Poll(w.t.Context(), ref)
	return err
}

// send sends a message and returns its state.
func (w *world) send(ref mailbox.Ref, key string, from ...mailbox.Address) outbox.Intent {
	w.t.Helper()
	out := &mailbox.Outgoing{To: []mailbox.Address{{Address: "customer@partner.example"}}, Subject: "Offer " + key, Text: "Hello"}
	if len(from) > 0 {
		out.From = from[0]
	}
	i, err := w.client.Outbox.Send(w.t.Context(), outbox.Request{Ref: ref, Key: key, Message: out})
	if err != nil {
		w.t.Fatalf("send %s: %v", key, err)
	}
	return i
}

// kinds returns the events of some kinds, in short.
func (w *world) kinds(kinds ...mailbox.EventKind) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var short []string
	for _, e := range w.events {
		if slices.Contains(kinds, e.Kind) {
			short = append(short, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Kind, stdcmp.Or(string(e.Mailbox), e.App+string(e.Provider)), e.State, e.Cause)))
		}
	}
	return short
}

func wantClass(t *testing.T, what string, err error, want ...mailbox.Class) {
	t.Helper()
	if !slices.Contains(want, mailbox.ClassOf(err)) || err == nil {
		t.Errorf("%s: %v, want one of %q", what, err, want)
	}
}

// In a directory with Microsoft's default policy, users connect for sending, and
// reading follows once an administrator has agreed, without the user.
func TestSendNowReadAfterAnAdministrator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.microsoft.SetConsentPolicy(w.microsoft.Tenant("contoso.example"), outlooktest.ConsentManaged)
		r := connect.StartRequest{Ref: bobRef, Provider: mailbox.Outlook, Want: mailbox.CanSend | mailbox.CanReadBodies}
		_, err := w.connect(r, "bob@contoso.example")
		wantClass(t, "asking for all at once", err, mailbox.ClassAdmin)

		r.Want, r.Later = mailbox.CanSend, mailbox.CanReadBodies
		a := w.mustConnect(r, "bob@contoso.example")
		if a.State != mailbox.StateConnected || a.Missing() != mailbox.CanReadBodies || a.Directory != w.microsoft.Tenant("contoso.example") {
			t.Errorf("%s, missing %s, directory %q", a.State, a.Missing(), a.Directory)
		}
		if i := w.send(bobRef, "before"); i.State != outbox.StateSent {
			t.Errorf("%s: %s", i.State, i.Error)
		}
		_, err = w.client.Connect.Widen(t.Context(), bobRef)
		wantClass(t, "widening too early", err, mailbox.ClassConsent, mailbox.ClassAdmin)
		wantClass(t, "reading too early", w.poll(bobRef), mailbox.ClassConsent)

		link, err := w.client.Connect.AdminConsent(t.Context(), connect.AdminRequest{Ref: bobRef})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{link.URL, "Mail.Read", "client-id", a.Directory} {
			if !strings.Contains(link.Text, part) {
				t.Errorf("the letter does not name %q:\n%s", part, link.Text)
			}
		}
		w.microsoft.GrantConsent(a.Directory, "client-id", "Mail.Read", "Mail.Send")
		if a, err = w.client.Connect.Widen(t.Context(), bobRef); err != nil || a.Missing() != 0 {
			t.Fatalf("widening: %v, missing %s", err, a.Missing())
		}
		if err := w.poll(bobRef); err != nil {
			t.Errorf("reading: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if err := w.poll(bobRef); err != nil {
			t.Errorf("reading with the next token: %v", err)
		}
	})
}

func TestSharedMailboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, u := range []outlooktest.User{
			{Address: "support@contoso.example", SharedWith: []string{"bob@contoso.example"}},
			{Address: "billing@contoso.example", FullAccess: []string{"bob@contoso.example"}, SendOnBehalf: []string{"bob@contoso.example"}},
			{Address: "board@contoso.example", FullAccess: []string{"bob@contoso.example"}},
			{Address: "closed@contoso.example"},
		} {
			u.Shared = true
			w.microsoft.AddUser(u)
		}
		w.mustConnect(connect.StartRequest{
			Ref: bobRef, Provider: mailbox.Outlook, Want: mailbox.CanSend | mailbox.CanReadBodies | mailbox.CanShared,
		}, "bob@contoso.example")
		found, err := w.client.Connect.FindShared(t.Context(), bobRef, mailbox.SharedQuery{
			Addresses: []string{"support@contoso.example", "closed@contoso.example", "nobody@contoso.example"},
		})
		if err != nil {
			t.Fatal(err)
		}
		readable := map[string]bool{}
		for _, m := range found {
			readable[m.Address] = m.Readable
		}
		if !readable["support@contoso.example"] || readable["closed@contoso.example"] || readable["nobody@contoso.example"] {
			t.Errorf("found %+v", found)
		}
		shared := func(name mailbox.MailboxID) mailbox.Ref { return mailbox.Ref{Tenant: "contoso", Mailbox: name} }
		for _, name := range []mailbox.MailboxID{"support", "billing", "board", "closed"} {
			_, err := w.client.Connect.ConnectShared(t.Context(), connect.SharedRequest{
				Ref: shared(name), Parent: bobRef.Mailbox, Address: string(name) + "@contoso.example",
				Want: mailbox.CanSend | mailbox.CanReadBodies,
			})
			if name == "closed" {
				wantClass(t, "without rights", err, mailbox.ClassConsent)
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := w.poll(shared("support")); err != nil {
			t.Errorf("poll: %v", err)
		}
		// As the mailbox, on its behalf, and without the right to either.
		if i := w.send(shared("support"), "as"); i.State != outbox.StateSent {
			t.Errorf("send as: %s %s", i.State, i.Error)
		}
		if i := w.send(shared("billing"), "behalf"); i.State != outbox.StateSent {
			t.Errorf("send on behalf: %s %s", i.State, i.Error)
		}
		if i := w.send(shared("board"), "neither"); i.Failure != mailbox.ClassSender {
			t.Errorf("without the right: %s, class %s", i.State, i.Failure)
		}
		if i := w.send(bobRef, "from", mailbox.Address{Address: "support@contoso.example"}); i.State != outbox.StateSent {
			t.Errorf("from another mailbox: %s %s", i.State, i.Error)
		}
		w.microsoft.Settle()
		var from []string
		for _, e := range w.microsoft.Submissions() {
			head, _, _ := strings.Cut(string(e.Raw), "\r\n\r\n")
			for line := range strings.Lines(head) {
				if name, _, _ := strings.Cut(line, ":"); name == "From" || name == "Sender" {
					from = append(from, strings.TrimSpace(line))
				}
			}
		}
		for _, want := range []string{"support@contoso.example", "billing@contoso.example", "bob@contoso.example"} {
			if !slices.ContainsFunc(from, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("nothing was sent by %s: %q", want, from)
			}
		}

		// The member leaves, and what lived on its account goes along.
		if err := w.client.Connect.Disconnect(t.Context(), bobRef); err != nil {
			t.Fatal(err)
		}
		for _, name := range []mailbox.MailboxID{"bob", "support", "billing", "board"} {
			if a := w.account(shared(name)); a.State != mailbox.StateDisconnected {
				t.Errorf("%s is %s", name, a.State)
			}
		}
	})
}

// Without any user: by application permissions and by domain-wide delegation.
func TestMailboxesByTheAppsOwnRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		directory := w.microsoft.Tenant("contoso.example")
		requests := map[mailbox.ProviderName]connect.AppRequest{
			mailbox.Gmail:   {Ref: annRef, Address: "ann@acme.example"},
			mailbox.Outlook: {Ref: bobRef, Address: "bob@contoso.example", Directory: directory},
		}
		_, err := w.client.Connect.ConnectApp(t.Context(), connect.AppRequest{
			Ref: bobRef, Provider: mailbox.Outlook, Address: "bob@contoso.example", Directory: directory, Want: mailbox.CanReadBodies,
		})
		wantClass(t, "before an administrator agreed", err, mailbox.ClassAdmin, mailbox.ClassConsent)
		w.microsoft.GrantRoles(directory, "client-id", "Mail.Read", "Mail.Send", "User.Read.All")
		for provider, r := range requests {
			r.Provider, r.Want = provider, mailbox.CanSend|mailbox.CanReadBodies
			a, err := w.client.Connect.ConnectApp(t.Context(), r)
			if err != nil || a.Access != mailbox.AccessApp || a.State != mailbox.StateConnected {
				t.Fatalf("%s: %v, %s", provider, err, a.State)
			}
			if err := w.poll(r.Ref); err != nil {
				t.Errorf("%s: poll: %v", provider, err)
			}
			if i := w.send(r.Ref, "hello"); i.State != outbox.StateSent {
				t.Errorf("%s: %s %s", provider, i.State, i.Error)
			}
			if _, _, err := w.client.Tokens.Get(t.Context(), r.Ref); mailbox.ClassOf(err) != mailbox.ClassNotFound {
				t.Errorf("%s: a token was stored: %v", provider, err)
			}
			time.Sleep(2 * time.Hour)
			if err := w.poll(r.Ref); err != nil {
				t.Errorf("%s: poll with the next token: %v", provider, err)
			}
		}
	})
}

// Every way in which a grant ends becomes a state and a cause.
func TestWhyAGrantEnded(t *testing.T) {
	t.Parallel()
	type outcome struct {
		State mailbox.AccountState
		Cause mailbox.Cause
	}
	check := func(t *testing.T, w *world, ref mailbox.Ref, want outcome) {
		t.Helper()
		time.Sleep(2 * time.Hour)
		if err := w.poll(ref); err == nil {
			t.Error("the mailbox can be read")
		}
		a := w.account(ref)
		if diff := cmp.Diff(want, outcome{a.State, a.Cause}); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		event := strings.TrimSpace(fmt.Sprintf("account_state %s %s %s", ref.Mailbox, want.State, want.Cause))
		if got := w.kinds(mailbox.EventAccountState); !slices.Contains(got, event) {
			t.Errorf("events %q, want %q among them", got, event)
		}
	}
	for reason, want := range map[outlooktest.EndReason]outcome{
		outlooktest.EndRevoked:           {mailbox.StateNeedsReconnect, mailbox.CauseRevoked},
		outlooktest.EndPassword:          {mailbox.StateNeedsReconnect, mailbox.CausePassword},
		outlooktest.EndInactive:          {mailbox.StateNeedsReconnect, mailbox.CauseInactive},
		outlooktest.EndSignInFrequency:   {mailbox.StateNeedsReconnect, mailbox.CauseSignInFrequency},
		outlooktest.EndMFA:               {mailbox.StateNeedsReconnect, mailbox.CauseMFA},
		outlooktest.EndConditionalAccess: {mailbox.StateNeedsAdmin, mailbox.CauseConditionalAccess},
		outlooktest.EndBlocked:           {mailbox.StateNeedsAdmin, mailbox.CauseAccountBlocked},
		outlooktest.EndDeleted:           {mailbox.StateUnavailable, mailbox.CauseAccountDeleted},
		outlooktest.EndConsent:           {mailbox.StateNeedsConsent, mailbox.CauseConsent},
	} {
		t.Run("Microsoft "+string(reason), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.mustConnect(connect.StartRequest{Ref: bobRef, Provider: mailbox.Outlook, Want: mailbox.CanReadHeaders}, "bob@contoso.example")
				w.microsoft.EndGrant("bob@contoso.example", reason)
				check(t, w, bobRef, want)
			})
		})
	}
	for reason, want := range map[gmailtest.EndReason]outcome{
		gmailtest.EndRevoked: {mailbox.StateNeedsReconnect, ""}, // Google does not tell why
		gmailtest.EndUnclear: {mailbox.StateNeedsReconnect, ""},
		gmailtest.EndDeleted: {mailbox.StateNeedsReconnect, mailbox.CauseAccountDeleted},
		gmailtest.EndReauth:  {mailbox.StateNeedsReconnect, mailbox.CauseSignInFrequency},
		gmailtest.EndPolicy:  {mailbox.StateNeedsAdmin, mailbox.CausePolicy},
	} {
		t.Run("Google "+string(reason), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.mustConnect(connect.StartRequest{Ref: annRef, Provider: mailbox.Gmail, Want: mailbox.CanReadHeaders}, "ann@acme.example")
				w.google.EndGrant("ann@acme.example", reason)
				check(t, w, annRef, want)
			})
		})
	}
	t.Run("Google testing mode", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.mustConnect(connect.StartRequest{Ref: annRef, Provider: mailbox.Gmail, Want: mailbox.CanReadHeaders}, "ann@acme.example")
			for range 7 {
				time.Sleep(24 * time.Hour)
				if err := w.poll(annRef); err != nil {
					t.Fatal(err)
				}
			}
			w.google.EndGrant("ann@acme.example", gmailtest.EndRevoked)
			check(t, w, annRef, outcome{mailbox.StateNeedsReconnect, mailbox.CauseTesting})
		})
	})
}

// An app whose secret has expired is one alarm for its operator. No mailbox is
// disconnected, no user is asked, and what was to be sent goes out later.
func TestAppSecretExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const mailboxes = 20
		ref := func(i int) mailbox.Ref {
			return mailbox.Ref{Tenant: "contoso", Mailbox: mailbox.MailboxID(fmt.Sprint("user", i))}
		}
		for i := range mailboxes {
			address := fmt.Sprintf("user%d@contoso.example", i)
			w.microsoft.AddUser(outlooktest.User{Address: address})
			w.mustConnect(connect.StartRequest{Ref: ref(i), Provider: mailbox.Outlook, Want: mailbox.CanSend | mailbox.CanReadHeaders}, address)
		}
		time.Sleep(2 * time.Hour)
		w.microsoft.SetClientFault("client-id", outlooktest.ClientSecretExpired)
		w.microsoft.ClearLog()
		for i := range mailboxes {
			wantClass(t, "poll", w.poll(ref(i)), mailbox.ClassConfig)
			if intent := w.send(ref(i), "waits"); intent.State != outbox.StatePending {
				t.Errorf("%s: %s", intent.State, intent.Error)
			}
			if a := w.account(ref(i)); a.State != mailbox.StateConnected {
				t.Errorf("%s is %s", ref(i), a.State)
			}
		}
		if n := len(w.microsoft.Log()); n > 3 {
			t.Errorf("the broken app asked %d times", n)
		}
		if got := w.kinds(mailbox.EventAppAlarm); !slices.Equal(got, []string{"app_alarm outlook  app_secret"}) {
			t.Errorf("alarms %q", got)
		}
		w.microsoft.SetClientFault("client-id", outlooktest.ClientFine)
		for range 30 { // what is held is tried again within 15 minutes
			time.Sleep(time.Minute)
			if _, err := w.client.Outbox.RunDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range mailboxes {
			if intent, err := w.client.Outbox.Get(t.Context(), ref(i), "waits"); err != nil || intent.State != outbox.StateSent {
				t.Errorf("%s: %v %s %s", ref(i), err, intent.State, intent.Error)
			}
		}
	})
}

// Disconnect, and everything waits; reconnect, and everything goes on.
func TestLeaveAndComeBack(t *testing.T) {
	t.Parallel()
	for _, provider := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		t.Run(string(provider), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(c *mailtether.Config) {
					c.Watch = func(_ context.Context, a mailbox.Account) (mailbox.WatchRequest, bool) {
						return mailbox.WatchRequest{
							Topic: "projects/mailtether-test/topics/mail", URL: "https://host.test/graph", Secret: "of the subscription",
						}, true
					}
				})
				ref, user := annRef, "ann@acme.example"
				deliver := w.google.Deliver
				if provider == mailbox.Outlook {
					ref, user, deliver = bobRef, "bob@contoso.example", w.microsoft.Deliver
				}
				r := connect.StartRequest{Ref: ref, Provider: provider, Want: mailbox.CanSend | mailbox.CanReadBodies}
				w.mustConnect(r, user)
				if err := w.poll(ref); err != nil { // takes the first position
					t.Fatal(err)
				}
				first := w.send(ref, "first")
				if first.State != outbox.StateSent {
					t.Fatalf("%s: %s", first.State, first.Error)
				}
				if err := w.client.Connect.Disconnect(t.Context(), ref); err != nil {
					t.Fatal(err)
				}
				if held := w.send(ref, "held"); held.State != outbox.StatePending || len(held.Waiting) == 0 {
					t.Errorf("%s, waiting for %q", held.State, held.Waiting)
				}
				ids := first.Sent.RFCMessageIDs
				_, err := deliver(user, []byte("From: customer@partner.example\r\nTo: "+user+"\r\nSubject: Re: Offer first\r\nIn-Reply-To: "+
					ids[len(ids)-1].Brackets()+"\r\nMessage-ID: <answer@partner.example>\r\n\r\nYes\r\n"))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * 24 * time.Hour) // longer than a failing message is kept
				if _, err := w.client.Outbox.RunDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := w.kinds(mailbox.EventReply, mailbox.EventSendFailed); len(got) != 0 {
					t.Errorf("while it was disconnected: %q", got)
				}

				again := w.mustConnect(connect.StartRequest{Ref: ref, Provider: provider}, user)
				if again.State != mailbox.StateConnected || again.Capabilities != r.Want.WithImplied() {
					t.Errorf("%s with %s", again.State, again.Capabilities)
				}
				if _, err := w.client.Outbox.RunDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				if held, err := w.client.Outbox.Get(t.Context(), ref, "held"); err != nil || held.State != outbox.StateSent {
					t.Errorf("held: %v %s %s", err, held.State, held.Error)
				}
				if err := w.poll(ref); err != nil {
					t.Fatal(err)
				}
				if got := w.kinds(mailbox.EventReply); len(got) != 1 {
					t.Errorf("replies %q, want the one that came meanwhile", got)
				}
				if got, want := w.watches(provider), []string{"start", "stop", "start"}; !slices.Equal(got, want) {
					t.Errorf("announcements %q, want %q", got, want)
				}
			})
		})
	}
}

// watches returns what was asked about announcements, in short.
func (w *world) watches(p mailbox.ProviderName) []string {
	log := w.google.Log()
	if p == mailbox.Outlook {
		log = w.microsoft.Log()
	}
	var asked []string
	for _, x := range log {
		u, err := url.Parse(x.URL)
		if err != nil || x.Status >= 300 {
			continue
		}
		word := ""
		switch {
		case strings.HasSuffix(u.Path, "/watch"), x.Method == "POST" && strings.HasSuffix(u.Path, "/subscriptions"):
			word = "start"
		case strings.HasSuffix(u.Path, "/stop"), x.Method == "DELETE" && strings.Contains(u.Path, "/subscriptions/"):
			word = "stop"
		}
		if word != "" && (len(asked) == 0 || asked[len(asked)-1] != word) { // one for each folder
			asked = append(asked, word)
		}
	}
	return asked
}
