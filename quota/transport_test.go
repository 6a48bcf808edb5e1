package quota_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestRequestWithoutCallPasses(t *testing.T) {
	t.Parallel()
	base := &server{}
	rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(base)
	body := io.NopCloser(strings.NewReader("kept"))
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://mail.test", body)
	for range 3 { // none is closed: they do not count
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
}

func TestCallIsInFlightUntilItsBodyEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*http.Response){
		"close": func(r *http.Response) { r.Body.Close() },
		"EOF":   func(r *http.Response) { io.Copy(io.Discard, r.Body) },
		"both":  func(r *http.Response) { io.Copy(io.Discard, r.Body); r.Body.Close(); r.Body.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(&server{})
				first, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
				if err != nil {
					t.Fatal(err)
				}
				passed := make(chan struct{})
				for range 2 { // the second proves that an end frees one place, not two
					go func() {
						resp, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
						if err != nil {
							t.Error(err)
							return
						}
						passed <- struct{}{}
						<-passed
						resp.Body.Close()
					}()
				}
				synctest.Wait()
				select {
				case <-passed:
					t.Fatal("passed while the first was in flight")
				default:
				}
				end(first)
				<-passed
				synctest.Wait()
				select {
				case <-passed:
					t.Fatal("two passed at once")
				default:
				}
				passed <- struct{}{}
				<-passed
				passed <- struct{}{}
			})
		})
	}
}

func TestFailedCallLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	fail := true
	rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		if fail {
			return nil, broken
		}
		return respond(200, ""), nil
	}))
	if _, err := send(t.Context(), rt, call("a", mailbox.LaneLive, 1)); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	fail = false
	mustSend(t, rt, call("a", mailbox.LaneLive, 1))
}

func TestAnswersArePassedOnUnchanged(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789"), 20_000) // longer than what is looked at
	for _, status := range []int{200, 202, 403, 429, 500, 503} {
		rt := limiter(t, quota.Limits{}).Transport(&server{answer: func(mailbox.Call, int) *http.Response {
			return respond(status, string(long), "X-Kept", "yes")
		}})
		resp, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || resp.Header.Get("X-Kept") != "yes" || !bytes.Equal(got, long) {
			t.Errorf("%d: status %d, %d bytes, %v", status, resp.StatusCode, len(got), err)
		}
		resp.Body.Close()
	}
}

func TestBrokenErrorBodyIsPassedOn(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut off")
	rt := limiter(t, quota.Limits{}).Transport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		resp := respond(403, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("half an an"), errReader{cut}))
		return resp, nil
	}))
	resp, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if string(got) != "half an an" || !errors.Is(err, cut) {
		t.Errorf("got %q, %v", got, err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
