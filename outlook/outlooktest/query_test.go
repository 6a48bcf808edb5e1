package outlooktest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// fill delivers n messages, a minute apart, the last one now.
func fill(t testing.TB, s *outlooktest.Server, n int) {
	t.Helper()
	for i := range n {
		s.Advance(time.Minute)
		deliver(t, s, eml(numbered(i), fmt.Sprintf("Message-ID: <m%d@example.net>", i)))
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 25)
	c := as(t, s, anna)
	for _, tt := range []struct {
		path  string
		pages []int
	}{
		{"/me/messages?$select=subject", []int{10, 10, 5}},
		{"/me/messages?$top=7", []int{7, 7, 7, 4}},
		{"/me/messages?$top=1000", []int{25}},
		{"/me/mailFolders/inbox/messages?$top=20&$filter=isRead%20eq%20false", []int{20, 5}},
		{"/me/mailFolders/archive/messages", []int{0}},
	} {
		var pages []int
		var all []string
		for next := tt.path; next != ""; {
			r := c.get(next).ok(t, 200)
			pages = append(pages, len(r.list("value")))
			all = append(all, subjects(r.list("value"))...)
			next = r.str("@odata.nextLink")
		}
		if diff := cmp.Diff(tt.pages, pages); diff != "" {
			t.Errorf("%s: %s", tt.path, diff)
		}
		for i, got := range all {
			if want := numbered(24 - i); got != want {
				t.Errorf("%s: place %d has %q, want %q", tt.path, i, got, want)
			}
		}
	}
	c.get("/me/messages?$top=1001").refused(t, 400, "BadRequest")
	c.get("/me/messages?$top=x").refused(t, 400, "BadRequest")
	c.get("/me/messages?$fancy=x").refused(t, 400, "BadRequest")
	if r := c.with("Prefer", "odata.maxpagesize=3").get("/me/messages").ok(t, 200); len(r.list("value")) != 3 {
		t.Error("odata.maxpagesize is ignored")
	}
	if r := c.get("/me/messages?$count=true&$top=1").ok(t, 200); r.object["@odata.count"] != 25.0 {
		t.Errorf("%s", r.body)
	}
	if r := c.get("/me/messages/$count").ok(t, 200); string(r.body) != "25" {
		t.Errorf("%s", r.body)
	}
}

func TestListCoversAllFolders(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("gone"))
	if err := s.Move(anna, id, "deleteditems"); err != nil {
		t.Fatal(err)
	}
	as(t, s, anna).post("/me/messages", text("draft", "x", bert)).ok(t, 201)
	if got := as(t, s, anna).get("/me/messages").ok(t, 200).list("value"); len(got) != 2 {
		t.Errorf("%v", subjects(got))
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.SetTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	deliver(t, s, eml("Alpha", "Message-ID: <O'Neil+1@example.net>"))
	s.SetTime(time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC))
	beta := deliver(t, s, []byte("From: eve@example.org\r\nTo: x\r\nSubject: Beta\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n"))
	s.SetTime(time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC))
	deliver(t, s, eml("Gamma"))
	if err := s.SetRead(anna, beta, true); err != nil {
		t.Fatal(err)
	}
	user := as(t, s, anna)
	conversation := user.get("/me/messages/"+beta).ok(t, 200).str("conversationId")
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"receivedDateTime ge 2026-11-20T13:00:00Z", []string{"Gamma", "Beta"}},
		{"receivedDateTime gt 2026-11-20T13:00:00Z", []string{"Gamma"}},
		{"receivedDateTime lt 2026-11-20T13:00:00Z", []string{"Alpha"}},
		{"receivedDateTime le 2026-11-20T13:00:00Z and receivedDateTime ne 2026-11-20T12:00:00Z", []string{"Beta"}},
		{"receivedDateTime eq 2026-11-20T14:00:00+01:00", []string{"Beta"}},
		{"internetMessageId eq '<O''Neil+1@example.net>'", []string{"Alpha"}},
		{"internetMessageId eq '<o''neil+1@example.net>'", nil},
		{"isRead eq true", []string{"Beta"}},
		{"isRead ne true", []string{"Gamma", "Alpha"}},
		{"not isRead eq true", []string{"Gamma", "Alpha"}},
		{"isDraft eq true", nil},
		{"hasAttachments eq true", []string{"Beta"}},
		{"conversationId eq '" + conversation + "'", []string{"Beta"}},
		{"from/emailAddress/address eq 'EVE@example.org'", []string{"Beta"}},
		{"subject eq 'alpha' or subject eq 'gamma'", []string{"Gamma", "Alpha"}},
		{"(subject eq 'alpha' or subject eq 'gamma') and isRead eq false", []string{"Gamma", "Alpha"}},
		{"startswith(subject,'ga') or contains(subject, 'et')", []string{"Gamma", "Beta"}},
		{"importance eq 'high'", nil},
		{"singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1042')", nil},
		{"singleValueExtendedProperties/any(p:p/id eq 'String 0x1035' and startswith(p/value,'<O'))", []string{"Alpha"}},
	} {
		got := subjects(user.get("/me/messages"+query("$filter", c.filter)).ok(t, 200).list("value"))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.filter, diff)
		}
	}
	for _, filter := range []string{
		"subject", "subject eq", "subject eq x", "subject gt 'x'", "nonsense eq 'x'", "isRead eq 'true'", "isRead eq yes",
		"receivedDateTime ge 'x'", "receivedDateTime ge yesterday", "(isRead eq true", "isRead eq true)", "isRead eq true isRead",
		"isRead eq true and", "subject eq 'open", "toRecipients/any(r: r/emailAddress/address eq 'x')", "endswith(subject,'x')",
		"contains(conversationId,'x')", "singleValueExtendedProperties/Any(ep: ep/value eq 'x')",
		"singleValueExtendedProperties/Any(ep: ep/id ne 'x')", "singleValueExtendedProperties/Any(ep: ep/other eq 'x')",
	} {
		user.get("/me/messages"+query("$filter", filter)).refused(t, 400, "ErrorInvalidUrlQueryFilter")
	}
}

func TestOrderby(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 3)
	c := as(t, s, anna)
	got := subjects(c.get("/me/messages"+query("$orderby", "receivedDateTime")).ok(t, 200).list("value"))
	if diff := cmp.Diff([]string{numbered(0), numbered(1), numbered(2)}, got); diff != "" {
		t.Error(diff)
	}
	c.get("/me/messages"+query("$orderby", "toRecipients")).refused(t, 400, "BadRequest")
	c.get("/me/messages"+query("$orderby", "subject sideways")).refused(t, 400, "BadRequest")
}

// With both, every property of $orderby has to stand in $filter, in the same
// order and first.
func TestInefficientFilter(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	for _, tt := range []struct {
		filter, order string
		ok            bool
	}{
		{"receivedDateTime ge 1900-01-01T00:00:00Z and from/emailAddress/address eq 'x'", "receivedDateTime desc", true},
		{"from/emailAddress/address eq 'x'", "receivedDateTime desc", false},
		{"from/emailAddress/address eq 'x' and receivedDateTime ge 1900-01-01T00:00:00Z", "receivedDateTime desc", false},
		{"conversationId eq 'x'", "receivedDateTime desc", false},
		{"conversationId eq 'x'", "", true},
		{"receivedDateTime ge 1900-01-01T00:00:00Z and subject eq 'x'", "receivedDateTime,subject", true},
		{"receivedDateTime ge 1900-01-01T00:00:00Z and subject eq 'x'", "subject,receivedDateTime", false},
		{"receivedDateTime ge 1900-01-01T00:00:00Z and receivedDateTime lt 2100-01-01T00:00:00Z and isRead eq true", "receivedDateTime", true},
	} {
		options := []string{"$filter", tt.filter}
		if tt.order != "" {
			options = append(options, "$orderby", tt.order)
		}
		r := c.get("/me/messages" + query(options...))
		if tt.ok {
			r.ok(t, 200)
		} else {
			r.refused(t, 400, "InefficientFilter")
		}
	}
}

func TestSearchIsNotModelled(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	as(t, s, anna).get("/me/messages?$search=%22x%22").refused(t, 501, "notImplemented")
	as(t, s, anna, "Mail.ReadBasic").get("/me/messages?$search=%22x%22").refused(t, 403, "ErrorAccessDenied")
}

func TestManyMessages(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	const n = 5000
	for i := range n {
		deliver(t, s, eml(numbered(i), fmt.Sprintf("Message-ID: <m%d@example.net>", i)))
	}
	began := time.Now()
	c := as(t, s, anna)
	seen := 0
	for next := "/me/mailFolders/inbox/messages?$top=500&$select=subject,internetMessageHeaders"; next != ""; {
		r := c.get(next).ok(t, 200)
		seen += len(r.list("value"))
		next = r.str("@odata.nextLink")
	}
	r := c.get("/me/messages"+query("$filter", "internetMessageId eq '<m4711@example.net>'")).ok(t, 200)
	if seen != n || len(r.list("value")) != 1 {
		t.Errorf("%d messages, %d found", seen, len(r.list("value")))
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("reading 5,000 messages took %s", d)
	}
}
