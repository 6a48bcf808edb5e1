package outlooktest_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// batch sends requests and returns the answers by id.
func batch(t *testing.T, c *client, requests ...any) (map[string]object, []string) {
	t.Helper()
	r := c.post("/$batch", object{"requests": requests}).ok(t, 200)
	out := map[string]object{}
	var order []string
	for _, one := range r.list("responses") {
		out[one.str("id")] = one
		order = append(order, one.str("id"))
	}
	if len(out) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(out), len(requests))
	}
	return out, order
}

func part(id, method, target string, more ...any) object {
	o := object{"id": id, "method": method, "url": target}
	for i := 0; i < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 6)
	list := s.Messages(anna)
	c := as(t, s, anna)
	var parts []any
	for i, m := range list {
		parts = append(parts, part(fmt.Sprint(i), "GET", "/me/messages/"+m.ID+"?$select=subject", "headers", object{"Prefer": `IdType="ImmutableId"`}))
	}
	parts = append(parts,
		part("gone", "GET", "/me/messages/nonsense"),
		part("patch", "PATCH", "me/messages/"+list[0].ID, "headers", object{"Content-Type": "application/json"}, "body", object{"isRead": true}),
		part("mime", "POST", "/me/messages", "headers", object{"Content-Type": "text/plain"}, "body", base64.StdEncoding.EncodeToString(eml("mime"))),
		part("send", "POST", "/me/sendMail", "headers", object{"Content-Type": "application/json"}, "body", object{"message": text("x", "x", bert)}),
		part("absolute", "GET", s.URL()+"/v1.0/me/messages"),
	)
	got, order := batch(t, c, parts...)
	for i, m := range list {
		one := got[fmt.Sprint(i)]
		if one["status"] != 200.0 || one.obj("body").str("id") != m.ID || one.obj("body").str("subject") != m.Subject {
			t.Errorf("part %d: %v", i, one)
		}
	}
	if gone := got["gone"]; gone["status"] != 400.0 || gone.obj("body").code() != "ErrorInvalidIdMalformed" || gone.obj("headers").str("Content-Type") == "" {
		t.Errorf("%v", gone)
	}
	if got["patch"]["status"] != 200.0 || got["mime"]["status"] != 201.0 || got["absolute"]["status"] != 400.0 {
		t.Errorf("%v %v %v", got["patch"], got["mime"], got["absolute"])
	}
	if _, ok := got["send"]["body"]; ok || got["send"]["status"] != 202.0 {
		t.Errorf("%v", got["send"])
	}
	if slices.IsSorted(order) || slices.Equal(order, []string{"0", "1", "2", "3", "4", "5", "gone", "patch", "mime", "send", "absolute"}) {
		t.Errorf("the answers come in the order of the requests: %v", order)
	}
	_, again := batch(t, c, parts...)
	if diff := cmp.Diff(order, again); diff != "" {
		t.Errorf("the order is not deterministic: %s", diff)
	}
	inner := 0
	for _, x := range s.Log() {
		if x.Inner {
			inner++
		}
	}
	if want := 2 * (len(parts) - 1); inner != want {
		t.Errorf("%d parts are in the log, want %d", inner, want)
	}
}

func TestBatchRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	var many []any
	for i := range 21 {
		many = append(many, part(fmt.Sprint(i), "GET", "/me"))
	}
	for name, requests := range map[string][]any{
		"none": {}, "21": many, "same id": {part("a", "GET", "/me"), part("A", "GET", "/me")}, "no id": {part("", "GET", "/me")},
		"unknown dependency": {part("a", "GET", "/me", "dependsOn", []string{"b"}), part("b", "GET", "/me")},
	} {
		if r := c.post("/$batch", object{"requests": requests}); r.status != 400 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	c.post("/$batch", []any{}).refused(t, 400, "BadRequest")
	batch(t, c, many[:20]...)
}

func TestBatchDependencies(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	got, _ := batch(t, as(t, s, anna),
		part("1", "GET", "/me/messages/nonsense"), part("2", "GET", "/me", "dependsOn", []string{"1"}), part("3", "GET", "/me"))
	if got["2"]["status"] != 424.0 || got["3"]["status"] != 200.0 {
		t.Errorf("%v", got)
	}
}

func TestBatchFaultHitsOnePart(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.Inject(outlooktest.Fault{Path: "/v1.0/me/mailFolders", Status: 429, Header: map[string][]string{"Retry-After": {"7"}}, Body: `{"error":{"code":"ApplicationThrottled","message":""}}`})
	got, _ := batch(t, as(t, s, anna), part("1", "GET", "/me/mailFolders"), part("2", "GET", "/me"))
	if got["1"]["status"] != 429.0 || got["1"].obj("headers").str("Retry-After") != "7" || got["2"]["status"] != 200.0 {
		t.Errorf("%v", got)
	}
	s.Inject(outlooktest.Fault{Path: "/v1.0/me/mailFolders", Lose: true})
	if got, _ = batch(t, as(t, s, anna), part("1", "GET", "/me/mailFolders")); got["1"]["status"] != 504.0 {
		t.Errorf("%v", got)
	}
}

// A batch takes four places: what does not find one is throttled in its slot.
func TestBatchConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := outlooktest.New(outlooktest.Options{MaxConcurrent: 4, Latency: time.Second})
		defer s.Close()
		s.AddUser(outlooktest.User{Address: anna})
		c := as(t, s, anna)
		var parts []any
		for i := range 8 {
			parts = append(parts, part(fmt.Sprint(i), "GET", "/me/messages"))
		}
		alone, _ := batch(t, c, parts...)
		for id, one := range alone {
			if one["status"] != 200.0 {
				t.Errorf("%s: %v", id, one)
			}
		}
		var wg sync.WaitGroup
		for range 2 { // two single requests leave two places
			wg.Go(func() { c.get("/me/messages").ok(t, 200) })
		}
		synctest.Wait()
		counts := map[float64]int{}
		got, _ := batch(t, c, parts...)
		for _, one := range got {
			counts[one["status"].(float64)]++
		}
		if diff := cmp.Diff(map[float64]int{200: 4, 429: 4}, counts); diff != "" {
			t.Error(diff)
		}
		wg.Wait()
	})
}
