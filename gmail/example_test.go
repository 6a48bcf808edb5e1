package gmail_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

// staticToken is a token source for a token that is at hand. Hosts use package
// tokenstore, which refreshes.
type staticToken string

func (t staticToken) Token(context.Context, mailbox.TokenRequest) (mailbox.AccessToken, error) {
	return mailbox.AccessToken(t), nil
}

// Send from a mailbox and read what arrived in another one. The fake stands in
// for Google; without Endpoints and Transport the same code speaks to Gmail.
func Example() {
	google := gmailtest.New(gmailtest.Options{})
	defer google.Close()
	google.AddUser(gmailtest.User{Address: "ann@example.com"})
	google.AddUser(gmailtest.User{Address: "bob@example.com"})

	provider, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(google.URL())})
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := provider.Scopes(mailbox.CanSend | mailbox.CanReadHeaders)
	if err != nil {
		log.Fatal(err)
	}
	open := func(address string) mailbox.Mailbox {
		access, _ := google.Tokens(address, scopes...)
		mb, err := provider.Open(
			mailbox.Account{
				Ref:          mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(address)},
				Address:      address,
				Capabilities: provider.Granted(scopes),
			},
			mailbox.Session{Tokens: staticToken(access), Transport: google.Transport()},
		)
		if err != nil {
			log.Fatal(err)
		}
		return mb
	}

	ctx := context.Background()
	_, err = open("ann@example.com").Send(ctx, &mailbox.Outgoing{
		To:      []mailbox.Address{{Address: "bob@example.com"}},
		Subject: "Hello",
		Text:    "How are you?",
	}, mailbox.SendOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for m, err := range mailbox.All(ctx, open("bob@example.com"), mailbox.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.From[0].Address, m.Subject)
	}
	// Output: ann@example.com Hello
}
