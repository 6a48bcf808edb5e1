// Command minimal is the smallest useful host: users connect a Gmail or Outlook
// mailbox in the browser, the host sends from it, and hears of every answer.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/tokenstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	key, err := base64.StdEncoding.DecodeString(os.Getenv("MAILTETHER_KEY")) // openssl rand -base64 32
	if err != nil {
		log.Fatal(err)
	}
	google, err := gmail.New(gmail.Config{})
	if err != nil {
		log.Fatal(err)
	}
	microsoft, err := outlook.New(outlook.Config{})
	if err != nil {
		log.Fatal(err)
	}
	client, err := newClient(google, microsoft, key)
	if err != nil {
		log.Fatal(err)
	}
	go client.Run(ctx) // sends what is due and polls for answers
	log.Println("open http://localhost:8080/connect/gmail or http://localhost:8080/connect/outlook")
	log.Fatal(http.ListenAndServe("localhost:8080", routes(client)))
}

// newClient wires the library. Without stores it keeps everything in memory.
func newClient(google, microsoft mailbox.Provider, key []byte) (*mailtether.Client, error) {
	return mailtether.New(mailtether.Config{
		Apps: []connect.App{
			{
				Provider: google, RedirectURL: "http://localhost:8080/callback/gmail",
				ClientID: os.Getenv("GOOGLE_CLIENT_ID"), ClientSecret: os.Getenv("GOOGLE_CLIENT_SECRET"),
			},
			{
				Provider: microsoft, RedirectURL: "http://localhost:8080/callback/outlook",
				ClientID: os.Getenv("MICROSOFT_CLIENT_ID"), ClientSecret: os.Getenv("MICROSOFT_CLIENT_SECRET"),
			},
		},
		Keys: []tokenstore.Key{{ID: "1", Secret: key}},
		Handler: func(_ context.Context, e mailbox.Event) error {
			log.Println(e.Kind, e.Mailbox, e.Key, e.State) // reply, bounce, sent, account_state …
			return nil
		},
		Tenants: func(context.Context) ([]mailbox.TenantID, error) { return []mailbox.TenantID{"acme"}, nil },
	})
}

// routes mounts the OAuth flow and one route that sends. A real host takes
// tenant and mailbox from the session of its signed-in user.
func routes(client *mailtether.Client) http.Handler {
	mux := http.NewServeMux()
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		ref := mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID("my-" + p)}
		mux.Handle("/connect/"+string(p), client.Connect.StartHandler(func(*http.Request) (connect.StartRequest, error) {
			return connect.StartRequest{
				Ref: ref, Provider: p,
				Want: mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies,
			}, nil
		}))
		mux.Handle("/callback/"+string(p), client.Connect.CallbackHandler(p))
		mux.HandleFunc("POST /send/"+string(p), func(w http.ResponseWriter, r *http.Request) {
			intent, err := client.Outbox.Send(r.Context(), outbox.Request{
				Ref: ref,
				Key: r.FormValue("key"), // the same key never sends twice
				Message: &mailbox.Outgoing{
					To:      []mailbox.Address{{Address: r.FormValue("to")}},
					Subject: r.FormValue("subject"), Text: r.FormValue("text"),
				},
			})
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintln(w, intent.State, intent.Waiting)
		})
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.RawQuery) })
	return mux
}
