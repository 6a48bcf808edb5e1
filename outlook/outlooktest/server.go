package outlooktest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// Decide plays the user at the authorization page, or the administrator at the
// page of admin consent, and returns the URL that the browser is sent back to. It
// does not load it. A refusal that the client never hears of is a *PageError.
func Decide(ctx context.Context, rt http.RoundTripper, authURL string, d Decision) (*url.URL, error) {
	return fakeserver.Decide(ctx, rt, authURL, d)
}

// Server is a fake Microsoft: Entra's endpoints and Graph's mail API at one
// origin. It is safe for concurrent use.
type Server struct {
	*fakeserver.Server
	// OAuth is the authorization server.
	OAuth *fakeserver.OAuth

	options Options
	secret  string // makes Message-IDs unique across fakes

	mu            sync.Mutex
	boxes         []*box
	serial        uint64
	pending       []*submission
	submissions   []Envelope
	bounces       map[string]Bounce
	relay         func(Envelope)
	relays        []Envelope // waiting for the lock to be free
	uploads       map[string]*upload
	subscriptions map[string]*subscription
	claims        map[string]string // access token → claims it was issued for
	tenants       map[string]string // mail domain → directory
	policies      map[string]ConsentPolicy
	apps          map[appIn]permissions
}

// Bounce is how mail to an address fails: see [Server.SetBounce].
type Bounce struct {
	// Status is the enhanced status code, for instance "5.1.10".
	Status string
	// Diagnostic is the SMTP answer; empty makes one of Status.
	Diagnostic string
}

// New returns a fake that is reached through [Server.Transport] at
// [Server.URL]. Call Listen to serve it on a port, and Close at the end.
func New(o Options) *Server {
	var id [6]byte
	rand.Read(id[:])
	s := &Server{
		options: o.withDefaults(), secret: strings.ToUpper(hex.EncodeToString(id[:])),
		bounces: map[string]Bounce{}, uploads: map[string]*upload{},
		subscriptions: map[string]*subscription{}, claims: map[string]string{}, tenants: map[string]string{},
		policies: map[string]ConsentPolicy{}, apps: map[appIn]permissions{},
	}
	s.Server = fakeserver.New(s.options.Origin, http.HandlerFunc(s.handle))
	s.OAuth = s.newOAuth()
	s.OAuth.Register(Client{
		ID: "client-id", Secret: "client-secret",
		Scopes: []string{"User.Read", "User.ReadBasic.All", "Mail.ReadWrite", "Mail.ReadWrite.Shared", "Mail.Send", "Mail.Send.Shared"},
		Roles:  []string{"Mail.ReadWrite", "Mail.Send", "User.Read.All"},
	})
	return s
}

// NewServer returns a fake that is closed at the end of the test.
func NewServer(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// AddUser adds a mailbox. It panics when the address is taken or is none.
func (s *Server) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range append([]string{u.Address}, u.Aliases...) {
		if mailbox.Domain(a) == "" || s.box(a) != nil {
			panic("outlooktest: address is taken or malformed: " + a)
		}
	}
	if u.Name == "" {
		u.Name = u.Address
	}
	if u.UserPrincipalName == "" {
		u.UserPrincipalName = u.Address
	}
	if u.ID == "" {
		u.ID = newGUID()
		if u.Personal {
			u.ID = strings.ReplaceAll(u.ID, "-", "")[:16]
		}
	}
	s.place(&u)
	if u.SendLimit == 0 {
		u.SendLimit = 10_000 // Exchange Online, recipients in 24 hours (2026-07)
		if u.Personal {
			u.SendLimit = 5_000 // Outlook.com with a Microsoft 365 subscription (2026-03)
		}
	}
	u.Aliases = slices.Clone(u.Aliases)
	s.boxes = append(s.boxes, newBox(u, uint32(len(s.boxes)+1), s.options))
}

// box returns the mailbox that an address delivers to, or nil.
func (s *Server) box(address string) *box {
	for _, b := range s.boxes {
		if b.owns(address) {
			return b
		}
	}
	return nil
}

// local reports whether users of the fake have addresses at the domain.
func (s *Server) local(domain string) bool {
	return slices.ContainsFunc(s.boxes, func(b *box) bool {
		return mailbox.Domain(b.user.Address) == domain ||
			slices.ContainsFunc(b.user.Aliases, func(a string) bool { return mailbox.Domain(a) == domain })
	})
}

func (s *Server) signIns() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, b := range s.boxes {
		if !b.user.Shared {
			names = append(names, b.user.Address)
		}
	}
	return names
}

// Tokens gives a user tokens of the client "client-id" without a browser. No
// scopes means all that mailtether ever asks for.
func (s *Server) Tokens(user string, scopes ...string) (access, refresh string) {
	if len(scopes) == 0 {
		scopes = []string{"offline_access", "User.Read", "Mail.ReadWrite", "Mail.Send"}
	}
	if u, ok := s.user(user); ok {
		user = u.Address
	}
	return s.OAuth.Issue(user, "client-id", scopes)
}

// SetRelay sets what happens to mail for domains that no user of the fake has;
// nil accepts and forgets it. It is called without any lock held, so it may call
// the fake.
func (s *Server) SetRelay(f func(Envelope)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay = f
}

// SetBounce makes mail to an address fail with a non-delivery report. The zero
// Bounce ends it.
func (s *Server) SetBounce(address string, b Bounce) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b == (Bounce{}) {
		delete(s.bounces, strings.ToLower(address))
		return
	}
	s.bounces[strings.ToLower(address)] = b
}

// SetSendRefusal makes every send of a user fail with an error code, for
// instance ErrorMessageSubmissionBlocked. An empty code ends it.
func (s *Server) SetSendRefusal(user string, status int, code string) {
	s.withBox(user, func(b *box) {
		b.sendRefusal = nil
		if code != "" {
			b.sendRefusal = refuse(status, code, "Cannot submit message.")
		}
	})
}

// SetFull makes a mailbox full: writes fail with ErrorQuotaExceeded, and so do
// reads when reads is set. Mail to it comes back.
func (s *Server) SetFull(user string, full, reads bool) {
	s.withBox(user, func(b *box) { b.full, b.fullReads = full, full && reads })
}

// SetNoMailbox takes the mailbox of an account away, or gives it back: see
// [User.NoMailbox].
func (s *Server) SetNoMailbox(user string, gone bool) {
	s.withBox(user, func(b *box) { b.user.NoMailbox = gone })
}

// Challenge answers every call of a user with a claims challenge (continuous
// access evaluation) until it carries a token that was asked for with these
// claims. Claims are JSON; empty ends it.
func (s *Server) Challenge(user, claims string) {
	s.withBox(user, func(b *box) { b.challenge = claims })
}

// ExpireDelta makes every delta link that is out unknown.
func (s *Server) ExpireDelta() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.boxes {
		for _, f := range b.folders {
			f.chains = nil
		}
	}
}

func (s *Server) withBox(user string, f func(b *box)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(user)
	if b == nil {
		panic("outlooktest: no such user: " + user)
	}
	f(b)
}

// lock takes the lock and files what transport is done with.
func (s *Server) lock() {
	s.mu.Lock()
	s.settle(nil, false)
}

// unlock frees the lock and hands mail to the relay.
func (s *Server) unlock() {
	out, relay := s.relays, s.relay
	s.relays = nil
	s.mu.Unlock()
	if relay != nil {
		for _, e := range out {
			relay(e)
		}
	}
}

// now is the time of the fake as Graph tells it, in whole seconds.
func (s *Server) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// host is the name of the fake's mail server for a domain.
func (s *Server) host() string { return "AM0FAKE.eurprd01.prod.outlook.com" }

// newMessageID makes a Message-ID as Exchange does.
func (s *Server) newMessageID() string {
	s.serial++
	return fmt.Sprintf("<AM0FAKE%s%08X@%s>", s.secret, s.serial, s.host())
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/v1.0/"):
		s.graph(w, r)
	case strings.HasPrefix(path, "/upload/"):
		s.putUpload(w, r)
	case strings.HasSuffix(path, "/oauth2/v2.0/authorize"):
		s.authorize(w, r)
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		s.token(w, r)
	case strings.HasSuffix(path, "/discovery/v2.0/keys"):
		s.keys(w, r)
	case strings.HasSuffix(path, "/v2.0/adminconsent"):
		s.adminConsent(w, r)
	default:
		s.writeError(w, r, badRequest("Resource not found for the segment '"+url.PathEscape(path)+"'."))
	}
}
