package outlooktest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func subscription(s *outlooktest.Server, more object) object {
	o := object{
		"changeType": "created", "notificationUrl": "https://host.example/hook", "resource": "me/mailFolders('inbox')/messages",
		"expirationDateTime": s.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339), "clientState": "secret",
	}
	for name, v := range more {
		o[name] = v
	}
	return o
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	made := c.post("/subscriptions", subscription(s, nil)).ok(t, 201)
	path := "/subscriptions/" + made.str("id")
	c.post("/subscriptions", subscription(s, nil)).refused(t, 409, "ExtensionError")
	if n := len(c.get("/subscriptions").ok(t, 200).list("value")); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
	if n := len(as(t, s, bert).get("/subscriptions").ok(t, 200).list("value")); n != 0 {
		t.Errorf("somebody else sees %d", n)
	}
	as(t, s, bert).get(path).refused(t, 404, "ResourceNotFound")
	soon := s.Now().Add(time.Minute).UTC()
	r := c.do("PATCH", path, object{"expirationDateTime": soon.Format(time.RFC3339)}).ok(t, 200)
	if got, err := time.Parse(time.RFC3339, r.str("expirationDateTime")); err != nil || got.Sub(soon) < 43*time.Minute {
		t.Errorf("less than 45 minutes is raised to 45: %s", r.body)
	}
	c.post(path+"/reauthorize", nil).ok(t, 204)
	c.do("DELETE", path, nil).ok(t, 204)
	c.get(path).refused(t, 404, "ResourceNotFound")

	made = c.post("/subscriptions", subscription(s, nil)).ok(t, 201)
	s.Advance(25 * time.Hour)
	as(t, s, anna).get("/subscriptions/"+made.str("id")).refused(t, 404, "ResourceNotFound")
}

func TestSubscriptionRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	for name, more := range map[string]object{
		"http":        {"notificationUrl": "http://host.example/hook"},
		"relative":    {"notificationUrl": "/hook"},
		"kind":        {"changeType": "read"},
		"resource":    {"resource": "me/events"},
		"too long":    {"expirationDateTime": s.Now().Add(8 * 24 * time.Hour).UTC().Format(time.RFC3339)},
		"past":        {"expirationDateTime": "2020-01-01T00:00:00Z"},
		"clientState": {"clientState": strings.Repeat("x", 129)},
	} {
		if r := c.post("/subscriptions", subscription(s, more)); r.status != 400 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	c.post("/subscriptions", subscription(s, object{"includeResourceData": true})).refused(t, 501, "notImplemented")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSubscriptionHandshake(t *testing.T) {
	t.Parallel()
	for _, echo := range []bool{true, false} {
		var asked []string
		s := start(t, outlooktest.Options{Notify: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Path)
			body := "nonsense"
			if echo {
				body = r.URL.Query().Get("validationToken")
			}
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)),
			}, nil
		})})
		r := as(t, s, anna).post("/subscriptions", subscription(s, object{"lifecycleNotificationUrl": "https://host.example/life"}))
		if echo {
			r.ok(t, 201)
			if len(asked) != 2 {
				t.Errorf("asked %v", asked)
			}
		} else {
			r.refused(t, 400, "BadRequest")
		}
	}
}
