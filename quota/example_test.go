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
	limits := quota.DefaultSendLimits(mailbox.Gmail)
	limits.Messages, limits.Gap = 2, 30*time.Second
	sends, err := quota.NewSends(quota.SendsConfig{
		Providers: map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: limits},
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
			for _, reason := range decision.Reasons() {
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

// A host knows what kind of account a mailbox is, and where its owner lives.
func ExampleSendsConfig() {
	type row struct {
		Kind quota.Preset
		Zone string
	}
	rowOf := func(mailbox.Ref) row { return row{quota.PresetNewDomain, "Europe/Vienna"} } // from the host's database
	config := quota.SendsConfig{
		Limits: func(ref mailbox.Ref, _ mailbox.ProviderName) quota.SendLimits {
			row := rowOf(ref)
			limits := row.Kind.Limits()
			limits.Zone = row.Zone
			limits.Hours = []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(17, 30))}
			return limits
		},
		RecipientDomain: quota.GroupLimits{PerMinute: 10},
	}
	clock := time.Date(2026, 3, 27, 16, 29, 30, 0, time.UTC) // Friday evening, before clocks change
	config.Now = func() time.Time { return clock }
	sends, err := quota.NewSends(config)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	request := quota.SendRequest{
		Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "sales"},
		Provider: mailbox.Gmail, Key: "welcome-1", From: "ann@new.example", To: []string{"ben@example.com"},
	}
	clock = clock.Add(time.Hour)
	decision, err := sends.Check(ctx, request)
	if err != nil {
		panic(err)
	}
	fmt.Println(decision.Reasons()[0].Text, decision.NotBefore)

	times, err := sends.Forecast(ctx, request, 100)
	if err != nil {
		panic(err)
	}
	fmt.Println("100 messages would be out on", times[99].Format(time.DateOnly))
	// Output:
	// Outside of the sending hours, which begin Monday 09:00. 2026-03-30 07:00:00 +0000 UTC
	// 100 messages would be out on 2026-04-01
}

// A mailbox slows down when too much of its mail bounces, and says so.
func ExampleSends_Signal() {
	clock := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	limits := quota.DefaultSendLimits(mailbox.Gmail)
	limits.Messages, limits.PerMinute = 100, 100
	sends, err := quota.NewSends(quota.SendsConfig{
		Providers: map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: limits},
		Now:       func() time.Time { return clock },
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}
	for i := range 100 {
		clock = clock.Add(time.Minute)
		place, _, err := sends.Reserve(ctx, quota.SendRequest{Ref: ref, Provider: mailbox.Gmail, Key: fmt.Sprint(i)})
		if err != nil {
			panic(err)
		}
		if err := sends.Commit(ctx, place); err != nil {
			panic(err)
		}
	}
	for i := range 6 { // the inbox tells of each bounce by itself
		change, err := sends.Signal(ctx, quota.Signal{Ref: ref, Provider: mailbox.Gmail, Kind: quota.SignalBounce, ID: fmt.Sprint("bounce-", i)})
		if err != nil {
			panic(err)
		}
		if change != nil {
			fmt.Printf("from %.0f %% to %.0f %%: %s\n", 100*change.From, 100*change.To, change.Reason())
		}
	}
	status, err := sends.Status(ctx, quota.SendRequest{Ref: ref, Provider: mailbox.Gmail})
	if err != nil {
		panic(err)
	}
	fmt.Println(status.Decision.Reasons()[0].Text)
	// Output:
	// from 100 % to 50 %: 5 % of the messages of 24 hours bounced
	// Slowed down until Saturday 10:40 because 5 % of the messages of 24 hours bounced: 100 of 50 messages of the last 24 hours are used.
}
