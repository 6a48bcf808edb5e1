//go:build !race

package quota_test

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// Neither a place nor a refusal allocates: thousands of waiting messages may be
// asked about again and again. With the race detector pools forget.
func TestDecisionsAllocateNothing(t *testing.T) {
	ctx := t.Context()
	s := sends(t, quota.SendLimits{Messages: 2, Recipients: 10, PerMinute: 2, Gap: time.Hour})
	place := mustReserve(t, s, request("1", 1))
	one, two := request("1", 1), request("2", 1)
	for name, decide := range map[string]func(){
		"a place again": func() {
			if _, d, err := s.Reserve(ctx, one); err != nil || !d.Allowed {
				t.Error(d, err)
			}
		},
		"a refusal": func() {
			if _, d, err := s.Reserve(ctx, two); err != nil || d.Allowed {
				t.Error(d, err)
			}
		},
		"a check": func() {
			if d, err := s.Check(ctx, two); err != nil || d.Allowed {
				t.Error(d, err)
			}
		},
		"a place given back": func() {
			if err := s.Cancel(ctx, place); err != nil {
				t.Error(err)
			}
			if _, d, err := s.Reserve(ctx, one); err != nil || !d.Allowed {
				t.Error(d, err)
			}
		},
	} {
		if n := testing.AllocsPerRun(200, decide); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
