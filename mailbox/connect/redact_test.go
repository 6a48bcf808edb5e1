package connect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// wantNoSecrets prints v in every format that programs log in. All secrets of
// these tests begin with "canary".
func wantNoSecrets(t *testing.T, name string, v any) {
	t.Helper()
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, v), fmt.Sprintf(verb, []any{struct{ V any }{v}}))
	}
	if b, err := json.Marshal(v); err == nil {
		printed = append(printed, string(b))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	for _, s := range append(printed, log.String()) {
		for _, form := range []string{"canary", fmt.Sprintf("%x", "canary"), strings.Trim(fmt.Sprint([]byte("canary")), "[]")} {
			if strings.Contains(s, form) {
				t.Errorf("%s prints a secret: %s", name, s)
			}
		}
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, request(), "ann")
	mb, err := h.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	session := mb.(*opened).session
	if _, err := session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
		t.Fatal(err)
	}
	wantNoSecrets(t, "App", h.config.Apps[0])
	wantNoSecrets(t, "Config", h.config)
	wantNoSecrets(t, "Connector", h.Connector)
	wantNoSecrets(t, "Tokens", session.Tokens)
	wantNoSecrets(t, "Account", h.account(t))
	wantNoSecrets(t, "Event", h.events[0])
	// As programs print them; the fields are for reading.
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{request(), h.begin(t, request(), consent{user: "ann"})} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "canary") || strings.Contains(s, "state") {
				t.Errorf("%T prints %s", v, s)
			}
		}
	}
}

// Every way in which a flow fails: no secret in the error, in what is behind it,
// or in the events.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, body := range []string{
			`{"error":"invalid_grant"}`,
			`{"access_token":"canary-access\n","refresh_token":"canary-refresh"}`,
			`{"access_token":{"x":"canary-access"}}`,
			`{"access_token":"canary-access","token_type":"mac"}`,
			`{"access_token":"canary-access`,
		} {
			h := newHost(t)
			r := h.begin(t, request(), consent{user: "ann"})
			h.gmail.trouble["/token"] = answer(200, body)
			_, err := h.Callback(t.Context(), r)
			if err == nil {
				t.Fatalf("%s was accepted", body)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				wantNoSecrets(t, body, e)
			}
			_, err = h.Callback(t.Context(), r)
			wantNoSecrets(t, "used state", err)
		}
		h := newHost(t)
		ctx, cancel := context.WithCancel(t.Context())
		r := h.begin(t, request(), consent{user: "ann"})
		cancel()
		_, err := h.Callback(ctx, r)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		wantNoSecrets(t, "cancelled", err)

		h.connect(t, request(), "ann")
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		h.gmail.trouble["/token"] = answer(400, `{"error":"invalid_grant"}`)
		_, err = mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{})
		for e := err; e != nil; e = errors.Unwrap(e) {
			wantNoSecrets(t, "dead grant", e)
		}
		for _, event := range h.events {
			wantNoSecrets(t, "event", event)
		}
	})
}
