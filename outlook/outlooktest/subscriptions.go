package outlooktest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of subscriptions to messages
// (learn.microsoft.com/graph/api/resources/subscription, 2026-09).
const (
	maxSubscription = 10_080 * time.Minute
	minSubscription = 45 * time.Minute
	maxClientState  = 128
)

// subscription is a registration for change notifications. The fake keeps it
// and sends none.
type subscription struct {
	box        *box
	client     string
	creator    string // the user, or the directory of an app
	id         string
	changeType string
	resource   string
	url        string
	lifecycle  string
	state      string
	expires    time.Time
}

// serveSubscriptions serves /subscriptions and what is below.
func (c *call) serveSubscriptions(path []string) (answer, error) {
	if !c.allowed(scopesBasic) {
		return answer{}, accessDenied()
	}
	for id, sub := range c.s.subscriptions {
		if c.s.now().After(sub.expires) {
			delete(c.s.subscriptions, id)
		}
	}
	if len(path) == 0 {
		switch c.r.Method {
		case http.MethodGet:
			return c.listSubscriptions()
		case http.MethodPost:
			return c.subscribe()
		}
		return answer{}, refuse(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	sub := c.s.subscriptions[path[0]]
	if sub == nil || !c.made(sub) {
		return answer{}, refuse(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
	}
	switch {
	case len(path) == 2 && path[1] == "reauthorize" && c.r.Method == http.MethodPost:
		return answer{status: http.StatusNoContent}, nil
	case len(path) > 1:
	case c.r.Method == http.MethodGet:
		return answer{status: http.StatusOK, body: c.subscriptionJSON(sub)}, nil
	case c.r.Method == http.MethodPatch:
		return c.renew(sub)
	case c.r.Method == http.MethodDelete:
		delete(c.s.subscriptions, sub.id)
		return answer{status: http.StatusNoContent}, nil
	}
	return answer{}, notModelled(c.r.Method + " " + c.r.URL.Path)
}

// creator is who makes subscriptions with this token.
func (c *call) creator() string {
	if c.own != nil {
		return c.own.user.ID
	}
	return c.app()
}

// made reports whether a subscription belongs to the token.
func (c *call) made(sub *subscription) bool {
	return sub.client == c.grant.Client && sub.creator == c.creator()
}

func (c *call) listSubscriptions() (answer, error) {
	value := []any{}
	for _, sub := range c.s.subscriptions {
		if c.made(sub) {
			value = append(value, c.subscriptionJSON(sub))
		}
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"@odata.context": c.s.URL() + "/v1.0/$metadata#subscriptions", "value": value,
	}}, nil
}

func (c *call) subscriptionJSON(sub *subscription) map[string]any {
	out := map[string]any{
		"@odata.context": c.s.URL() + "/v1.0/$metadata#subscriptions/$entity", "id": sub.id, "resource": sub.resource,
		"applicationId": sub.client, "changeType": sub.changeType, "clientState": nil, "notificationUrl": sub.url,
		"notificationQueryOptions": nil, "lifecycleNotificationUrl": nil, "expirationDateTime": timestamp(sub.expires),
		"creatorId": sub.creator, "includeResourceData": nil, "latestSupportedTlsVersion": "v1_2",
		"encryptionCertificate": nil, "encryptionCertificateId": nil, "notificationUrlAppId": nil,
	}
	if sub.state != "" {
		out["clientState"] = sub.state
	}
	if sub.lifecycle != "" {
		out["lifecycleNotificationUrl"] = sub.lifecycle
	}
	return out
}

func (c *call) subscribe() (answer, error) {
	var in struct {
		ChangeType  string  `json:"changeType"`
		URL         string  `json:"notificationUrl"`
		Lifecycle   *string `json:"lifecycleNotificationUrl"`
		Resource    string  `json:"resource"`
		Expires     string  `json:"expirationDateTime"`
		ClientState *string `json:"clientState"`
		Rich        *bool   `json:"includeResourceData"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, unreadableBody("Unable to read JSON request payload.")
	}
	sub := &subscription{
		client: c.grant.Client, creator: c.creator(), id: newGUID(), changeType: in.ChangeType, resource: in.Resource, url: in.URL,
	}
	if in.Lifecycle != nil {
		sub.lifecycle = *in.Lifecycle
	}
	if in.ClientState != nil {
		sub.state = *in.ClientState
	}
	if in.Rich != nil && *in.Rich {
		return answer{}, notModelled("notifications with resource data")
	}
	if err := c.checkSubscription(sub, in.Expires); err != nil {
		return answer{}, err
	}
	if err := c.handshake(sub); err != nil {
		return answer{}, err
	}
	c.s.subscriptions[sub.id] = sub
	return answer{status: http.StatusCreated, body: c.subscriptionJSON(sub)}, nil
}

func (c *call) checkSubscription(sub *subscription, expires string) (err error) {
	for kind := range strings.SplitSeq(sub.changeType, ",") {
		if find([]string{"created", "updated", "deleted"}, strings.TrimSpace(kind)) == "" {
			return badRequest("The changeType is not valid.")
		}
	}
	for _, raw := range []string{sub.url, sub.lifecycle} {
		u, err := url.Parse(raw)
		if raw == sub.lifecycle && raw == "" {
			continue
		}
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
			return badRequest("The notification URL has to be an absolute https URL.")
		}
	}
	if sub.box, err = c.subscribed(sub.resource); err != nil {
		return err
	}
	if len(sub.state) > maxClientState {
		return badRequest("clientState is too long.")
	}
	if sub.expires, err = c.expiry(expires); err != nil {
		return err
	}
	for _, have := range c.s.subscriptions {
		if have.box == sub.box && have.client == sub.client && have.resource == sub.resource && have.changeType == sub.changeType {
			return refuse(http.StatusConflict, "ExtensionError", "A subscription for this resource and these changes exists.")
		}
	}
	return nil
}

// subscribed finds the mailbox of a subscription. A user's token is good for the
// user's own only, whatever rights there are on others
// (learn.microsoft.com/graph/outlook-share-messages-folders, read 2026-11).
func (c *call) subscribed(resource string) (*box, error) {
	resource, _, _ = strings.Cut(strings.TrimPrefix(resource, "/"), "?")
	segments := splitPath(resource)
	switch {
	case segments[len(segments)-1] != "messages":
	case segments[0] == "me" && c.own == nil:
		return nil, badRequest("/me request is only valid with delegated authentication flow.")
	case segments[0] == "me":
		return c.own, nil
	case segments[0] == "users" && len(segments) > 2:
		b := c.find(segments[1])
		if b == nil {
			return nil, refuse(http.StatusNotFound, "ResourceNotFound", "Resource could not be discovered.")
		}
		if c.own != nil && b != c.own {
			return nil, accessDenied()
		}
		return b, nil
	}
	return nil, badRequest("The resource is not supported.")
}

// expiry reads an expiration; one that is too near is put off.
func (c *call) expiry(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	now := c.s.now()
	if err != nil || t.After(now.Add(maxSubscription)) || t.Before(now) {
		return t, refuse(http.StatusBadRequest, "ExtensionError", "Subscription expiration can only be 10080 minutes in the future.")
	}
	if earliest := now.Add(minSubscription); t.Before(earliest) {
		t = earliest
	}
	return t.UTC(), nil
}

func (c *call) renew(sub *subscription) (answer, error) {
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	v, err := decode[string]("expirationDateTime", parameter(in, "expirationDateTime"))
	if err != nil {
		return answer{}, err
	}
	if sub.expires, err = c.expiry(v); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: c.subscriptionJSON(sub)}, nil
}

// handshake validates the URLs of a subscription: they have to echo a token
// within ten seconds
// (learn.microsoft.com/graph/change-notifications-delivery-webhooks, 2026-04).
func (c *call) handshake(sub *subscription) error {
	if c.s.options.Notify == nil {
		return nil
	}
	// The endpoint may call the fake, so it is asked without the lock.
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	for _, target := range slices.DeleteFunc([]string{sub.url, sub.lifecycle}, func(s string) bool { return s == "" }) {
		if !c.echoes(target) {
			return badRequest("Subscription validation request failed.")
		}
	}
	return nil
}

func (c *call) echoes(target string) bool {
	ctx, cancel := context.WithTimeout(c.r.Context(), 10*time.Second)
	defer cancel()
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	token := "Validation: Testing client application reachability. Request-Id: " + newGUID()
	q := u.Query()
	q.Set("validationToken", token)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := c.s.options.Notify.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") && string(b) == token
}
