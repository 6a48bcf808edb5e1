package outlook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

var hook = mailbox.WatchRequest{
	URL: "https://host.example/outlook", LifecycleURL: "https://host.example/outlook/life", Secret: "s3cret",
}

// subscription is what Graph tells of one.
type subscription struct {
	ID, Resource, ChangeType, NotificationURL, LifecycleNotificationURL, ClientState string
	ExpirationDateTime                                                               time.Time
}

// subscriptions are those that the token of a user sees, by resource.
func (w *world) subscriptions(address string) []subscription {
	w.t.Helper()
	return w.subscriptionsSeenBy(w.open(address, mailbox.CanReadHeaders))
}

func (w *world) subscriptionsSeenBy(mb *outlook.Mailbox) []subscription {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.URL()+"/v1.0/subscriptions", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := mb.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Value []subscription }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(list.Value, func(a, b subscription) int { return strings.Compare(a.Resource, b.Resource) })
	return list.Value
}

func watch(t *testing.T, mb *outlook.Mailbox, r mailbox.WatchRequest) time.Time {
	t.Helper()
	got, err := mb.Watch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got.ExpiresAt
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders)
	expires := watch(t, mb, hook)
	if left := time.Until(expires); left < 7*24*time.Hour-2*time.Hour || left > 7*24*time.Hour {
		t.Errorf("expires in %v", left)
	}
	first := w.subscriptions(anna)
	if len(first) != 2 {
		t.Fatalf("%+v", first)
	}
	for i, resource := range []string{"me/mailFolders('inbox')/messages", "me/mailFolders('sentitems')/messages"} {
		s := first[i]
		if s.Resource != resource || s.ChangeType != "created" || s.ClientState != hook.Secret || s.NotificationURL != hook.URL ||
			s.LifecycleNotificationURL != hook.LifecycleURL || !s.ExpirationDateTime.Equal(expires) {
			t.Errorf("%+v", s)
		}
	}
	for _, x := range w.Log() {
		if x.Method == http.MethodPost && strings.HasSuffix(x.URL, "/subscriptions") && !strings.Contains(x.RequestHeader.Get("Prefer"), `IdType="ImmutableId"`) {
			t.Errorf("created with Prefer %q: announcements would name ids that change", x.RequestHeader.Get("Prefer"))
		}
	}

	// Again: the same subscriptions, longer.
	w.Advance(time.Hour)
	watch(t, mb, hook)
	again := w.subscriptions(anna)
	if len(again) != 2 || again[0].ID != first[0].ID || again[1].ID != first[1].ID {
		t.Errorf("renewed: %+v", again)
	}
	if n := w.calls(http.MethodPost, "/subscriptions"); n != 2 {
		t.Errorf("%d were created", n)
	}

	if err := errors.Join(mb.Unwatch(t.Context()), mb.Unwatch(t.Context())); err != nil {
		t.Error(err)
	}
	if left := w.subscriptions(anna); len(left) != 0 {
		t.Errorf("left over: %+v", left)
	}
}

// Should Graph name the owner by the object id, the subscription is the same.
func TestWatchKnowsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanReadHeaders)
	a.Subject = "11111111-2222-3333-4444-555555555555"
	s := w.session(anna, a.Scopes)
	s.Transport = rewrite(s.Transport, func(r *http.Request, body string) string {
		if r.Method != http.MethodGet {
			return body
		}
		return strings.ReplaceAll(body, "me/mailFolders", "Users/"+a.Subject+"/mailFolders")
	})
	mb := w.openWith(a, s)
	watch(t, mb, hook)
	watch(t, mb, hook)
	if n, renewed := w.calls(http.MethodPost, "/subscriptions"), len(w.subscriptions(anna)); n != 2 || renewed != 2 {
		t.Errorf("%d were created, %d are there", n, renewed)
	}
}

func TestWatchReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders)
	watch(t, mb, hook)
	last := w.subscriptions(anna)
	for name, change := range map[string]func(*mailbox.WatchRequest){
		"another secret":        func(r *mailbox.WatchRequest) { r.Secret = "new" },
		"another URL":           func(r *mailbox.WatchRequest) { r.URL = "https://new.example/" },
		"another lifecycle URL": func(r *mailbox.WatchRequest) { r.LifecycleURL = "" },
	} {
		r := hook
		change(&r)
		watch(t, mb, r)
		now := w.subscriptions(anna)
		if len(now) != 2 || now[0].ID == last[0].ID || now[0].ClientState != r.Secret || now[0].NotificationURL != r.URL || now[0].LifecycleNotificationURL != r.LifecycleURL {
			t.Errorf("%s: %+v", name, now)
		}
		watch(t, mb, hook)
		last = w.subscriptions(anna)
	}
}

// Faults between the requests of a Watch leave nothing that the next one does
// not mend.
func TestWatchAfterFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]outlooktest.Fault{
		"created, answer lost": {Method: http.MethodPost, Path: "*/subscriptions", After: true, Lose: true},
		"not created":          {Method: http.MethodPost, Path: "*/subscriptions", Status: 503},
		"Outlook was slow":     {Method: http.MethodPost, Path: "*/subscriptions", Status: 400, Body: `{"error":{"code":"ExtensionError","message":"timeout"}}`},
		"not listed":           {Method: http.MethodGet, Path: "*/subscriptions", Status: 502, Body: "<html>"},
		"a broken list":        {Method: http.MethodGet, Path: "*/subscriptions", Status: 200, Body: `{"value":[{"id":`},
		"an answer without id": {Method: http.MethodPost, Path: "*/subscriptions", Status: 201, Body: `{}`},
	} {
		w := newWorld(t, outlooktest.Options{})
		mb := w.open(anna, mailbox.CanReadHeaders)
		w.Inject(fault)
		_, err := mb.Watch(t.Context(), hook)
		if e := asError(t, err); e.Class != mailbox.ClassUnavailable || e.Outcome != mailbox.OutcomeNone {
			t.Errorf("%s: %v", name, err)
		}
		watch(t, mb, hook)
		if got := w.subscriptions(anna); len(got) != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// One that was made while the list was read.
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders)
	watch(t, mb, hook)
	first := w.subscriptions(anna)
	w.Inject(outlooktest.Fault{Method: http.MethodGet, Path: "*/subscriptions", Status: 200, Body: `{"value":[]}`})
	watch(t, mb, hook)
	if got := w.subscriptions(anna); len(got) != 2 || got[0].ID != first[0].ID {
		t.Errorf("%+v", got)
	}
	// One that ended after the list was read.
	w.Inject(outlooktest.Fault{Method: http.MethodPatch, Status: 404, Body: `{"error":{"code":"ResourceNotFound","message":"x"}}`})
	w.Inject(outlooktest.Fault{Method: http.MethodDelete, Status: 404, Body: `{"error":{"code":"ResourceNotFound","message":"x"}}`, Times: 0})
	watch(t, mb, hook)
	if err := mb.Unwatch(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWatchRefusals(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders)
	with := func(change func(*mailbox.WatchRequest)) mailbox.WatchRequest {
		r := hook
		change(&r)
		return r
	}
	before := len(w.Log())
	for name, tt := range map[string]struct {
		mb    *outlook.Mailbox
		r     mailbox.WatchRequest
		class mailbox.Class
		text  string
	}{
		"no URL":         {mb, with(func(r *mailbox.WatchRequest) { r.URL = "" }), mailbox.ClassInvalid, "url"},
		"http":           {mb, with(func(r *mailbox.WatchRequest) { r.URL = "http://host.example/" }), mailbox.ClassInvalid, "url"},
		"lifecycle http": {mb, with(func(r *mailbox.WatchRequest) { r.LifecycleURL = "http://host.example/" }), mailbox.ClassInvalid, "lifecycle_url"},
		"no secret":      {mb, with(func(r *mailbox.WatchRequest) { r.Secret = "" }), mailbox.ClassInvalid, "secret"},
		"long secret":    {mb, with(func(r *mailbox.WatchRequest) { r.Secret = strings.Repeat("s3cret", 40) }), mailbox.ClassInvalid, "secret"},
		"send only":      {w.open(anna, mailbox.CanSend), hook, mailbox.ClassConsent, "read_headers"},
		"shared":         {w.openShared(support, everything), hook, mailbox.ClassUnsupported, ""},
	} {
		_, err := tt.mb.Watch(t.Context(), tt.r)
		if e := asError(t, err); e.Class != tt.class || !strings.Contains(e.Error(), tt.text) || strings.Contains(e.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.open(anna, mailbox.CanSend).Unwatch(t.Context()); !errors.Is(err, mailbox.ClassConsent) {
		t.Errorf("unwatch, send only: %v", err)
	}
	if err := w.openShared(support, everything).Unwatch(t.Context()); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("unwatch, shared: %v", err)
	}
	if n := len(w.Log()) - before; n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Unwatch ends what is of this mailbox, however Graph spells it, and nothing
// that the host made besides.
func TestUnwatchEndsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanReadHeaders)
	a.Subject = "11111111-2222-3333-4444-555555555555"
	all := map[string]bool{ // resource: whether it is ended
		"me/mailFolders('inbox')/messages": true,
		"/me/messages":                     true,
		"Me/mailfolders('AQMk')/messages?$filter=isRead eq false":  true,
		"Users/" + a.Subject + "/MailFolders('inbox')/Messages":    true,
		"users/anna%40contoso.example/messages":                    true,
		"users/" + strings.ToUpper(anna) + "/messages":             true,
		"users/bert@contoso.example/mailFolders('inbox')/messages": false,
		"users//messages":    false,
		"me/events":          false,
		"me/contacts":        false,
		"users":              false,
		"groups/g/messages":  false,
		"me/messagesandmore": false,
		"":                   false,
	}
	var list []map[string]string
	for resource := range all {
		list = append(list, map[string]string{"id": "id of " + resource, "resource": resource, "changeType": "created"})
	}
	body, err := json.Marshal(map[string]any{"value": list})
	if err != nil {
		t.Fatal(err)
	}
	deleted := map[string]bool{}
	s := w.session(anna, a.Scopes)
	s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		status, answer := http.StatusNoContent, ""
		if r.Method == http.MethodGet {
			status, answer = http.StatusOK, string(body)
		} else {
			deleted[strings.TrimPrefix(r.URL.Path, "/v1.0/subscriptions/id of ")] = true
		}
		return answerWith(status, answer), nil
	})
	if err := w.openWith(a, s).Unwatch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for resource, want := range all {
		if deleted[resource] != want {
			t.Errorf("%q: ended %t, want %t", resource, deleted[resource], want)
		}
	}
}

// A list of subscriptions may have pages, which may not lead elsewhere or go on
// for ever.
func TestSubscriptionPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanReadHeaders)
	s := w.session(anna, a.Scopes)
	var next string
	pages := 0
	s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method == http.MethodPatch:
			return answerWith(http.StatusOK, `{"id":"x"}`), nil
		case r.URL.Query().Get("page") == "last":
			return answerWith(http.StatusOK, `{"value":[{"id":"1","resource":"me/mailFolders('inbox')/messages","changeType":"created","notificationUrl":"`+hook.URL+
				`","lifecycleNotificationUrl":"`+hook.LifecycleURL+`"},{"id":"2","resource":"me/mailFolders('sentitems')/messages","changeType":"created","notificationUrl":"`+
				hook.URL+`","lifecycleNotificationUrl":"`+hook.LifecycleURL+`"}]}`), nil
		}
		pages++
		return answerWith(http.StatusOK, `{"value":[],"@odata.nextLink":"`+next+`"}`), nil
	})
	mb := w.openWith(a, s)
	next = w.URL() + "/v1.0/subscriptions?page=last"
	if expires := watch(t, mb, hook); time.Until(expires) < 6*24*time.Hour {
		t.Errorf("expires at %v, though Graph does not tell", expires)
	}
	next = "https://evil.example/"
	if _, err := mb.Watch(t.Context(), hook); asError(t, err).Code != "foreign_host" {
		t.Errorf("error %v", err)
	}
	next, pages = w.URL()+"/v1.0/subscriptions?page=more", 0
	if _, err := mb.Watch(t.Context(), hook); asError(t, err).Code != "endless_list" || pages > 2000 {
		t.Errorf("%d pages, error %v", pages, err)
	}
}
