package mailtether_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// service is one of the fakes, as far as sending once is concerned.
type service struct {
	provider  mailbox.Provider
	transport http.RoundTripper
	inject    func(gmailtest.Fault)
	token     func(scopes []string) string
	// arrived counts the copies that left the mailbox.
	arrived func() int
}

const (
	sender   = "ann@acme.example"
	receiver = "bob@acme.example"
	subject  = "Only once"
)

func newService(t *testing.T, p mailbox.ProviderName) *service {
	t.Helper()
	if p == mailbox.Gmail {
		s := gmailtest.NewServer(t, gmailtest.Options{})
		s.AddUser(gmailtest.User{Address: sender})
		s.AddUser(gmailtest.User{Address: receiver})
		provider, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(s.URL())})
		if err != nil {
			t.Fatal(err)
		}
		return &service{
			provider: provider, transport: s.Transport(), inject: s.Inject,
			token: func(scopes []string) string { access, _ := s.Tokens(sender, scopes...); return access },
			arrived: func() int {
				n := 0
				for _, m := range s.Messages(receiver) {
					if strings.Contains(string(m.Raw), "Subject: "+subject) {
						n++
					}
				}
				return n
			},
		}
	}
	s := outlooktest.NewServer(t, outlooktest.Options{SendDelay: 3 * time.Second})
	s.AddUser(outlooktest.User{Address: sender})
	s.AddUser(outlooktest.User{Address: receiver})
	provider, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(s.URL())})
	if err != nil {
		t.Fatal(err)
	}
	return &service{
		provider: provider, transport: s.Transport(), inject: s.Inject,
		token: func(scopes []string) string { access, _ := s.Tokens(sender, scopes...); return access },
		arrived: func() int {
			s.Settle()
			n := 0
			for _, m := range s.Messages(receiver) {
				if m.Subject == subject {
					n++
				}
			}
			return n
		},
	}
}

// Token implements mailbox.TokenSource.
func (s *source) Token(_ context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == "" || s.access == req.Rejected {
		s.access = mailbox.AccessToken(s.issue(s.scopes))
	}
	return s.access, nil
}

type source struct {
	issue  func([]string) string
	scopes []string
	mu     sync.Mutex
	access mailbox.AccessToken
}

// TestSendOnceThroughBothDrivers throws random trouble at every request of the
// drivers and lets the outbox work for half a day. The message must never arrive
// twice, and the outbox must never say that it did not go out when it did.
func TestSendOnceThroughBothDrivers(t *testing.T) {
	t.Parallel()
	const look = mailbox.CanSend | mailbox.CanReadHeaders
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, look, look | mailbox.CanReadBodies | mailbox.CanDraft} {
			for seed := range uint64(25) {
				t.Run(fmt.Sprint(p, " ", caps, " ", seed), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { sendThroughTrouble(t, p, caps, seed) })
				})
			}
		}
	}
}

func sendThroughTrouble(t *testing.T, p mailbox.ProviderName, caps mailbox.Capabilities, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(caps)))
	s := newService(t, p)
	scopes, err := s.provider.Scopes(caps)
	if err != nil {
		t.Fatal(err)
	}
	account := mailbox.Account{Ref: alice, Provider: p, Address: sender, Scopes: scopes, Capabilities: s.provider.Granted(scopes)}
	o, err := outbox.New(outbox.Config{
		Ledger: outbox.NewMemory(),
		Open: func(context.Context, mailbox.Ref) (mailbox.Mailbox, error) {
			return s.provider.Open(account, mailbox.Session{Tokens: &source{issue: s.token, scopes: scopes}, Transport: s.transport})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + rng.IntN(5) {
		f := gmailtest.Fault{Skip: rng.IntN(4), Times: 1 + rng.IntN(2), After: rng.IntN(2) == 0}
		switch rng.IntN(6) {
		case 0:
			f.Lose = true
		case 1:
			f.Status, f.Body = 500, "{}"
		case 2:
			f.Status, f.Body = 502, "<html>Bad Gateway</html>"
		case 3:
			f.Status, f.Body, f.After = 429, `{"error":{"code":"TooManyRequests","message":"slow down"}}`, false
		case 4:
			f.Hang = true
		case 5:
			f.Delay = time.Duration(rng.IntN(300)) * time.Second
		}
		if rng.IntN(2) == 0 { // strike where it hurts
			f.Match = func(r *http.Request, _ []byte) bool {
				return r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/send") || strings.HasSuffix(r.URL.Path, "/sendMail"))
			}
		}
		s.inject(f)
	}
	request := outbox.Request{Ref: alice, Key: "k", Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: receiver}}, Subject: subject, Text: "Hello",
	}}
	if _, err := o.Send(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Hour)
	defer cancel()
	if err := o.Run(ctx); err != nil {
		t.Fatal(err)
	}
	i, err := o.Get(t.Context(), alice, "k")
	if err != nil {
		t.Fatal(err)
	}
	arrived := s.arrived()
	ok := arrived <= 1
	switch i.State {
	case outbox.StateSent:
		ok = arrived == 1
	case outbox.StateFailed, outbox.StatePending, outbox.StateSending:
		ok = false // twelve hours without trouble at the end are enough
	case outbox.StateUnknown:
		// The driver could not look, or would not guess.
	}
	if !ok {
		t.Errorf("state %s after %d attempts and %d looks, %d copies arrived (%s)", i.State, i.Attempts, i.Looks, arrived, i.Error)
	}
	t.Logf("%s, %d attempts, %d copies", i.State, i.Attempts, arrived)
}
