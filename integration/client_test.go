package integration

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/tokenstore"
)

// Two processes of a host share a database: one begins a flow and the other ends
// it, both send, a key is replaced, and what one disconnects the other cannot open.
func TestClientsShareADatabase(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		microsoft := outlooktest.NewServer(t, outlooktest.Options{RefreshReuse: outlooktest.ReuseStrict})
		microsoft.AddUser(outlooktest.User{Address: microsoftUser})
		provider, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(microsoft.URL())})
		if err != nil {
			t.Fatal(err)
		}
		store, _ := migrated(t, d)
		key := func(id string) tokenstore.Key {
			return tokenstore.Key{ID: id, Secret: bytes.Repeat([]byte(id[:1]), 32)}
		}
		client := func(keys ...tokenstore.Key) *mailtether.Client {
			t.Helper()
			c, err := mailtether.New(mailtether.Config{
				Apps: []connect.App{{
					Provider: provider, ClientID: "client-id", ClientSecret: "client-secret",
					RedirectURL: "http://localhost/callback", Transport: microsoft.Transport(),
				}},
				Keys:    keys,
				Handler: func(context.Context, mailbox.Event) error { return nil },
				Stores: mailtether.Stores{
					Accounts: store.Accounts(), States: store.States(), Tokens: store.Tokens(),
					Index: store.Index(), Sends: store.Sends(), Calls: store.Calls(),
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		send := func(c *mailtether.Client, key string) {
			t.Helper()
			i, err := c.Outbox.Send(t.Context(), outbox.Request{Ref: fleetRef, Key: key, Message: &mailbox.Outgoing{
				To: []mailbox.Address{{Address: "somebody@partner.example"}}, Subject: "Hello", Text: "Hello",
			}})
			if err != nil || i.State != outbox.StateSent {
				t.Errorf("send %s: %v, %s %s", key, err, i.State, i.Error)
			}
		}

		first, second := client(key("old")), client(key("old"))
		const browser = "browser-secret-of-32-characters!"
		started, err := first.Connect.Start(t.Context(), connect.StartRequest{
			Ref: fleetRef, Provider: mailbox.Outlook, Want: mailbox.CanSend | mailbox.CanReadBodies, Browser: browser,
		})
		if err != nil {
			t.Fatal(err)
		}
		back, err := outlooktest.Decide(t.Context(), microsoft.Transport(), started.URL, outlooktest.Decision{User: microsoftUser})
		if err != nil {
			t.Fatal(err)
		}
		callback := connect.CallbackRequest{Query: back.Query(), Browser: browser}
		if _, err := second.Connect.Callback(t.Context(), callback); err != nil {
			t.Fatalf("Callback: %v (%s)", err, unwrapped(err))
		}
		if _, err := first.Connect.Callback(t.Context(), callback); !errors.Is(err, mailbox.ClassBadCallback) {
			t.Errorf("the callback worked twice: %v", err)
		}
		send(first, "1")
		microsoft.OAuth.ExpireAccess()
		send(second, "2") // refreshes
		send(first, "3")  // with a token that was refused: the other's new one serves
		if n := microsoft.OAuth.Refreshes(microsoftUser); n != 1 {
			t.Errorf("%d refreshes for one expiry", n)
		}

		third := client(key("new"), key("old"))
		report, err := third.Tokens.Rotate(t.Context(), tokenstore.RotateOptions{})
		if err != nil || report.Rotated != 1 {
			t.Errorf("Rotate: %+v, %v", report, err)
		}
		fourth := client(key("new"))
		microsoft.OAuth.ExpireAccess()
		send(fourth, "4")

		status, err := second.Sends.Status(t.Context(), quota.SendRequest{Ref: fleetRef, Provider: mailbox.Outlook})
		if err != nil || status.Limits[0].Used != 4 {
			t.Errorf("limits of another client: %+v, %v", status, err)
		}

		if err := fourth.Connect.Disconnect(t.Context(), fleetRef); err != nil {
			t.Fatal(err)
		}
		if _, err := third.Connect.Open(t.Context(), fleetRef); !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("Open after the disconnect: %v", err)
		}
		if n := microsoft.OAuth.Refreshes(microsoftUser); n != 2 {
			t.Errorf("%d refreshes for two expiries", n)
		}
	})
}
