package graph

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsOfSubscriptions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for user, resource := range map[string]string{
		"":                     "me/mailFolders('inbox')/messages",
		"shared box@x.example": "users/shared%20box@x.example/mailFolders('inbox')/messages",
	} {
		c, requests, bodies := recorded(t, user)
		sub := Subscription{Resource: c.Resource("inbox"), ChangeType: "created", URL: "https://h.example/", LifecycleURL: "https://h.example/l", State: "s", ExpiresAt: at}
		calls := []struct {
			do   func() error
			want string
			body string
		}{
			{func() error { _, err := c.Subscribe(t.Context(), sub); return err }, "POST /v1.0/subscriptions", `{"changeType":"created","clientState":"s","expirationDateTime":"2026-11-20T12:00:00Z","lifecycleNotificationUrl":"https://h.example/l","notificationUrl":"https://h.example/","resource":"` + resource + `"}`},
			{func() error { _, err := c.RenewSubscription(t.Context(), "a/b", at); return err }, "PATCH /v1.0/subscriptions/a%2Fb", `{"expirationDateTime":"2026-11-20T12:00:00Z"}`},
			{func() error { return c.Unsubscribe(t.Context(), "a/b") }, "DELETE /v1.0/subscriptions/a%2Fb", ""},
			{func() error { _, err := c.Subscriptions(t.Context()); return err }, "GET /v1.0/subscriptions", ""},
			{func() error { _, err := c.FindUsers(t.Context(), "mail eq 'a&b'", 5); return err }, "GET /v1.0/users?%24filter=mail%20eq%20%27a%26b%27&%24select=id,displayName,mail,userPrincipalName&%24top=5", ""},
		}
		for _, call := range calls {
			*requests, *bodies = nil, nil
			if err := call.do(); err != nil {
				t.Errorf("%s: %v", call.want, err)
				continue
			}
			r, body := (*requests)[0], (*bodies)[0]
			if got := r.Method + " " + r.URL.RequestURI(); got != call.want {
				t.Errorf("got  %s\nwant %s", got, call.want)
			}
			if call.body != "" {
				if diff := cmp.Diff(decode(t, call.body), decode(t, body)); diff != "" {
					t.Errorf("%s: body (-want +got):\n%s", call.want, diff)
				}
			}
			if r.Header.Get("Prefer") != `IdType="ImmutableId"` || r.Method != http.MethodGet && r.Method != http.MethodDelete && r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: header %v", call.want, r.Header)
			}
		}
	}
}

func FuzzSubscriptions(f *testing.F) {
	f.Add(`{"value":[{"id":"1","resource":"me/messages","changeType":"created","notificationUrl":"https://h.example","clientState":null,"expirationDateTime":"2026-11-20T12:00:00.0000000Z"},null],"@odata.nextLink":"https://x.example/"}`)
	f.Add(`{"value":[{"id":"1","displayName":"A","mail":null,"proxyAddresses":["smtp:a@x.example",7]}]}`)
	f.Add(`{"value":[{"id":7,"expirationDateTime":"soon"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		subs, next, _ := ParseSubscriptions(text)
		size := len(next)
		for _, s := range subs {
			if s.ID == "" {
				t.Fatal("a subscription without an id")
			}
			size += len(s.ID) + len(s.Resource) + len(s.URL) + len(s.State)
		}
		users, _ := ParseProfiles(text)
		for _, u := range users {
			if u.ID == "" {
				t.Fatal("a user without an id")
			}
		}
		if size > 3*len(text) { // U+FFFD is three bytes
			t.Errorf("%d bytes came out of %d", size, len(text))
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add("https://graph.example/v1.0/users('a')/messages?$skip=1")
	f.Add("https://graph.example/v1.0/me/messages")
	f.Add("https://graph.example/v1.0/users/../me/messages")
	f.Add("https://graph.example:443/v1.0//users")
	f.Fuzz(func(t *testing.T, link string) {
		c := &Client{Base: "https://graph.example/v1.0", User: "a@x.example"}
		g, _, _ := recorded(&testing.T{}, "")
		c.Gate = g.Gate
		if c.checkLink(link) != nil {
			return
		}
		// What is followed is a request to the host, below the users.
		req, err := http.NewRequest(http.MethodGet, link, nil)
		if err != nil {
			return
		}
		if req.URL.Hostname() != "graph.example" && !strings.EqualFold(req.URL.Hostname(), "graph.example") || !strings.HasPrefix(strings.ToLower(req.URL.Path), "/v1.0/users") {
			t.Errorf("%q leads to %q %q", link, req.URL.Host, req.URL.Path)
		}
	})
}
