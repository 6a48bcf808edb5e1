package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// TestHostConnectsAndSends walks through the program as a user would, against
// both fakes.
func TestHostConnectsAndSends(t *testing.T) {
	for _, name := range []string{"GOOGLE_CLIENT_ID", "MICROSOFT_CLIENT_ID"} {
		t.Setenv(name, "client-id")
	}
	for _, name := range []string{"GOOGLE_CLIENT_SECRET", "MICROSOFT_CLIENT_SECRET"} {
		t.Setenv(name, "client-secret")
	}
	fakeGoogle := gmailtest.NewServer(t, gmailtest.Options{})
	fakeGoogle.AddUser(gmailtest.User{Address: "ada@acme.example"})
	fakeMicrosoft := outlooktest.NewServer(t, outlooktest.Options{})
	fakeMicrosoft.AddUser(outlooktest.User{Address: "ada@acme.example"})
	for _, listen := range []func() error{fakeGoogle.Listen, fakeMicrosoft.Listen} {
		if err := listen(); err != nil {
			t.Fatal(err)
		}
	}
	google, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(fakeGoogle.URL())})
	if err != nil {
		t.Fatal(err)
	}
	microsoft, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(fakeMicrosoft.URL())})
	if err != nil {
		t.Fatal(err)
	}
	client, err := newClient(google, microsoft, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	app := routes(client)
	decide := map[mailbox.ProviderName]func(ctx context.Context, authURL string) (*url.URL, error){
		mailbox.Gmail: func(ctx context.Context, authURL string) (*url.URL, error) {
			return gmailtest.Decide(ctx, http.DefaultTransport, authURL, gmailtest.Decision{User: "ada@acme.example"})
		},
		mailbox.Outlook: func(ctx context.Context, authURL string) (*url.URL, error) {
			return outlooktest.Decide(ctx, http.DefaultTransport, authURL, outlooktest.Decision{User: "ada@acme.example"})
		},
	}
	for p, decide := range decide {
		start := serve(t, app, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8080/connect/"+string(p), nil))
		back, err := decide(t.Context(), start.Header.Get("Location"))
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		callback := httptest.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), nil)
		for _, c := range start.Cookies() {
			callback.AddCookie(c)
		}
		if to := serve(t, app, callback).Header.Get("Location"); !strings.Contains(to, "connected=my-"+string(p)) {
			t.Fatalf("%s: the callback leads to %q", p, to)
		}
		form := url.Values{"key": {"k1"}, "to": {"grace@partner.example"}, "subject": {"Hi"}, "text": {"Hello"}}
		send := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/send/"+string(p), strings.NewReader(form.Encode()))
		send.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		app.ServeHTTP(rec, send)
		if !strings.HasPrefix(rec.Body.String(), "sent ") {
			t.Errorf("%s: send answered %d %s", p, rec.Code, rec.Body)
		}
	}
}

func serve(t *testing.T, h http.Handler, r *http.Request) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

// TestREADMEShowsThisProgram keeps the README true.
func TestREADMEShowsThisProgram(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("the program in README.md differs from main.go")
	}
}
