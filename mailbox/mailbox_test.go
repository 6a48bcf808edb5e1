package mailbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func ExampleError() {
	err := fmt.Errorf("sending the offer: %w", &mailbox.Error{
		Op: "send", Provider: mailbox.Gmail, Class: mailbox.ClassSendLimit,
		Outcome: mailbox.OutcomeNotSent, RetryAfter: time.Hour, Err: io.ErrUnexpectedEOF,
	})
	fmt.Println(errors.Is(err, mailbox.ClassSendLimit), errors.Is(err, io.ErrUnexpectedEOF))
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		fmt.Println(e.Actor(), e.Action(), e.RetryAfter, e.Outcome)
	}
	// Output:
	// true true
	// nobody wait_until 1h0m0s not_sent
}

func TestErrorMatchesItsClassOnly(t *testing.T) {
	t.Parallel()
	for c := mailbox.ClassUnknown; c <= mailbox.ClassPaused; c++ {
		err := error(&mailbox.Error{Class: c})
		for other := mailbox.ClassUnknown; other <= mailbox.ClassPaused; other++ {
			if got := errors.Is(err, other); got != (c == other) {
				t.Errorf("errors.Is(%v, %v) = %v", c, other, got)
			}
		}
		if mailbox.ClassOf(fmt.Errorf("x: %w", err)) != c {
			t.Errorf("ClassOf loses %v", c)
		}
	}
}

func TestEveryClassSaysWhoActsAndHow(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for c := mailbox.ClassUnknown; c <= mailbox.ClassPaused; c++ {
		if c.String() == "" || names[c.String()] || c.Actor() == "" || c.Action() == "" {
			t.Errorf("class %d: %q, %q, %q", c, c, c.Actor(), c.Action())
		}
		names[c.String()] = true
	}
	if got := mailbox.Class(200); got.Action() != mailbox.ActionRetry || got.String() != mailbox.ClassUnknown.String() {
		t.Errorf("a class of a later version is %v, %v", got, got.Action())
	}
}

// The numbers are stored by hosts.
func TestNumbersNeverChange(t *testing.T) {
	t.Parallel()
	if mailbox.ClassThrottled != 6 || mailbox.ClassReconnect != 9 || mailbox.ClassCursorLost != 17 || mailbox.ClassPaused != 22 {
		t.Error("class numbers changed")
	}
	if mailbox.OutcomeNotSent != 1 || mailbox.OutcomeSent != 2 || mailbox.OutcomeUnknown != 3 {
		t.Error("outcome numbers changed")
	}
	if mailbox.CanSend != 1 || mailbox.CanReadHeaders != 2 || mailbox.CanReadBodies != 4 ||
		mailbox.CanWriteReadState != 8 || mailbox.CanDraft != 16 || mailbox.CanShared != 32 {
		t.Error("capability numbers changed")
	}
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want mailbox.Outcome
	}{
		{nil, mailbox.OutcomeSent},
		{io.EOF, mailbox.OutcomeUnknown},
		{&mailbox.Error{Class: mailbox.ClassUnavailable}, mailbox.OutcomeUnknown},
		{&mailbox.Error{Outcome: mailbox.OutcomeNotSent}, mailbox.OutcomeNotSent},
		{fmt.Errorf("x: %w", mailbox.Invalid("to", "", "is empty")), mailbox.OutcomeNotSent},
	} {
		if got := mailbox.OutcomeOf(c.err); got != c.want {
			t.Errorf("OutcomeOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestErrorTextNamesTheFieldButNotTheNativeText(t *testing.T) {
	t.Parallel()
	e := &mailbox.Error{Op: "send", Provider: mailbox.Outlook, Class: mailbox.ClassUnavailable, Status: 503, Err: errors.New("canary@example.com")}
	if s := e.Error(); strings.Contains(s, "canary") || s != "mailtether: outlook send: provider unavailable, HTTP 503" {
		t.Errorf("got %q", s)
	}
	inv := mailbox.Invalid("to[3].address", "an address", "has no domain")
	if s := inv.Error(); s != "mailtether: invalid request: to[3].address has no domain (allowed: an address)" {
		t.Errorf("got %q", s)
	}
	fe, ok := errors.AsType[*mailbox.FieldError](inv)
	if !ok || fe.Field != "to[3].address" {
		t.Errorf("field error is %+v", fe)
	}
}

// badVerb is out of the reach of vet, as a mistake in a variable format would be.
var badVerb = "%d"

func TestAccessTokenIsNeverPrinted(t *testing.T) {
	t.Parallel()
	token := mailbox.AccessToken("canary")
	req := mailbox.TokenRequest{Rejected: token}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "token", token, "req", req)
	raw, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s %q %x", token, token, token, token, token, token), fmt.Sprintf(badVerb, token),
		fmt.Sprintf("%v %+v %#v", req, req, req), string(raw), logged.String(),
	} {
		if strings.Contains(s, "canary") {
			t.Errorf("printed as %q", s)
		}
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	c := mailbox.CanSend | mailbox.CanDraft
	if s := c.String(); s != "send,drafts" {
		t.Errorf("got %q", s)
	}
	if got := c.Missing(mailbox.CanSend | mailbox.CanReadHeaders); got != mailbox.CanReadHeaders {
		t.Errorf("missing %v", got)
	}
	if !c.Has(0) || c.Has(mailbox.CanSend|mailbox.CanReadBodies) {
		t.Error("Has is wrong")
	}
	if got := (mailbox.CanSend | mailbox.CanReadBodies).WithImplied(); got != mailbox.CanSend|mailbox.CanReadBodies|mailbox.CanReadHeaders {
		t.Errorf("with what is implied: %v", got)
	}
	if s := mailbox.Capabilities(0).String(); s != "" {
		t.Errorf("got %q", s)
	}
}

func TestIdentitySame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b mailbox.Identity
		want bool
	}{
		{mailbox.Identity{Subject: "1", Address: "a@x.example"}, mailbox.Identity{Subject: "1", Address: "renamed@x.example"}, true},
		{mailbox.Identity{Subject: "1", Address: "a@x.example"}, mailbox.Identity{Subject: "2", Address: "a@x.example"}, false},
		{mailbox.Identity{Address: "A@X.example"}, mailbox.Identity{Subject: "2", Address: "a@x.example"}, true},
		{mailbox.Identity{Address: "a@x.example", Aliases: []string{"b@x.example"}}, mailbox.Identity{Address: "B@x.example"}, true},
		{mailbox.Identity{}, mailbox.Identity{}, false},
		{mailbox.Identity{Address: "a@x.example"}, mailbox.Identity{Address: "b@x.example"}, false},
	} {
		if got := c.a.Same(c.b); got != c.want || c.b.Same(c.a) != c.want {
			t.Errorf("%+v same as %+v: %v", c.a, c.b, got)
		}
	}
}

func TestRefValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref   mailbox.Ref
		field string
	}{
		{mailbox.Ref{Tenant: "t", Mailbox: "m"}, ""},
		{mailbox.Ref{Mailbox: "m"}, "tenant"},
		{mailbox.Ref{Tenant: "t"}, "mailbox"},
		{mailbox.Ref{Tenant: mailbox.TenantID(strings.Repeat("x", 256)), Mailbox: "m"}, "tenant"},
		{mailbox.Ref{Tenant: "t", Mailbox: "m\n"}, "mailbox"},
	} {
		err := c.ref.Validate()
		fe, ok := errors.AsType[*mailbox.FieldError](err)
		if ok != (c.field != "") || ok && fe.Field != c.field {
			t.Errorf("%q: %v", c.ref, err)
		}
	}
}

func TestHeaderKeepsDuplicatesAndOrder(t *testing.T) {
	t.Parallel()
	h := mailbox.Header{{"Received", "1"}, {"subject", "a"}, {"RECEIVED", "2"}, {"X-Empty", ""}}
	if diff := cmp.Diff([]string{"1", "2"}, h.Values("received")); diff != "" {
		t.Error(diff)
	}
	if h.Get("Subject") != "a" || h.Get("none") != "" || !h.Has("x-empty") || h.Has("none") {
		t.Error("Get or Has is wrong")
	}
}

func TestLevelText(t *testing.T) {
	t.Parallel()
	for l := mailbox.LevelNone; l <= mailbox.LevelCertain; l++ {
		text, err := l.MarshalText()
		var back mailbox.Level
		if err != nil || back.UnmarshalText(text) != nil || back != l {
			t.Errorf("%v: %q, %v", l, text, err)
		}
	}
	if err := new(mailbox.Level).UnmarshalText([]byte("sure")); mailbox.ClassOf(err) != mailbox.ClassInvalid {
		t.Errorf("got %v", err)
	}
}

func TestLaneOfTheContextReplacesAllButSends(t *testing.T) {
	t.Parallel()
	ctx := mailbox.WithLane(t.Context(), mailbox.LaneBackfill)
	for _, c := range []struct{ of, want mailbox.Lane }{
		{mailbox.LaneLive, mailbox.LaneBackfill},
		{mailbox.LaneSend, mailbox.LaneSend},
	} {
		call, ok := mailbox.CallOf(mailbox.WithCall(ctx, mailbox.Call{Lane: c.of}))
		if !ok || call.Lane != c.want {
			t.Errorf("lane %d became %d", c.of, call.Lane)
		}
	}
	if _, ok := mailbox.CallOf(t.Context()); ok {
		t.Error("a call out of nothing")
	}
}

// pages is a Mailbox that can only list.
type pages struct {
	mailbox.Mailbox
	pages map[string]mailbox.Page
	asked []string
}

func (p *pages) List(_ context.Context, q mailbox.Query) (mailbox.Page, error) {
	p.asked = append(p.asked, q.Page)
	page, ok := p.pages[q.Page]
	if !ok {
		return page, io.ErrUnexpectedEOF
	}
	return page, nil
}

func TestAllFollowsPages(t *testing.T) {
	t.Parallel()
	m := func(id string) *mailbox.Message { return &mailbox.Message{ID: mailbox.MessageID(id)} }
	p := &pages{pages: map[string]mailbox.Page{
		"":  {Messages: []*mailbox.Message{m("1"), m("2")}, Next: "b"},
		"b": {Next: "c"},
		"c": {Messages: []*mailbox.Message{m("3")}, Next: "gone"},
	}}
	seq := mailbox.All(t.Context(), p, mailbox.Query{})
	for range 2 { // ranging again starts over
		var got []string
		for m, err := range seq {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, string(m.ID))
		}
		if diff := cmp.Diff([]string{"1", "2", "3", "unexpected EOF"}, got); diff != "" {
			t.Error(diff)
		}
	}
	p.asked = nil
	for range seq {
		break
	}
	if len(p.asked) != 1 {
		t.Errorf("after a break %d pages were read", len(p.asked))
	}
}
