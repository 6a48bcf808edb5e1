package outlooktest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const inboxDelta = "/me/mailFolders/inbox/messages/delta"

// round follows the links of a delta round to its end.
func round(t *testing.T, c *client, link string) (changes []object, delta string) {
	t.Helper()
	for range 1000 {
		r := c.get(link).ok(t, 200)
		changes = append(changes, r.list("value")...)
		if delta = r.str("@odata.deltaLink"); delta != "" {
			return changes, delta
		}
		if link = r.str("@odata.nextLink"); link == "" {
			t.Fatalf("no link: %s", r.body)
		}
	}
	t.Fatal("a delta round without end")
	return nil, ""
}

// told spells changes as "subject" or "id removed reason".
func told(changes []object) []string {
	var out []string
	for _, ch := range changes {
		if gone := ch.obj("@removed"); gone != nil {
			out = append(out, "removed "+gone.str("reason"))
			continue
		}
		out = append(out, ch.str("subject"))
	}
	return out
}

func TestDelta(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 5)
	c := as(t, s, anna).immutable()
	all, link := round(t, c, inboxDelta+"?$select=subject,isRead")
	if diff := cmp.Diff([]string{numbered(4), numbered(3), numbered(2), numbered(1), numbered(0)}, told(all)); diff != "" {
		t.Error(diff)
	}
	if got, next := round(t, c, link); len(got) != 0 || next == "" {
		t.Errorf("a round without changes gave %v", got)
	}

	added := deliver(t, s, eml("new"))
	one, two, three := all[0].str("id"), all[1].str("id"), all[2].str("id")
	for _, err := range []error{s.SetRead(anna, one, true), s.Move(anna, two, "archive"), s.Delete(anna, three)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, next := round(t, c, link)
	if diff := cmp.Diff([]string{"new", numbered(4), "removed changed", "removed deleted"}, told(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{added, one, two, three}, ids(got)); diff != "" {
		t.Error(diff)
	}
	if got[1]["isRead"] != true || got[0]["isRead"] != false {
		t.Errorf("%v", got)
	}
	// The same link gives the same changes again.
	again, _ := round(t, c, link)
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
	if got, _ := round(t, c, next); len(got) != 0 {
		t.Errorf("%v", got)
	}
	// And the other folder sees the moved message.
	if got, _ := round(t, c, "/me/mailFolders/archive/messages/delta()?$select=subject"); len(got) != 1 || got[0].str("id") != two {
		t.Errorf("%v", got)
	}
}

func TestDeltaPages(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 25)
	for _, tt := range []struct {
		query, prefer string
		pages         []int
	}{
		{"", "", []int{10, 10, 5}},
		{"?$top=20", "", []int{20, 5}},
		{"", "odata.maxpagesize=12", []int{12, 12, 1}},
		{"?$top=5", "odata.maxpagesize=25", []int{25}},
	} {
		c := as(t, s, anna)
		if tt.prefer != "" {
			c = c.with("Prefer", tt.prefer)
		}
		var pages []int
		for link := inboxDelta + tt.query; link != ""; {
			r := c.get(link).ok(t, 200)
			pages = append(pages, len(r.list("value")))
			link = r.str("@odata.nextLink")
			if (link == "") != (r.str("@odata.deltaLink") != "") {
				t.Errorf("an answer has exactly one link: %s", r.body)
			}
		}
		if diff := cmp.Diff(tt.pages, pages); diff != "" {
			t.Errorf("%s %s: %s", tt.query, tt.prefer, diff)
		}
	}
}

func TestDeltaOptionsAreFrozen(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.SetTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	old := deliver(t, s, eml("old"))
	s.SetTime(time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC))
	c := as(t, s, anna).immutable()
	got, link := round(t, c, inboxDelta+query("$filter", "receivedDateTime ge 2026-11-20T13:00:00Z", "$select", "subject"))
	if len(got) != 0 {
		t.Errorf("%v", told(got))
	}
	deliver(t, s, eml("new"))
	if err := s.SetRead(anna, old, true); err != nil {
		t.Fatal(err)
	}
	got, link = round(t, c, link)
	if diff := cmp.Diff([]string{"new"}, told(got)); diff != "" {
		t.Error(diff)
	}
	if _, ok := got[0]["receivedDateTime"]; ok {
		t.Error("$select was forgotten")
	}
	if err := s.Delete(anna, old); err != nil {
		t.Fatal(err)
	}
	if got, _ = round(t, c, link); len(got) != 0 {
		t.Errorf("the filter was forgotten: %v", told(got))
	}
}

// The flavour of ids is that of each request, not of the link.
func TestDeltaLinksAreNeutral(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("x"))
	got, link := round(t, as(t, s, anna).immutable(), inboxDelta)
	if got[0].str("id") != id {
		t.Error("no immutable id")
	}
	mutable := s.Messages(anna)[0].MutableID
	if err := s.Move(anna, id, "archive"); err != nil {
		t.Fatal(err)
	}
	plain, _ := round(t, as(t, s, anna), link)
	if plain[0].str("id") != mutable {
		t.Errorf("got %s, want the id it had in the folder", plain[0].str("id"))
	}
	fixed, _ := round(t, as(t, s, anna).immutable(), link)
	if fixed[0].str("id") != id {
		t.Error("no immutable id for a removed message")
	}
}

func TestDeltaRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	c.get("/me/messages/delta").refused(t, 400, "BadRequest")
	for _, q := range []string{
		"$search=x", "$expand=attachments", "$skip=5", "$orderby=subject", "$filter=isRead%20eq%20true", "$top=1001", "changeType=moved",
		"$filter=receivedDateTime%20lt%202026-01-01T00:00:00Z",
	} {
		if r := c.get(inboxDelta + "?" + q); r.status != 400 {
			t.Errorf("%s: %d", q, r.status)
		}
	}
	c.get(inboxDelta+"?$orderby=receivedDateTime%20desc").ok(t, 200)
	c.get(inboxDelta+"?$deltatoken=nonsense").refused(t, 400, "SyncStateInvalid")
	_, link := round(t, c, inboxDelta)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	c.get("/me/mailFolders/archive/messages/delta?"+u.RawQuery).refused(t, 400, "SyncStateInvalid")
	// "From now on" is not offered: the token is ignored.
	deliver(t, s, eml("x"))
	if got, _ := round(t, c, inboxDelta+"?$deltatoken=latest"); len(got) != 1 {
		t.Errorf("%v", told(got))
	}
}

func TestDeltaChangeType(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 3)
	c := as(t, s, anna).immutable()
	links := map[string]string{}
	for _, kind := range []string{"created", "updated", "deleted"} {
		_, links[kind] = round(t, c, inboxDelta+"?$select=subject&changeType="+kind)
	}
	list := s.Messages(anna)
	deliver(t, s, eml("new"))
	for _, err := range []error{s.SetRead(anna, list[0].ID, true), s.Delete(anna, list[1].ID)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for kind, want := range map[string][]string{"created": {"new"}, "updated": {numbered(0)}, "deleted": {"removed deleted"}} {
		got, _ := round(t, c, links[kind])
		if diff := cmp.Diff(want, told(got)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestDeltaTokenIsLost(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	_, link := round(t, c, inboxDelta)
	c.get(link).ok(t, 200)
	s.ExpireDelta()
	c.get(link).refused(t, 410, "syncStateNotFound")
	round(t, c, inboxDelta)
}

// Only the last states of a chain are known: a nextLink that is parked dies
// when newer rounds run.
func TestDeltaStatesAreBounded(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{DeltaStates: 3})
	fill(t, s, 3)
	c := as(t, s, anna)
	parked := c.get(inboxDelta+"?$top=1").ok(t, 200).str("@odata.nextLink")
	_, link := round(t, c, parked)
	c.get(parked).ok(t, 200)
	_, link = round(t, c, link)
	round(t, c, link)
	c.get(parked).refused(t, 410, "syncStateNotFound")
	for range 10 { // repeating a link does not age it
		c.get(link).ok(t, 200)
	}

	s = start(t, outlooktest.Options{DeltaChains: 2})
	c = as(t, s, anna)
	_, first := round(t, c, inboxDelta)
	_, second := round(t, c, inboxDelta)
	c.get(first).ok(t, 200)
	round(t, c, inboxDelta)
	c.get(first).refused(t, 410, "syncStateNotFound")
	c.get(second).ok(t, 200)
}

func TestDeltaReplays(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{DeltaReplays: 1})
	fill(t, s, 2)
	c := as(t, s, anna).immutable()
	_, link := round(t, c, inboxDelta+"?$select=subject")
	deliver(t, s, eml("new"))
	got, _ := round(t, c, link)
	if diff := cmp.Diff([]string{numbered(0), "new"}, told(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDeltaPartialAndEmptyPages(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{DeltaPartial: true, DeltaEmptyPages: true})
	id := deliver(t, s, eml("x"))
	c := as(t, s, anna).immutable()
	first := c.get(inboxDelta).ok(t, 200)
	if len(first.list("value")) != 0 || first.str("@odata.nextLink") == "" {
		t.Errorf("%s", first.body)
	}
	got, link := round(t, c, first.str("@odata.nextLink"))
	if diff := cmp.Diff([]string{"x"}, told(got)); diff != "" {
		t.Error(diff)
	}
	if err := s.SetRead(anna, id, true); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, eml("new"))
	got, _ = round(t, c, link)
	if _, whole := got[0]["subject"]; whole || got[0]["isRead"] != true || got[1].str("subject") != "new" {
		t.Errorf("%v", got)
	}
}

func TestDeltaLosesMoves(t *testing.T) {
	t.Parallel()
	for _, loses := range []bool{false, true} {
		s := start(t, outlooktest.Options{DeltaLosesMoves: loses})
		id := deliver(t, s, eml("x"))
		c := as(t, s, anna).immutable()
		_, link := round(t, c, inboxDelta+"?$select=subject")
		for _, folder := range []string{"archive", "inbox"} {
			if err := s.Move(anna, id, folder); err != nil {
				t.Fatal(err)
			}
		}
		got, next := round(t, c, link)
		want := []string{"x"}
		if loses {
			want = []string{"removed changed"}
		}
		if diff := cmp.Diff(want, told(got)); diff != "" {
			t.Errorf("loses=%t: %s", loses, diff)
		}
		if got, _ := round(t, c, next); len(got) != 0 {
			t.Errorf("%v", told(got))
		}
		c.get("/me/messages/"+id).ok(t, 200)
	}
}

func TestDeltaOmitsMoves(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{DeltaOmitsMoves: true})
	c := as(t, s, anna).immutable()
	_, archive := round(t, c, "/me/mailFolders/archive/messages/delta?$select=subject")
	_, sent := round(t, c, "/me/mailFolders/sentitems/messages/delta?$select=subject")
	if err := s.Move(anna, deliver(t, s, eml("x")), "archive"); err != nil {
		t.Fatal(err)
	}
	c.post("/me/sendMail", object{"message": text("out", "x", bert)}).ok(t, 202)
	if got, _ := round(t, c, archive); len(got) != 0 {
		t.Errorf("%v", told(got))
	}
	got, _ := round(t, c, sent)
	if diff := cmp.Diff([]string{"out"}, told(got)); diff != "" {
		t.Error(diff)
	}
	// A first round has all.
	got, _ = round(t, c, "/me/mailFolders/archive/messages/delta?$select=subject")
	if diff := cmp.Diff([]string{"x"}, told(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDeltaLag(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{DeltaLag: time.Minute})
	id := deliver(t, s, eml("x"))
	c := as(t, s, anna).immutable()
	got, link := round(t, c, inboxDelta+"?$select=subject")
	if len(got) != 0 {
		t.Errorf("told at once: %v", told(got))
	}
	s.Advance(61 * time.Second)
	deliver(t, s, eml("y"))
	got, link = round(t, c, link)
	if diff := cmp.Diff([]string{"x"}, told(got)); diff != "" {
		t.Error(diff)
	}
	if err := s.Delete(anna, id); err != nil {
		t.Fatal(err)
	}
	got, link = round(t, c, link)
	if len(got) != 0 {
		t.Errorf("told at once: %v", told(got))
	}
	s.Advance(61 * time.Second)
	got, _ = round(t, c, link)
	if diff := cmp.Diff([]string{"y", "removed deleted"}, told(got)); diff != "" {
		t.Error(diff)
	}
}

// A message that leaves the folder while its page is still to come is told as
// removed, and as gone in the round after.
func TestDeltaWhileMessagesMove(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	fill(t, s, 3)
	c := as(t, s, anna).immutable()
	first := c.get(inboxDelta+"?$top=1&$select=subject").ok(t, 200)
	oldest := s.Messages(anna)[0].ID
	if err := s.Move(anna, oldest, "archive"); err != nil {
		t.Fatal(err)
	}
	got, link := round(t, c, first.str("@odata.nextLink"))
	if diff := cmp.Diff([]string{numbered(1), "removed changed"}, told(got)); diff != "" {
		t.Error(diff)
	}
	got, _ = round(t, c, link)
	if !slices.Equal(told(got), []string{"removed changed"}) || got[0].str("id") != oldest {
		t.Errorf("%v", got)
	}
}

func TestDeltaHeaders(t *testing.T) {
	t.Parallel()
	for policy, want := range map[outlooktest.Policy]string{"": "have", outlooktest.Omit: "none", outlooktest.Refuse: "refused"} {
		s := start(t, outlooktest.Options{DeltaHeaders: policy})
		deliver(t, s, eml("x"))
		r := as(t, s, anna).get(inboxDelta + "?$select=internetMessageHeaders")
		got := "refused"
		if r.status == 200 {
			got = "none"
			if strings.Contains(string(r.body), `"name":"Subject"`) {
				got = "have"
			}
		}
		if got != want {
			t.Errorf("%q: %s", policy, got)
		}
	}
}

func TestDeltaSentItems(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	_, sent := round(t, c, "/me/mailFolders/sentitems/messages/delta?$select=subject")
	_, drafts := round(t, c, "/me/mailFolders/drafts/messages/delta?$select=subject")
	id := c.post("/me/messages", text("out", "x", bert)).ok(t, 201).str("id")
	got, drafts := round(t, c, drafts)
	if diff := cmp.Diff([]string{id}, ids(got)); diff != "" {
		t.Error(diff)
	}
	c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
	got, _ = round(t, c, sent)
	if diff := cmp.Diff([]string{"out"}, told(got)); diff != "" {
		t.Error(diff)
	}
	got, _ = round(t, c, drafts)
	if diff := cmp.Diff([]string{"removed changed"}, told(got)); diff != "" {
		t.Error(diff)
	}
}
