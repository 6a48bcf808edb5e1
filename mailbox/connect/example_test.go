package connect_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

// A host mounts two handlers. The provider would be gmail.New or outlook.New.
func Example() {
	provider := newService(mailbox.Gmail)

	secret := make([]byte, 64)
	rand.Read(secret) // in a host: from its configuration
	keys, err := tokenstore.NewKeyring(tokenstore.Key{ID: "2026-11", Secret: secret[:32]})
	if err != nil {
		panic(err)
	}
	c, err := connect.New(connect.Config{
		Apps: []connect.App{{
			Provider:     provider,
			ClientID:     "client",
			ClientSecret: canarySecret,
			RedirectURL:  "https://host.test/connect/gmail",
			Transport:    provider,
		}},
		Accounts: connect.NewMemory(),
		Vault:    tokenstore.NewVault(tokenstore.NewMemory(), keys),
		StateKey: secret[32:],
	})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/connect/start", c.StartHandler(func(r *http.Request) (connect.StartRequest, error) {
		user := "ann" // in a host: whoever is signed in
		if user == "" {
			return connect.StartRequest{}, errors.New("not signed in")
		}
		return connect.StartRequest{
			Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "sales"},
			Owner:    user,
			Provider: mailbox.Gmail,
			Want:     mailbox.CanSend | mailbox.CanReadHeaders,
			ReturnTo: "/mailboxes",
		}, nil
	}))
	mux.Handle("/connect/gmail", c.CallbackHandler(mailbox.Gmail))

	// What a browser does:
	var b browser
	resp := b.do(mux, http.MethodGet, "https://host.test/connect/start")
	callback := provider.visit(&testing.T{}, resp.Header.Get("Location"), consent{user: "ann"})
	resp = b.do(mux, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode())
	fmt.Println(resp.Header.Get("Location"))

	mb, err := c.Open(httptest.NewRequest(http.MethodGet, "/", nil).Context(), mailbox.Ref{Tenant: "acme", Mailbox: "sales"})
	fmt.Println(mb != nil, err)
	// Output:
	// /mailboxes?connected=sales
	// true <nil>
}
