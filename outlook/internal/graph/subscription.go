package graph

import (
	"context"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/subscriptions"

	"github.com/mailtether/mailtether/mailbox"
)

// MethodSubscribe is the method that creates a subscription.
const MethodSubscribe = "graph.subscriptions.create"

// maxSubscriptionPages bounds a list of subscriptions: that of an app that acts
// without a user has those of the whole directory.
const maxSubscriptionPages = 1000

// Subscription is a registration for announcements of changes (Microsoft Graph,
// "subscription resource type").
type Subscription struct {
	ID string
	// Resource is what is watched, a path below the root of the API.
	Resource   string
	ChangeType string
	URL        string
	// LifecycleURL gets news about the subscription itself; it cannot be added later.
	LifecycleURL string
	// State comes back with every announcement. Graph need not tell it again.
	State     string
	ExpiresAt time.Time
}

// Resource names the messages of a folder, as a subscription wants it.
func (c *Client) Resource(folder string) string {
	return strings.TrimPrefix(c.path(), "/") + "/mailFolders('" + folder + "')/messages"
}

func (c *Client) subscriptions() *subscriptions.SubscriptionsRequestBuilder {
	return subscriptions.NewSubscriptionsRequestBuilderInternal(map[string]string{"baseurl": c.Base}, describer{})
}

// Subscribe creates a subscription, whose announcements name immutable ids.
func (c *Client) Subscribe(ctx context.Context, s Subscription) (Subscription, error) {
	m := models.NewSubscription()
	m.SetResource(&s.Resource)
	m.SetChangeType(&s.ChangeType)
	m.SetNotificationUrl(&s.URL)
	if s.LifecycleURL != "" {
		m.SetLifecycleNotificationUrl(&s.LifecycleURL)
	}
	m.SetClientState(&s.State)
	m.SetExpirationDateTime(&s.ExpiresAt)
	info, err := c.subscriptions().ToPostRequestInformation(ctx, m, nil)
	r, err := described(MethodSubscribe, info, err)
	if err != nil {
		return Subscription{}, c.badRequest(ctx, err)
	}
	return c.subscription(ctx, r)
}

// RenewSubscription puts off when a subscription ends.
func (c *Client) RenewSubscription(ctx context.Context, id string, expires time.Time) (Subscription, error) {
	m := models.NewSubscription()
	m.SetExpirationDateTime(&expires)
	info, err := c.subscriptions().BySubscriptionId(id).ToPatchRequestInformation(ctx, m, nil)
	r, err := described("graph.subscriptions.update", info, err)
	if err != nil {
		return Subscription{}, c.badRequest(ctx, err)
	}
	return c.subscription(ctx, r)
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(ctx context.Context, id string) error {
	info, err := c.subscriptions().BySubscriptionId(id).ToDeleteRequestInformation(ctx, nil)
	r, err := described("graph.subscriptions.delete", info, err)
	if err != nil {
		return c.badRequest(ctx, err)
	}
	return c.exec(ctx, r)
}

// Subscriptions lists those that this app has for the user of the token, or
// without a user those of the whole directory.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	info, err := c.subscriptions().ToGetRequestInformation(ctx, nil)
	r, err := described("graph.subscriptions.list", info, err)
	if err != nil {
		return nil, c.badRequest(ctx, err)
	}
	var all []Subscription
	for range maxSubscriptionPages {
		text, _, err := c.text(ctx, r)
		if err != nil {
			return nil, err
		}
		page, next, err := ParseSubscriptions(text)
		if err != nil {
			return nil, c.badAnswer(ctx, r, err)
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		r.url = next // the gate follows it to configured hosts only
	}
	return nil, c.Gate.Error(ctx, &mailbox.Error{Op: r.name, Class: mailbox.ClassUnavailable, Code: "endless_list"})
}

// subscription carries out r, which answers with one.
func (c *Client) subscription(ctx context.Context, r request) (Subscription, error) {
	text, _, err := c.text(ctx, r)
	if err != nil {
		return Subscription{}, err
	}
	j := reader{s: text}
	s := j.subscription()
	if j.err == nil && s.ID == "" {
		j.fail()
	}
	if j.err != nil {
		return Subscription{}, c.badAnswer(ctx, r, j.err)
	}
	return s, nil
}

// ParseSubscriptions decodes a page of subscriptions and the link to the next
// one. One without an id is left out.
func ParseSubscriptions(text string) (all []Subscription, next string, err error) {
	j := reader{s: text}
	if j.peek() != '{' {
		j.fail()
	}
	j.object(func(name string) {
		switch name {
		case "value":
			j.array(func() {
				if s := j.subscription(); s.ID != "" {
					all = append(all, s)
				}
			})
		case "@odata.nextLink":
			next = j.str()
		default:
			j.skip()
		}
	})
	return all, next, j.err
}

func (r *reader) subscription() Subscription {
	var s Subscription
	r.object(func(name string) {
		switch name {
		case "id":
			s.ID = r.str()
		case "resource":
			s.Resource = r.str()
		case "changeType":
			s.ChangeType = r.str()
		case "notificationUrl":
			s.URL = r.str()
		case "lifecycleNotificationUrl":
			s.LifecycleURL = r.str()
		case "clientState":
			s.State = r.str()
		case "expirationDateTime":
			s.ExpiresAt, _ = time.Parse(time.RFC3339Nano, r.str())
		default:
			r.skip()
		}
	})
	return s
}
