package fakeserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// SignIn plays a user who agrees to everything, and the client "client-id" that
// asks for it, and returns the claims of the ID token, unverified.
func SignIn(ctx context.Context, rt http.RoundTripper, o mailbox.OAuth, scopes []string, user string) ([]byte, error) {
	const back = "http://localhost/back"
	verifier := secret() + secret()
	sum := sha256.Sum256([]byte(verifier))
	page := o.AuthURL + "?" + url.Values{
		"client_id": {"client-id"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {strings.Join(scopes, " ")},
		"state": {"s"}, "nonce": {"n"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode()
	u, err := Decide(ctx, rt, page, Decision{User: user})
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
		"code": {u.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {back},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	parts := strings.Split(answer.IDToken, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("fakeserver: HTTP %d without an ID token", resp.StatusCode)
	}
	return base64.RawURLEncoding.DecodeString(parts[1])
}
