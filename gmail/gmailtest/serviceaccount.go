package gmailtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// assertionGrant is the grant type of service accounts (RFC 7523, 2.1).
const assertionGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Bounds of an assertion's time
// (developers.google.com/identity/protocols/oauth2/service-account, 2026-03): it
// may end 65 minutes after it was made, clocks may differ by a few minutes.
const (
	assertionLife = 65 * time.Minute
	assertionSkew = 5 * time.Minute
	maxAssertion  = 16 << 10 // bytes; the fake's own bound
)

// ServiceAccount is an account of an app that the administrator of a Workspace
// domain lets act for the domain's users (domain-wide delegation).
type ServiceAccount struct {
	// Email names the account: "app@project.iam.gserviceaccount.com". Required.
	Email string
	// Domain is the Workspace domain that delegates to it; empty means none.
	Domain string
	// Scopes are those that the domain delegates.
	Scopes []string
}

type serviceAccount struct {
	ServiceAccount
	key *rsa.PublicKey
}

// AddServiceAccount adds a service account, or replaces one with a new key, and
// returns its key file as Google's console writes it.
func (s *Server) AddServiceAccount(a ServiceAccount) (keyJSON []byte) {
	if mailbox.Domain(a.Email) == "" {
		panic("gmailtest: AddServiceAccount: Email is required")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("gmailtest: key of a service account: " + err.Error())
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic("gmailtest: key of a service account: " + err.Error())
	}
	a.Scopes = slices.Clone(a.Scopes)
	s.mu.Lock()
	s.accounts[a.Email] = serviceAccount{a, &key.PublicKey}
	s.mu.Unlock()
	file, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": s.opts.ProjectID, "private_key_id": randomHex(20),
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": a.Email, "client_id": clientNumber(), "auth_uri": s.URL() + "/o/oauth2/v2/auth",
		"token_uri": s.URL() + "/token", "universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic("gmailtest: key file: " + err.Error())
	}
	return file
}

// SetDelegation changes what a domain delegates to a service account; no scopes
// ends it. The key stays.
func (s *Server) SetDelegation(email, domain string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[email]
	if !ok {
		panic("gmailtest: SetDelegation: no such service account")
	}
	a.Domain, a.Scopes = domain, slices.Clone(scopes)
	s.accounts[email] = a
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// clientNumber is the numeric id that an administrator delegates to.
func clientNumber() string {
	b := make([]byte, 8)
	rand.Read(b)
	return fmt.Sprintf("1%020d", new(big.Int).SetBytes(b))
}

// Refusals of an assertion, as Google's page on service accounts lists them
// (2026-03).
const (
	badAssertion  fakeserver.TokenError = "assertion"
	badJWT        fakeserver.TokenError = "jwt_signature"
	badJWTTime    fakeserver.TokenError = "jwt_time"
	badAudience   fakeserver.TokenError = "jwt_audience"
	noAccount     fakeserver.TokenError = "service_account"
	noSubject     fakeserver.TokenError = "subject"
	notDelegated  fakeserver.TokenError = "delegation"
	partDelegated fakeserver.TokenError = "delegated_scopes"
	noScope       fakeserver.TokenError = "assertion_scopes"
)

// assertion is what a service account claims.
type assertion struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience string           `json:"aud"`
	Scope    string           `json:"scope"`
	Issued   *jwt.NumericDate `json:"iat"`
	Expires  *jwt.NumericDate `json:"exp"`
}

// assert answers a service account that wants to act for a user.
func (s *Server) assert(r *http.Request, _ string) (Grant, fakeserver.TokenError) {
	a, kind := s.readAssertion(r.PostForm.Get("assertion"))
	if kind != "" {
		return Grant{}, kind
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	account, scopes := s.accounts[a.Issuer], strings.Fields(a.Scope)
	delegated := func(scope string) bool { return slices.Contains(account.Scopes, scope) }
	b := s.find(a.Subject)
	switch {
	case len(scopes) == 0:
		return Grant{}, noScope
	case a.Subject == "" || account.Domain == "" || !strings.EqualFold(mailbox.Domain(a.Subject), account.Domain):
		return Grant{}, notDelegated
	case b == nil:
		return Grant{}, noSubject
	case !slices.ContainsFunc(scopes, delegated):
		return Grant{}, notDelegated
	case slices.ContainsFunc(scopes, func(v string) bool { return !delegated(v) }):
		return Grant{}, partDelegated
	}
	return Grant{User: b.user.Address, Client: account.Email, Scopes: scopes}, ""
}

// readAssertion verifies an assertion (RFC 7523, 3).
func (s *Server) readAssertion(raw string) (assertion, fakeserver.TokenError) {
	var a assertion
	if len(raw) > maxAssertion {
		return a, badAssertion
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || token.UnsafeClaimsWithoutVerification(&a) != nil {
		return a, badAssertion
	}
	s.mu.Lock()
	account, known := s.accounts[a.Issuer]
	s.mu.Unlock()
	if !known {
		return a, noAccount
	}
	a = assertion{}
	now := s.Now()
	switch {
	case token.Claims(account.key, &a) != nil:
		return a, badJWT
	case a.Audience != s.URL()+"/token":
		return a, badAudience
	case a.Issued == nil || a.Expires == nil:
		return a, badJWTTime
	}
	issued, expires := a.Issued.Time(), a.Expires.Time()
	if expires.Before(issued) || expires.Sub(issued) > assertionLife ||
		issued.After(now.Add(assertionSkew)) || expires.Before(now.Add(-assertionSkew)) {
		return a, badJWTTime
	}
	return a, ""
}
