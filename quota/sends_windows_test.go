package quota_test

import (
	"fmt"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// truth is what really went out.
type truth struct {
	at         time.Time
	recipients int
	byHand     bool
}

// most returns the most messages and recipients of any span that ends with a
// message of ours.
func most(sent []truth, span time.Duration) (msgs, rcpts int) {
	for _, last := range sent {
		if last.byHand {
			continue
		}
		m, r := 0, 0
		for _, x := range sent {
			if age := last.at.Sub(x.at); age >= 0 && age < span {
				m++
				r += x.recipients
			}
		}
		msgs, rcpts = max(msgs, m), max(rcpts, r)
	}
	return msgs, rcpts
}

// Random days of sending, by several senders at once over one store, with
// cancelled and crashed sends, and either slow ones or mail sent by hand (a hand
// may well exceed a cap while a slow send is on its way).
func TestNoWindowIsEverExceeded(t *testing.T) {
	t.Parallel()
	for seed := range int64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewSource(seed))
				hand := seed%2 == 0
				l := quota.SendLimits{
					Messages: 20 + r.Intn(30), Recipients: 60 + r.Intn(60), PerMinute: 2 + r.Intn(3), Gap: time.Duration(r.Intn(15)) * time.Second,
				}
				store := quota.NewMemory()
				var mu sync.Mutex
				var sent []truth   // as committed
				var placed []truth // as reserved
				var wg sync.WaitGroup
				end := time.Now().Add(4 * 24 * time.Hour)
				for sender := range 4 {
					r := rand.New(rand.NewSource(r.Int63()))
					wg.Go(func() {
						s := sendsOn(t, store, l)
						for n := 0; time.Now().Before(end); n++ {
							time.Sleep(time.Duration(r.Int63n(int64(20 * time.Minute))).Truncate(time.Microsecond))
							req := request(fmt.Sprintf("%d-%d", sender, n), 1+r.Intn(5))
							if hand && r.Intn(20) == 0 { // seen at once
								mu.Lock()
								sent = append(sent, truth{time.Now(), req.Recipients, true})
								mu.Unlock()
								if err := s.Observe(t.Context(), req); err != nil {
									t.Error(err)
								}
								continue
							}
							res, d := reserve(t, s, req)
							for range 3 {
								if d.Allowed {
									break
								}
								if d.NotBefore.IsZero() || !d.NotBefore.After(time.Now()) {
									t.Errorf("refused until %v, now %v", d.NotBefore, time.Now())
								}
								time.Sleep(time.Until(d.NotBefore)) // others may be faster
								res, d = reserve(t, s, req)
							}
							if !d.Allowed {
								continue
							}
							fate := r.Intn(6)
							if fate == 0 {
								if err := s.Cancel(t.Context(), res); err != nil {
									t.Error(err)
								}
								continue
							}
							mu.Lock()
							placed = append(placed, truth{at: res.At, recipients: res.Recipients})
							mu.Unlock()
							switch {
							case fate == 1: // crashed after the send, never committed
								s = sendsOn(t, store, l)
								mu.Lock()
								sent = append(sent, truth{at: res.At, recipients: res.Recipients})
								mu.Unlock()
								continue
							case fate == 2 && !hand:
								time.Sleep(time.Duration(r.Intn(3600)) * time.Second)
							}
							mu.Lock()
							sent = append(sent, truth{at: time.Now(), recipients: res.Recipients})
							mu.Unlock()
							if err := s.Commit(t.Context(), res); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				msgs, rcpts := most(sent, 24*time.Hour)
				if msgs > l.Messages || rcpts > l.Recipients {
					t.Errorf("a day had %d messages of %d, %d recipients of %d", msgs, l.Messages, rcpts, l.Recipients)
				}
				if msgs < l.Messages && rcpts < l.Recipients-5 {
					t.Errorf("no day was full: %d messages of %d, %d recipients of %d", msgs, l.Messages, rcpts, l.Recipients)
				}
				if n, _ := most(placed, time.Minute); n > l.PerMinute {
					t.Errorf("a minute had %d messages of %d", n, l.PerMinute)
				}
				if n, _ := most(placed, l.Gap); l.Gap > 0 && n > 1 {
					t.Errorf("%d messages within the gap of %v", n, l.Gap)
				}
			})
		})
	}
}

func TestSendsHammer(t *testing.T) {
	t.Parallel()
	s := sends(t, quota.SendLimits{Messages: 100, Recipients: 1000, PerMinute: 1000})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 50 {
				res, d, err := s.Reserve(t.Context(), request(fmt.Sprint(g, "-", i), 1))
				switch {
				case err != nil:
					t.Error(err)
				case !d.Allowed:
				case i%2 == 0:
					if err := s.Cancel(t.Context(), res); err != nil {
						t.Error(err)
					}
				default:
					allowed.Add(1)
					if err := s.Commit(t.Context(), res); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 100 {
		t.Errorf("%d messages went out, want exactly 100", n)
	}
}
