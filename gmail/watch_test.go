package gmail_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

const topic = "projects/p1/topics/mail"

func TestWatch(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{ProjectID: "p1"})
	var calls []mailbox.Call
	s, _ := w.session(ann, scope+"gmail.metadata")
	s.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		c, _ := mailbox.CallOf(r.Context())
		calls = append(calls, c)
		return w.Transport().RoundTrip(r)
	})
	mb := w.openWith(ann, mailbox.CanReadHeaders, s)
	for range 2 { // the second one renews
		got := must[mailbox.Watch](t)(mb.Watch(t.Context(), mailbox.WatchRequest{Topic: topic}))
		have := w.Watch(ann)
		if have == nil || have.Topic != topic || have.Expires.UnixMilli() != got.ExpiresAt.UnixMilli() {
			t.Fatalf("%+v, expires %v", have, got.ExpiresAt)
		}
		if diff := cmp.Diff([]string{"INBOX", "SENT"}, have.LabelIDs); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		w.Advance(time.Hour)
	}
	// Another topic takes the place of the first.
	must[mailbox.Watch](t)(mb.Watch(t.Context(), mailbox.WatchRequest{Topic: "projects/p1/topics/new"}))
	if have := w.Watch(ann); have == nil || have.Topic != "projects/p1/topics/new" {
		t.Errorf("%+v", have)
	}
	for range 2 {
		if err := mb.Unwatch(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if w.Watch(ann) != nil {
		t.Error("the watch goes on")
	}
	for _, x := range w.Log() {
		if strings.HasSuffix(x.URL, "/watch?alt=json&prettyPrint=false") && !strings.Contains(string(x.RequestBody), `"labelFilterBehavior":"include"`) {
			t.Errorf("%s with %s", x.URL, x.RequestBody)
		}
	}
	units := map[string]int{"gmail.users.watch": 100, "gmail.users.stop": 50}
	for _, c := range calls {
		if c.Units != units[c.Method] || c.Units == 0 || c.Mailbox != ann || c.Lane != mailbox.LaneLive {
			t.Errorf("call %+v", c)
		}
	}
}

func TestWatchFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		topic string
		fault gmailtest.Fault
		class mailbox.Class
	}{
		{"no topic", "", gmailtest.Fault{}, mailbox.ClassInvalid},
		{"a URL", "https://host.example/hook", gmailtest.Fault{}, mailbox.ClassInvalid},
		{"no project", "projects//topics/t", gmailtest.Fault{}, mailbox.ClassInvalid},
		{"a subscription", "projects/p1/subscriptions/t", gmailtest.Fault{}, mailbox.ClassInvalid},
		{"a line break", "projects/p1/topics/t\n", gmailtest.Fault{}, mailbox.ClassInvalid},
		{"a topic of another project", "projects/p2/topics/t", gmailtest.Fault{}, mailbox.ClassConfig},
		{"no right to publish", topic, gmailtest.Fault{Path: apiPath + "/watch", Status: 403, Body: `{"error":{"code":403,"message":"Error sending test message to Cloud PubSub projects/p1/topics/mail : User not authorized to perform this action.","status":"PERMISSION_DENIED"}}`}, mailbox.ClassConfig},
		{"down", topic, gmailtest.Fault{Path: apiPath + "/watch", Status: 503}, mailbox.ClassUnavailable},
		{"null", topic, gmailtest.Fault{Path: apiPath + "/watch", Status: 200, Body: `null`}, mailbox.ClassUnavailable},
		{"no expiration", topic, gmailtest.Fault{Path: apiPath + "/watch", Status: 200, Body: `{"historyId":"1"}`}, mailbox.ClassUnavailable},
	}
	for _, tt := range tests {
		w := setup(t, gmailtest.Options{ProjectID: "p1"})
		if tt.fault.Status != 0 {
			w.Inject(tt.fault)
		}
		_, err := w.open(ann, mailbox.CanReadHeaders).Watch(t.Context(), mailbox.WatchRequest{Topic: tt.topic})
		e := wantError(t, err, tt.class, mailbox.OutcomeNone)
		if tt.class == mailbox.ClassInvalid && (!strings.Contains(e.Error(), "topic") || w.requests() != 0) {
			t.Errorf("%s: %v after %d requests", tt.name, err, w.requests())
		}
	}
	w := setup(t, gmailtest.Options{ProjectID: "p1"})
	w.Inject(gmailtest.Fault{Path: apiPath + "/stop", Status: 500})
	wantError(t, w.open(ann, mailbox.CanReadHeaders).Unwatch(t.Context()), mailbox.ClassUnavailable, mailbox.OutcomeNone)
	// Two topics, and the first does not let go.
	other := "projects/p1/topics/other"
	mb := w.open(ann, mailbox.CanReadHeaders)
	must[mailbox.Watch](t)(mb.Watch(t.Context(), mailbox.WatchRequest{Topic: topic}))
	w.Inject(gmailtest.Fault{Path: apiPath + "/stop", Status: 503})
	_, err := mb.Watch(t.Context(), mailbox.WatchRequest{Topic: other})
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNone)
	must[mailbox.Watch](t)(mb.Watch(t.Context(), mailbox.WatchRequest{Topic: other}))

	sender := w.open(ann, mailbox.CanSend)
	_, err = sender.Watch(t.Context(), mailbox.WatchRequest{Topic: topic})
	wantError(t, err, mailbox.ClassConsent, mailbox.OutcomeNone)
	wantError(t, sender.Unwatch(t.Context()), mailbox.ClassConsent, mailbox.OutcomeNone)
}
