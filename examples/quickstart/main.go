// Command quickstart shows the whole path in one process and without any
// set-up: it starts a fake Google and a fake Microsoft, connects a mailbox of
// each through the OAuth pages over HTTP, sends from both, lets the recipients
// answer in every way that matters, and prints what was sent, what came back and
// how it was recognised.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -mail PATH
//
// With -mail, real mail (an .eml file, an mbox, either of them as .gz, or a
// folder of these) is delivered into both mailboxes first, as the background
// that no host should ever read.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/tokenstore"
)

func main() {
	mail := flag.String("mail", "", "deliver real mail from this `path` into both mailboxes first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *mail); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// host is the host application: a web server with two routes for each provider,
// and a handler of events.
type host struct {
	client *mailtether.Client
	url    string

	mu     sync.Mutex
	events []mailbox.Event
}

// newHost wires the library. This is all that a real host writes, apart from
// the endpoints of the fakes, the lifted limits and the key, which a real host
// keeps in its secret store.
func newHost(w *world) (*host, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &host{url: "http://" + listener.Addr().String()}
	google, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(w.google.URL())})
	if err != nil {
		return nil, err
	}
	microsoft, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(w.microsoft.URL())})
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key)
	h.client, err = mailtether.New(mailtether.Config{
		Apps: []connect.App{
			{Provider: google, ClientID: "client-id", ClientSecret: "client-secret", RedirectURL: h.url + "/callback/gmail"},
			{Provider: microsoft, ClientID: "client-id", ClientSecret: "client-secret", RedirectURL: h.url + "/callback/outlook"},
		},
		Keys:    []tokenstore.Key{{ID: "first", Secret: key}},
		Handler: h.handle,
		Calls:   quota.LimiterConfig{Providers: noLimits},
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/callback/gmail", h.client.Connect.CallbackHandler(mailbox.Gmail))
	mux.Handle("/callback/outlook", h.client.Connect.CallbackHandler(mailbox.Outlook))
	mux.Handle("/connect/{provider}", h.client.Connect.StartHandler(func(r *http.Request) (connect.StartRequest, error) {
		provider := mailbox.ProviderName(r.PathValue("provider"))
		return connect.StartRequest{ // a real host takes tenant and owner from its session
			Ref: ref(provider), Provider: provider,
			Want: mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies,
		}, nil
	}))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.RawQuery) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	w.closers = append(w.closers, func() { server.Close() })
	go server.Serve(listener)
	return h, nil
}

// noLimits is for fakes that have no quota. Leave it out with real providers.
var noLimits = map[mailbox.ProviderName]quota.Limits{
	mailbox.Gmail:   {Mailbox: quota.Budget{Units: quota.Unlimited}},
	mailbox.Outlook: {Mailbox: quota.Budget{Units: quota.Unlimited}},
}

func ref(p mailbox.ProviderName) mailbox.Ref {
	return mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID("ada-" + p)}
}

// handle takes the events. A real host writes to its database here.
func (h *host) handle(_ context.Context, e mailbox.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	return nil
}

var providers = [...]mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook}

func run(ctx context.Context, out io.Writer, mail string) error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	h, err := newHost(w)
	if err != nil {
		return err
	}

	for _, p := range providers {
		if err := w.signIn(ctx, h.url+"/connect/"+string(p), p); err != nil {
			return fmt.Errorf("connecting %s: %w", p, err)
		}
		if _, err := h.client.Inbox.Poll(ctx, ref(p)); err != nil { // takes the first position
			return fmt.Errorf("first poll of %s: %w", p, err)
		}
	}

	background := 0
	if mail != "" {
		if background, err = w.deliverReal(ctx, out, mail); err != nil {
			return err
		}
	}

	var intents []outbox.Intent
	for _, p := range providers {
		for _, to := range w.recipients(p) {
			i, err := h.client.Outbox.Send(ctx, outbox.Request{
				Ref: ref(p), Key: to.key,
				Message: &mailbox.Outgoing{
					To: []mailbox.Address{{Name: to.name, Address: to.address}}, Subject: "Our offer for " + to.name,
					Text: "Hello " + to.name + ",\n\nhere is our offer.\n", HTML: "<p>Hello " + to.name + ",</p><p>here is our offer.</p>",
					Signature: &mailbox.Signature{Text: "Ada, Acme", HTML: "<p>Ada, Acme</p>"},
				},
			})
			if err != nil {
				return fmt.Errorf("sending %s: %w", to.key, err)
			}
			intents = append(intents, i)
		}
	}

	reports := map[mailbox.ProviderName]*counts{}
	for _, p := range providers {
		report, err := h.client.Inbox.Poll(ctx, ref(p))
		if err != nil {
			return fmt.Errorf("polling %s: %w", p, err)
		}
		reports[p] = &counts{Report: report, asked: w.bodiesAskedFor(p)}
	}

	printSent(out, intents)
	printAnswers(out, h.events)
	printCounts(out, reports)
	return verify(w, intents, h.events, reports, background)
}

// verify makes the program fail when something did not come back as it should.
func verify(w *world, intents []outbox.Intent, events []mailbox.Event, reports map[mailbox.ProviderName]*counts, background int) error {
	var errs []error
	for _, i := range intents {
		if i.State != outbox.StateSent {
			errs = append(errs, fmt.Errorf("%s is %s: %s", i.Key, i.State, i.Error))
		}
	}
	got := map[string]mailbox.EventKind{}
	for _, e := range events {
		if e.Message != nil {
			got[e.Key] = e.Kind
		}
	}
	for _, p := range providers {
		for _, to := range w.recipients(p) {
			if got[to.key] != to.want {
				errs = append(errs, fmt.Errorf("%s came back as %q, want %q", to.key, got[to.key], to.want))
			}
		}
		r := reports[p]
		if r.Seen < background+2*len(w.recipients(p)) {
			errs = append(errs, fmt.Errorf("%s: only %d messages were seen", p, r.Seen))
		}
		if r.Bodies != len(w.recipients(p)) {
			errs = append(errs, fmt.Errorf("%s: %d bodies were read for %d answers", p, r.Bodies, len(w.recipients(p))))
		}
		if r.asked.foreign > 0 {
			errs = append(errs, fmt.Errorf("%s: the content of %d unrelated messages was asked for", p, r.asked.foreign))
		}
	}
	return errors.Join(errs...)
}
