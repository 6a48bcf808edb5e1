package fakeserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

const origin = "https://some.fake"

// echo counts its calls and answers with method, path and body.
func echo(calls *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-From", "handler")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(b))
	})
}

// send makes a request in process.
func send(t testing.TB, s *fakeserver.Server, method, path, body string) (*http.Response, string, error) {
	t.Helper()
	return sendIn(t.Context(), t, s, method, path, body)
}

func sendIn(ctx context.Context, t testing.TB, s *fakeserver.Server, method, path, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	return resp, string(b), err
}

func TestTransport(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	resp, body, err := send(t, s, "POST", "/a?b=c", "hello")
	if err != nil || resp.StatusCode != 202 || body != "POST /a?b=c hello" || resp.Header.Get("X-From") != "handler" {
		t.Fatalf("%v %q %v", resp, body, err)
	}
	if resp.Header.Get("Date") == "" || resp.ContentLength != int64(len(body)) || resp.Status != "202 Accepted" {
		t.Errorf("%+v", resp)
	}
	req, _ := http.NewRequest("GET", "https://other.fake/", nil)
	if _, err := s.Transport().RoundTrip(req); err == nil {
		t.Error("another host was reached")
	} else if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := sendIn(ctx, t, s, "GET", "/", ""); !errors.Is(err, context.Canceled) || calls.Load() != 1 {
		t.Errorf("error = %v, %d calls", err, calls.Load())
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Listen(); err == nil {
		t.Error("listening twice")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(s.URL() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 202 || string(b) != "GET /x " {
		t.Errorf("%s %q", resp.Status, b)
	}
	s.Inject(fakeserver.Fault{Lose: true})
	if _, err := client.Get(s.URL() + "/x"); err == nil {
		t.Error("an answer came")
	}
	if _, body, err := send(t, s, "GET", "/in", ""); err != nil || body != "GET /in " { // at the new address
		t.Errorf("%q %v", body, err)
	}
}

func TestCloseEndsHangingRequests(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	hanging := make(chan struct{})
	s.Inject(fakeserver.Fault{Hang: true, Times: -1, Match: func(*http.Request, []byte) bool { close(hanging); return true }})
	done := make(chan error)
	go func() {
		_, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.URL())
		done <- err
	}()
	<-hanging
	s.Close()
	if err := <-done; err == nil || calls.Load() != 0 {
		t.Errorf("error = %v, %d calls", err, calls.Load())
	}
	s.Close() // once more is fine
	if err := s.Listen(); err == nil {
		t.Error("listening after Close")
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := fakeserver.New(origin, http.NotFoundHandler())
		if !s.Now().Equal(time.Now()) {
			t.Error("the clock is not the machine's")
		}
		at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		s.SetTime(at)
		s.Advance(time.Hour)
		time.Sleep(time.Minute)
		if want := at.Add(61 * time.Minute); !s.Now().Equal(want) {
			t.Errorf("now = %s, want %s", s.Now(), want)
		}
		resp, _, err := send(t, s, "GET", "/", "")
		if err != nil || resp.Header.Get("Date") != "Wed, 02 Jan 2030 04:05:05 GMT" {
			t.Errorf("Date = %q", resp.Header.Get("Date"))
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f      fakeserver.Fault
		status int // 0 means no answer
		body   string
		calls  int32
		header string
	}{
		"before":       {fakeserver.Fault{Status: 503, Body: "x"}, 503, "x", 0, ""},
		"after":        {fakeserver.Fault{Status: 503, Body: "x", After: true}, 503, "x", 1, ""},
		"lost before":  {fakeserver.Fault{Lose: true}, 0, "", 0, ""},
		"lost after":   {fakeserver.Fault{Lose: true, After: true}, 0, "", 1, ""},
		"header alone": {fakeserver.Fault{Header: http.Header{"x-from": {"fault"}}}, 202, "GET /p/q ", 1, "fault"},
		"header too":   {fakeserver.Fault{Status: 500, Header: http.Header{"X-From": {"fault"}}}, 500, "", 0, "fault"},
		"exact path":   {fakeserver.Fault{Status: 500, Path: "/p/q"}, 500, "", 0, ""},
		"prefix":       {fakeserver.Fault{Status: 500, Path: "/p/*"}, 500, "", 0, ""},
		"suffix":       {fakeserver.Fault{Status: 500, Path: "*/q"}, 500, "", 0, ""},
		"other path":   {fakeserver.Fault{Status: 500, Path: "/p"}, 202, "GET /p/q ", 1, "handler"},
		"method":       {fakeserver.Fault{Status: 500, Method: "GET"}, 500, "", 0, ""},
		"other method": {fakeserver.Fault{Status: 500, Method: "POST"}, 202, "GET /p/q ", 1, "handler"},
		"skipped":      {fakeserver.Fault{Status: 500, Skip: 1}, 202, "GET /p/q ", 1, "handler"},
		"match":        {fakeserver.Fault{Status: 500, Match: func(r *http.Request, b []byte) bool { return r.URL.Path == "/p/q" && len(b) == 0 }}, 500, "", 0, ""},
		"no match":     {fakeserver.Fault{Status: 500, Match: func(*http.Request, []byte) bool { return false }}, 202, "GET /p/q ", 1, "handler"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			s := fakeserver.New(origin, echo(&calls))
			s.Inject(c.f)
			resp, body, err := send(t, s, "GET", "/p/q", "")
			if (err != nil) != (c.status == 0) {
				t.Fatalf("error = %v", err)
			}
			if err == nil && (resp.StatusCode != c.status || body != c.body || resp.Header.Get("X-From") != c.header) {
				t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
			}
			if calls.Load() != c.calls {
				t.Errorf("%d calls, want %d", calls.Load(), c.calls)
			}
			x := s.Log()
			if len(x) != 1 || x[0].Lost != (c.status == 0) || x[0].Scripted != (c.f.Status != 0 && c.status != 202) {
				t.Errorf("log = %+v", x)
			}
		})
	}
}

func TestFaultsInOrder(t *testing.T) {
	t.Parallel()
	s := fakeserver.New(origin, http.NotFoundHandler())
	s.Inject(fakeserver.Fault{Status: 500, Times: 2})
	s.Inject(fakeserver.Fault{Status: 501, Skip: 1})
	s.Inject(fakeserver.Fault{Status: 502, Times: -1})
	var got []int
	for range 7 {
		resp, _, err := send(t, s, "GET", "/", "")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
	}
	if want := []int{500, 500, 502, 501, 502, 502, 502}; len(got) != len(want) {
		t.Fatal(got)
	} else {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("statuses = %v, want %v", got, want)
			}
		}
	}
	s.ClearFaults()
	if resp, _, _ := send(t, s, "GET", "/", ""); resp.StatusCode != 404 {
		t.Errorf("status = %d", resp.StatusCode)
	}
}

func TestMatchMayUseTheServer(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	s.Inject(fakeserver.Fault{Status: 500, Times: -1, Match: func(r *http.Request, body []byte) bool {
		b, err := io.ReadAll(r.Body)
		return err == nil && string(b) == string(body) && len(s.Log()) > 0 && !s.Now().IsZero()
	}})
	for i, want := range []int{202, 500} {
		if resp, _, err := send(t, s, "POST", "/", "body"); err != nil || resp.StatusCode != want {
			t.Errorf("request %d: %v %v", i, resp, err)
		}
	}
}

func TestDelayAndHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := fakeserver.New(origin, echo(&calls))
		s.Inject(fakeserver.Fault{Delay: 3 * time.Second})
		begin := time.Now()
		if _, _, err := send(t, s, "GET", "/", ""); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		for _, f := range []fakeserver.Fault{{Hang: true}, {Delay: time.Hour}} {
			s.Inject(f)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			begin = time.Now()
			if _, _, err := sendIn(ctx, t, s, "GET", "/", ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
			cancel()
		}
		if calls.Load() != 2 { // the hanging one had no effect
			t.Errorf("%d calls", calls.Load())
		}
	})
}

func TestAnswerForAClientThatHasLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := fakeserver.New(origin, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	if _, _, err := sendIn(ctx, t, s, "GET", "/", ""); !errors.Is(err, context.Canceled) || !s.Log()[0].Lost {
		t.Errorf("error = %v", err)
	}
}

func TestScriptedJSONIsLabelled(t *testing.T) {
	t.Parallel()
	s := fakeserver.New(origin, http.NotFoundHandler())
	for body, want := range map[string]string{`{"a":1}`: "application/json; charset=utf-8", `[]`: "application/json; charset=utf-8", "<html>": ""} {
		s.Inject(fakeserver.Fault{Status: 500, Body: body})
		if resp, _, _ := send(t, s, "GET", "/", ""); resp.Header.Get("Content-Type") != want {
			t.Errorf("%s: %q", body, resp.Header.Get("Content-Type"))
		}
	}
	s.Inject(fakeserver.Fault{Status: 500, Body: "{", Header: http.Header{"Content-Type": {"text/html"}}})
	if resp, _, _ := send(t, s, "GET", "/", ""); resp.Header.Get("Content-Type") != "text/html" {
		t.Errorf("%q", resp.Header.Get("Content-Type"))
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	if _, _, err := send(t, s, "POST", "/a?b=c", "in"); err != nil {
		t.Fatal(err)
	}
	x := s.Log()[0]
	if x.Method != "POST" || x.URL != origin+"/a?b=c" || string(x.RequestBody) != "in" || x.Status != 202 ||
		string(x.ResponseBody) != "POST /a?b=c in" || x.ResponseHeader.Get("X-From") != "handler" || x.At.IsZero() || x.Inner || x.Lost {
		t.Errorf("exchange = %+v", x)
	}
	req, _ := http.NewRequest("GET", "/inner", nil)
	if _, err := s.Serve(req, true); err != nil || !s.Log()[1].Inner {
		t.Errorf("%v %+v", err, s.Log())
	}
	s.ClearLog()
	if len(s.Log()) != 0 {
		t.Error("the log was not cleared")
	}
}

func TestRequestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := fakeserver.New(origin, echo(&calls))
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 161 << 20
	if _, err := s.Transport().RoundTrip(req); err == nil || calls.Load() != 0 {
		t.Errorf("error = %v", err)
	}
}

// TestRecording runs one test of this file in a process that records.
func TestRecording(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLog$")
	cmd.Env = append(os.Environ(), fakeserver.RecordEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files = %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var x fakeserver.Exchange
	if err := json.Unmarshal([]byte(line), &x); err != nil || x.URL != origin+"/a?b=c" || string(x.RequestBody) != "in" {
		t.Errorf("%v in %s", err, line)
	}
}
