package gmailtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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

// Origin is what the URLs of a fake begin with until it listens.
const Origin = "https://gmail.fake"

// Server is a fake Google: the Gmail API and its OAuth server at one origin. It
// is safe for concurrent use.
type Server struct {
	*fakeserver.Server
	// OAuth is the authorization server. The client {"client-id",
	// "client-secret"} is registered with it.
	OAuth *fakeserver.OAuth

	opts Options
	mux  *http.ServeMux

	mu      sync.Mutex
	boxes   []*box
	byAddr  map[string]*box // lower-case address or alias
	domains map[string]bool
	relay   func(Envelope)
	rand    *rand.Rand
	lastID  uint64
	project meter
	reauth  map[string]bool // users whose refreshes ask for a new sign-in
	// accounts are service accounts by address.
	accounts map[string]serviceAccount
}

// New returns a fake that does not listen: reach it at its URL through its
// Transport, or call Listen. Close ends requests that hang.
func New(o Options) *Server {
	s := &Server{
		opts:    o.withDefaults(),
		mux:     http.NewServeMux(),
		byAddr:  map[string]*box{},
		domains: map[string]bool{},
		lastID:  0x18f0_0000_0000_0000,
		reauth:  map[string]bool{},

		accounts: map[string]serviceAccount{},
	}
	s.rand = rand.New(rand.NewPCG(s.opts.Seed, s.opts.Seed))
	s.Server = fakeserver.New(Origin, s.mux)
	s.OAuth = s.newOAuth()
	s.OAuth.Register(Client{ID: "client-id", Secret: "client-secret"})
	s.routes()
	return s
}

// NewServer is New with Close at the end of the test.
func NewServer(t testing.TB, o Options) *Server {
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// Decide plays the user at the authorization page: it loads authURL through rt,
// decides, and returns the URL that the browser is sent back to.
func Decide(ctx context.Context, rt http.RoundTripper, authURL string, d Decision) (*url.URL, error) {
	return fakeserver.Decide(ctx, rt, authURL, d)
}

// AddUser adds an account. It panics when the address is missing or taken.
func (s *Server) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mailbox.Domain(u.Address) == "" {
		panic("gmailtest: AddUser: Address is required")
	}
	if u.Subject == "" {
		h := fnv.New64a()
		h.Write([]byte(strings.ToLower(u.Address)))
		u.Subject = fmt.Sprintf("1%020d", h.Sum64())
	}
	b := newBox(u, 1000+s.rand.Uint64N(1_000_000))
	for _, a := range append([]string{u.Address}, u.Aliases...) {
		key := strings.ToLower(a)
		if s.byAddr[key] != nil {
			panic("gmailtest: AddUser: the address is taken")
		}
		s.byAddr[key] = b
		s.domains[mailbox.Domain(a)] = true
	}
	s.boxes = append(s.boxes, b)
}

// Tokens gives a user's access and refresh token for client-id, without the
// browser dance. Without scopes it gives full access (https://mail.google.com/)
// and the sign-in scopes. It counts as consent: whoever connects the user later
// gets a refresh token only with prompt=consent.
func (s *Server) Tokens(user string, scopes ...string) (access, refresh string) {
	if len(scopes) == 0 {
		scopes = []string{ScopeFull, "openid", scopeEmail}
	}
	return s.OAuth.Issue(s.mustFind(user).user.Address, "client-id", scopes)
}

// SetRelay sets what happens to mail for domains that no user of the fake has.
// f is called outside all locks, before the sender gets the answer. With nil
// such mail is accepted and forgotten.
func (s *Server) SetRelay(f func(Envelope)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay = f
}

// RequireReauth makes refreshes of the user's tokens fail with invalid_grant and
// error_subtype invalid_rapt, as an organisation's session control does.
func (s *Server) RequireReauth(user string) {
	b := s.mustFind(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reauth[b.user.Address] = true
}

// ExpireHistory forgets the history of all mailboxes up to now: older
// startHistoryIds are answered 404.
func (s *Server) ExpireHistory() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.boxes {
		b.floor = b.historyID
	}
}

// mustFind returns the mailbox of an address of a user. Unknown users are
// mistakes of a test, therefore it panics.
func (s *Server) mustFind(address string) *box {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.find(address); b != nil {
		return b
	}
	panic("gmailtest: no such user")
}

// find returns the mailbox that an address is delivered to: its own, an alias,
// or one of them with a +tag. s.mu is held.
func (s *Server) find(address string) *box {
	address = strings.ToLower(address)
	if b := s.byAddr[address]; b != nil {
		return b
	}
	local, domain, ok := strings.Cut(address, "@")
	if !ok {
		return nil
	}
	base, _, tagged := strings.Cut(local, "+")
	if !tagged {
		return nil
	}
	return s.byAddr[base+"@"+domain]
}

// users lists who can sign in.
func (s *Server) users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.boxes))
	for i, b := range s.boxes {
		names[i] = b.user.Address
	}
	return names
}

// newID returns the next message id. s.mu is held.
func (s *Server) newID() string {
	s.lastID += 1 + s.rand.Uint64N(1<<24)
	return fmt.Sprintf("%016x", s.lastID)
}

// order returns the numbers below n in an order that differs from call to call
// but not from run to run.
func (s *Server) order(n int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Perm(n)
}

// nonce returns bytes for names that must not be stable. s.mu is held.
func (s *Server) nonce() [8]byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], s.rand.Uint64())
	return n
}

// wait lets the latency of a call pass.
func (s *Server) wait(ctx context.Context) error {
	if s.opts.Latency <= 0 {
		return nil
	}
	t := time.NewTimer(s.opts.Latency)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayUse reports whether the mailbox may send from an address.
func (b *box) mayUse(address string) bool {
	return slices.ContainsFunc(slices.Concat([]string{b.user.Address}, b.user.Aliases, b.user.SendAs), func(own string) bool {
		return mailbox.SameAddress(own, withoutTag(address)) || mailbox.SameAddress(own, address)
	})
}

// withoutTag removes a +tag from the local part.
func withoutTag(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok {
		return address
	}
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}
