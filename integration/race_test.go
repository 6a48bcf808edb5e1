package integration

import (
	"context"
	"testing"
	"time"
)

// Many goroutines of many processes share one mailbox at a provider that takes
// any second use of a refresh token for theft. Whenever the access token
// expires, all of them notice at the same moment. There is one refresh for each
// expiry, everybody gets the new token, and the grant lives on.
func TestProcessesRefreshOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                            string
		make                            func(testing.TB) database
		processes, goroutines, expiries int
	}{
		{"PostgreSQL", postgres, 8, 32, 220},
		{"SQLite", sqliteFile, 4, 8, 60},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				test.expiries = 10
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			server := newAuthServer(t)
			f := newFleet(t, test.make(t), server, test.goroutines)
			for range test.processes {
				f.start()
			}
			callers := test.processes * test.goroutines
			if _, err := server.served(ctx, callers); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for expired := 1; expired <= test.expiries; expired++ {
				server.expire(false)
				refreshes, err := server.served(ctx, callers)
				if err != nil {
					t.Fatalf("expiry %d: %v", expired, err)
				}
				if refreshes != expired {
					t.Fatalf("%d refreshes after %d expiries", refreshes, expired)
				}
			}
			t.Logf("%d expiries, %d refreshes, %d tokens served, %v for an expiry",
				test.expiries, server.refreshes, callers*(test.expiries+1), time.Since(start)/time.Duration(test.expiries))
			server.expire(true)
			f.wait()
		})
	}
}
