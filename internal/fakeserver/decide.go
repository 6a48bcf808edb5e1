package fakeserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decision is what a user does at the authorization page.
type Decision struct {
	User string
	Deny bool
	// Untick lists scopes the user does not grant.
	Untick []string
	// Limit is how long the grant shall last, at a service whose users choose
	// that (Google). 0 means for ever.
	Limit time.Duration
}

// PageError is what the user was told on a page instead of being sent back to
// the client.
type PageError struct {
	Status int
	Body   string
}

func (e *PageError) Error() string {
	return fmt.Sprintf("fakeserver: authorization page: %d: %s", e.Status, e.Body)
}

// Decide plays the user: it loads the authorization page, submits the form and
// returns the URL that the browser is sent back to. It does not load it. When the
// browser is not sent back, the error is a *PageError.
func Decide(ctx context.Context, rt http.RoundTripper, authURL string, d Decision) (*url.URL, error) {
	browser := &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusFound { // refused before the page
		return resp.Location()
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &PageError{resp.StatusCode, string(body)}
	}
	form := url.Values{"user": {d.User}, "decision": {"allow"}}
	if d.Deny {
		form.Set("decision", "deny")
	}
	if d.Limit > 0 {
		form.Set("limit", strconv.Itoa(int(d.Limit/time.Second)))
	}
	u, err := url.Parse(authURL)
	if err != nil {
		return nil, err
	}
	for s := range strings.FieldsSeq(u.Query().Get("scope")) {
		if !slices.Contains(d.Untick, s) {
			form.Add("scope", s)
		}
	}
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, authURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err = browser.Do(req)
	if err != nil {
		return nil, err
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusFound {
		return nil, &PageError{resp.StatusCode, string(body)}
	}
	return resp.Location()
}
