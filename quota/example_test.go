package quota_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// A message is sent only after its place was reserved, and the place is given
// back only when the message certainly did not go out.
func ExampleSends() {
	ctx := context.Background()
	clock := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a host leaves Now out
	sends, err := quota.NewSends(quota.SendsConfig{
		Providers: map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: {Messages: 2, Gap: 30 * time.Second}},
		Now:       func() time.Time { return clock },
	})
	if err != nil {
		panic(err)
	}
	send := func(key string) {
		place, decision, err := sends.Reserve(ctx, quota.SendRequest{
			Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "sales"},
			Provider: mailbox.Gmail, Key: key, Recipients: 1,
		})
		switch {
		case err != nil: // the store failed: do not send
			fmt.Println(err)
		case !decision.Allowed:
			for _, reason := range decision.Reasons {
				fmt.Printf("%s: not before %s: %s\n", key, reason.NotBefore.Format(time.RFC3339), reason.Text)
			}
		default:
			fmt.Printf("%s: sent, %d left today\n", key, decision.Remaining)
			if err := sends.Commit(ctx, place); err != nil { // Cancel if it was certainly not sent
				fmt.Println(err)
			}
		}
	}
	send("first")
	clock = clock.Add(10 * time.Second)
	send("second")
	clock = clock.Add(20 * time.Second)
	send("second")
	clock = clock.Add(time.Minute)
	send("third")
	// Output:
	// first: sent, 1 left today
	// second: not before 2026-03-02T09:00:30Z: Less than 30s have passed since the last message.
	// second: sent, 0 left today
	// third: not before 2026-03-03T09:00:00Z: 2 of 2 messages of the last 24 hours are used.
}

// Drivers send every request through the transport. After a refusal, calls that
// cannot wait that long fail at once and say when to come back.
func ExampleLimiter_Transport() {
	limiter, err := quota.NewLimiter(quota.LimiterConfig{})
	if err != nil {
		panic(err)
	}
	busy := roundTripFunc(func(*http.Request) (*http.Response, error) {
		return respond(http.StatusTooManyRequests, "", "Retry-After", "900"), nil
	})
	client := &http.Client{Transport: limiter.Transport(busy)}
	ctx := mailbox.WithCall(context.Background(), mailbox.Call{
		Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "sales"},
		Provider: mailbox.Gmail, Method: "gmail.users.messages.list", Units: 5,
	})
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://gmail.googleapis.com/gmail/v1/users/me/messages", nil)
		if err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if e, ok := errors.AsType[*mailbox.Error](err); ok {
			fmt.Println(e.Class, "for about", e.RetryAfter.Round(5*time.Minute))
			continue
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	// Output:
	// 429
	// mailtether: held back by own limits for about 15m0s
}

func ExampleParseRetryAfter() {
	header := http.Header{"Date": {"Tue, 12 Nov 2024 11:01:42 GMT"}}
	body := []byte(`{"error":{"code":429,"message":"User-rate limit exceeded.  Retry after 2024-11-12T11:16:42.247Z (Mail sending)"}}`)
	fmt.Println(quota.ParseRetryAfter(header, body, time.Now()))
	// Output: 15m0.247s sending true
}
