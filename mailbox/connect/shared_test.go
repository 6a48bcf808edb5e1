package connect_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

func TestFindShared(t *testing.T) {
	t.Parallel()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	h.connect(t, sharing(), "bob")
	found, err := h.FindShared(t.Context(), ref, mailbox.SharedQuery{
		Addresses: []string{"support@example.com", "info@example.com", "nothing@example.com"},
	})
	want := []mailbox.SharedMailbox{
		{Address: "support@example.com", Name: "support", Readable: true},
		{Address: "info@example.com"},
	}
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestConnectShared(t *testing.T) {
	t.Parallel()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	parent := h.connect(t, sharing(), "ann")
	h.told()
	a := h.connectShared(t, supportRequest())
	want := mailbox.Account{
		Ref: support, Owner: "team-1", Provider: mailbox.Outlook, Subject: "sub-support",
		Address: "support@example.com", Name: "support", Directory: "contoso", Access: mailbox.AccessShared, Parent: ref.Mailbox,
		Scopes: parent.Scopes, Wanted: wanted, Capabilities: wanted, State: mailbox.StateConnected, Version: 1,
	}
	if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(mailbox.Account{}, "StateSince", "ConnectedAt", "Link")); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if a.Link == "" || a.Link == parent.Link {
		t.Errorf("link %q, that of the parent is %q", a.Link, parent.Link)
	}
	if diff := cmp.Diff([]string{"support connected"}, h.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := h.tokens.Get(t.Context(), support); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the shared mailbox has a token of its own: %v", err)
	}
	// It speaks with the parent's token, and shares its refreshes.
	mb, err := h.Open(t.Context(), support)
	if err != nil {
		t.Fatal(err)
	}
	own, err := h.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := mb.(*member).session.Tokens.Token(t.Context(), mailbox.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if parents, err := own.(*member).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); err != nil || parents != shared {
		t.Errorf("the tokens differ: %v", err)
	}
	if got := mb.(*member).account; got.Address != "support@example.com" || got.Access != mailbox.AccessShared {
		t.Errorf("opened as %+v", got)
	}
	// Again, with less.
	less := supportRequest()
	less.Owner, less.Want = "", mailbox.CanSend
	if again := h.connectShared(t, less); again.Owner != "team-1" || again.Capabilities != mailbox.CanSend || again.Link != a.Link {
		t.Errorf("renewed as %+v", again)
	}
	less.Want = 0
	if again := h.connectShared(t, less); again.Wanted != mailbox.CanSend {
		t.Errorf("wanted %s, not what it was", again.Wanted)
	}
}

func TestConnectSharedRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, h *host, o *organisation)
		start   func(*connect.StartRequest)
		edit    func(*connect.SharedRequest)
		class   mailbox.Class
		cause   mailbox.Cause
	}{
		"no such parent":       {edit: func(r *connect.SharedRequest) { r.Parent = "missing" }, class: mailbox.ClassNotFound},
		"of another tenant":    {edit: func(r *connect.SharedRequest) { r.Tenant = "other" }, class: mailbox.ClassNotFound},
		"its own parent":       {edit: func(r *connect.SharedRequest) { r.Mailbox = ref.Mailbox }, class: mailbox.ClassInvalid},
		"no address":           {edit: func(r *connect.SharedRequest) { r.Address = "" }, class: mailbox.ClassInvalid},
		"address with a path":  {edit: func(r *connect.SharedRequest) { r.Address = "../me@example.com" }, class: mailbox.ClassInvalid},
		"the parent's address": {edit: func(r *connect.SharedRequest) { r.Address = "ann@example.com" }, class: mailbox.ClassInvalid, prepare: func(_ *testing.T, _ *host, o *organisation) { o.set("ann", "ann") }},
		"its alias": {edit: func(r *connect.SharedRequest) { r.Address = "ann@example.org" }, class: mailbox.ClassInvalid, prepare: func(_ *testing.T, _ *host, o *organisation) {
			o.set("ann", "ann")
			o.mute()
		}},
		"linked elsewhere, of unknown subject": {prepare: func(t *testing.T, h *host, o *organisation) {
			r := sharing()
			r.Tenant, r.Mailbox = "other", "theirs"
			h.connect(t, r, "support")
			o.mute()
		}, class: mailbox.ClassConflict},
		"no such mailbox":     {edit: func(r *connect.SharedRequest) { r.Address = "no@example.com" }, class: mailbox.ClassNoMailbox},
		"no rights":           {prepare: func(_ *testing.T, _ *host, o *organisation) { o.set("support") }, class: mailbox.ClassConsent, cause: mailbox.CauseNoRights},
		"not consented":       {start: func(r *connect.StartRequest) { r.Want = wanted }, class: mailbox.ClassConsent},
		"other rights wanted": {edit: func(r *connect.SharedRequest) { r.Want = mailbox.CanDraft }, class: mailbox.ClassConsent},
		"parent disconnected": {prepare: func(t *testing.T, h *host, _ *organisation) {
			if err := h.Disconnect(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
		}, class: mailbox.ClassReconnect},
		"a provider without": {start: func(r *connect.StartRequest) { r.Provider, r.Want = mailbox.Gmail, wanted }, class: mailbox.ClassUnsupported},
		"connected by its user": {prepare: func(t *testing.T, h *host, _ *organisation) {
			r := sharing()
			r.Mailbox = support.Mailbox
			h.connect(t, r, "support")
		}, class: mailbox.ClassInvalid},
		"linked elsewhere": {prepare: func(t *testing.T, h *host, _ *organisation) {
			r := sharing()
			r.Tenant, r.Mailbox = "other", "theirs"
			h.connect(t, r, "support")
		}, class: mailbox.ClassConflict},
		"another mailbox's id": {prepare: func(t *testing.T, h *host, _ *organisation) {
			r := supportRequest()
			r.Address = "info@example.com"
			h.connectShared(t, r)
		}, class: mailbox.ClassWrongAccount},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o *organisation
			h := newHost(t, withOrganisation(&o))
			start, r := sharing(), supportRequest()
			if test.start != nil {
				test.start(&start)
			}
			h.connect(t, start, "ann")
			if test.prepare != nil {
				test.prepare(t, h, o)
			}
			if test.edit != nil {
				test.edit(&r)
			}
			before, beforeErr := h.accounts.Get(t.Context(), r.Ref)
			_, err := h.ConnectShared(t.Context(), r)
			e, ok := errors.AsType[*mailbox.Error](err)
			if !ok || e.Class != test.class || e.Cause != test.cause {
				t.Fatalf("got %v, want %s %s", err, test.class, test.cause)
			}
			if test.class == mailbox.ClassConflict && !errors.Is(err, connect.ErrLinked) {
				t.Errorf("the cause is %v", e.Err)
			}
			if _, named := errors.AsType[*connect.ConsentError](err); test.class == mailbox.ClassConsent && test.cause == "" && !named {
				t.Errorf("nothing names what is missing: %v", e.Err)
			}
			after, afterErr := h.accounts.Get(t.Context(), r.Ref)
			if diff := cmp.Diff(before, after); diff != "" || !errors.Is(afterErr, beforeErr) {
				t.Errorf("the account changed, %v:\n%s", afterErr, diff)
			}
		})
	}
}

// What scopes allow on the user's own mailbox they need not allow on others.
func TestSharedCapabilities(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		granted []string
		want    mailbox.Capabilities
	}{
		"all":         {[]string{"openid", "mail.send", "mail.headers", "mail.send.Shared", "mail.headers.Shared"}, wanted},
		"reading":     {[]string{"openid", "mail.send", "mail.headers", "mail.headers.Shared"}, mailbox.CanReadHeaders},
		"spelled out": {[]string{"mail.send", "mail.headers", "https://graph.example/Mail.Send.Shared"}, mailbox.CanSend},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o *organisation
			h := newHost(t, withOrganisation(&o))
			start := sharing()
			if _, err := h.Callback(t.Context(), h.begin(t, start, consent{user: "ann", scopes: test.granted})); err != nil {
				t.Fatal(err)
			}
			r := supportRequest()
			r.Want = wanted
			a := h.connectShared(t, r)
			if a.Capabilities != test.want || a.Wanted != wanted || a.Missing() != wanted&^test.want {
				t.Errorf("capabilities %s, missing %s", a.Capabilities, a.Missing())
			}
		})
	}
}

// The parent's grant ends: the shared mailbox waits with it, and comes back with
// it. Trouble of its own stays.
func TestSharedFollowsItsParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o *organisation
		h := newHost(t, withOrganisation(&o))
		h.connect(t, sharing(), "ann")
		h.connectShared(t, supportRequest())
		info := supportRequest()
		info.Mailbox, info.Address = "info", "info@example.com"
		h.connectShared(t, info)
		o.set("info")
		if a, err := h.Check(t.Context(), info.Ref); err != nil || a.State != mailbox.StateNeedsConsent || a.Cause != mailbox.CauseNoRights {
			t.Fatalf("Check: %s %s, %v", a.State, a.Cause, err)
		}
		h.told()

		mb, err := h.Open(t.Context(), support)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		h.outlook.trouble["/contoso/token"] = answer(400, `{"error":"invalid_grant"}`)
		if _, err := mb.(*member).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassReconnect) {
			t.Fatalf("Token: %v", err)
		}
		if diff := cmp.Diff([]string{"sales needs_reconnect", "support needs_reconnect parent"}, h.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		_, err = h.Open(t.Context(), support)
		if e := wantRefused(t, err, mailbox.ClassReconnect, ""); e.Cause != mailbox.CauseParent {
			t.Errorf("cause %q", e.Cause)
		}
		if a := h.accountOf(t, support); a.Link == "" {
			t.Error("the link was given up")
		}

		h.connect(t, sharing(), "ann")
		if diff := cmp.Diff([]string{"sales connected", "support connected"}, h.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if _, err := h.Open(t.Context(), support); err != nil {
			t.Errorf("Open: %v", err)
		}
		if a := h.accountOf(t, info.Ref); a.State != mailbox.StateNeedsConsent || a.Cause != mailbox.CauseNoRights {
			t.Errorf("lost rights came back: %s %s", a.State, a.Cause)
		}
		// Now the rights are back.
		o.set("info", "ann")
		if a, err := h.Check(t.Context(), info.Ref); err != nil || a.State != mailbox.StateConnected || a.Cause != "" {
			t.Errorf("Check: %s %s, %v", a.State, a.Cause, err)
		}
	})
}

// Should the news be missed, Open and Check make up for it.
func TestSharedFollowsLate(t *testing.T) {
	t.Parallel()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	h.connect(t, sharing(), "ann")
	h.connectShared(t, supportRequest())
	write := func(change func(*mailbox.Account)) { // as a process that died after it
		t.Helper()
		a := h.account(t)
		change(&a)
		if _, err := h.accounts.Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	write(func(a *mailbox.Account) { a.State, a.Cause = mailbox.StateNeedsAdmin, mailbox.CausePolicy })
	_, err := h.Open(t.Context(), support)
	wantRefused(t, err, mailbox.ClassAdmin, "")
	if a := h.accountOf(t, support); a.State != mailbox.StateNeedsAdmin || a.Cause != mailbox.CauseParent {
		t.Errorf("%s %s", a.State, a.Cause)
	}
	write(func(a *mailbox.Account) { a.State, a.Cause = mailbox.StateConnected, "" })
	if _, err := h.Open(t.Context(), support); err != nil {
		t.Errorf("Open: %v", err)
	}
	write(func(a *mailbox.Account) { a.Scopes = []string{"mail.send", "mail.headers", "mail.send.Shared"} })
	if a, err := h.Check(t.Context(), support); err != nil || a.Capabilities != mailbox.CanSend {
		t.Errorf("capabilities %s, %v", a.Capabilities, err)
	}
	write(func(a *mailbox.Account) { a.Capabilities = wanted })
	_, err = h.Open(t.Context(), support)
	wantRefused(t, err, mailbox.ClassConsent, "")
	h.told()
	asked := len(h.outlook.requests)
	if a, err := h.Check(t.Context(), support); err != nil || a.State != mailbox.StateNeedsConsent || a.Cause != mailbox.CauseParent {
		t.Errorf("Check: %s %s, %v", a.State, a.Cause, err)
	}
	if told := h.told(); len(told) != 0 || len(h.outlook.requests) != asked {
		t.Errorf("told %v, requests %v", told, h.outlook.requests[asked:])
	}
	write(func(a *mailbox.Account) { a.State, a.Link = mailbox.StateDisconnected, "" })
	_, err = h.Open(t.Context(), support)
	wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
	if a := h.accountOf(t, support); a.State != mailbox.StateDisconnected || a.Link != "" {
		t.Errorf("%s, link %q", a.State, a.Link)
	}
}

func TestDisconnectCascade(t *testing.T) {
	t.Parallel()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	h.connect(t, sharing(), "ann")
	h.connectShared(t, supportRequest())
	other := sharing()
	other.Mailbox = "bob"
	h.connect(t, other, "bob")
	info := supportRequest()
	info.Mailbox, info.Address = "info", "info@example.com"
	h.connectShared(t, info)
	// The shared one alone: the parent and its token stay.
	if err := h.Disconnect(t.Context(), info.Ref); err != nil {
		t.Fatal(err)
	}
	if _, err := h.tokens.Get(t.Context(), ref); err != nil || h.account(t).State != mailbox.StateConnected {
		t.Fatalf("the parent suffered: %v", err)
	}
	moved := info
	moved.Parent = "bob"
	o.set("info", "ann", "bob")
	h.connectShared(t, moved) // lives on another member from now on
	h.told()

	if err := h.Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sales disconnected", "support disconnected parent"}, h.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if a := h.accountOf(t, support); a.Link != "" || a.Owner != "team-1" {
		t.Errorf("link %q, owner %q", a.Link, a.Owner)
	}
	if _, err := h.Open(t.Context(), info.Ref); err != nil {
		t.Errorf("the mailbox of another parent: %v", err)
	}
	// A purpose is a purpose: it does not come back with the parent.
	h.connect(t, sharing(), "ann")
	_, err := h.Open(t.Context(), support)
	wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
	h.connectShared(t, supportRequest())
}

// A provider that does not tell who a shared mailbox is: the address has to do.
func TestSharedOfUnknownSubject(t *testing.T) {
	t.Parallel()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	o.mute()
	h.connect(t, sharing(), "ann")
	a := h.connectShared(t, supportRequest())
	if a.Subject != "" {
		t.Errorf("subject %q", a.Subject)
	}
	info := supportRequest()
	info.Mailbox, info.Address = "info", "info@example.com"
	h.connectShared(t, info)
	again := supportRequest()
	again.Mailbox = "again"
	if _, err := h.ConnectShared(t.Context(), again); !errors.Is(err, connect.ErrLinked) {
		t.Errorf("got %v", err)
	}
	// Its user signs in one day, and brings the subject along.
	if err := h.Disconnect(t.Context(), support); err != nil {
		t.Fatal(err)
	}
	own := sharing()
	own.Ref = support
	if a := h.connect(t, own, "support"); a.Access != mailbox.AccessUser || a.Parent != "" || a.Subject != "sub-support" {
		t.Errorf("connected as %+v", a)
	}
	if err := h.Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if got := h.accountOf(t, support).State; got != mailbox.StateConnected {
		t.Errorf("it went with its former parent: %s", got)
	}
}
