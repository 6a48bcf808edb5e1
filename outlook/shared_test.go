package outlook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const (
	support = "support@contoso.example" // anna has rights on it
	private = "private@contoso.example" // nobody but its owner has
)

// sharing is a world in which anna may use support@.
func sharing(t *testing.T, o outlooktest.Options) *world {
	w := newWorld(t, o)
	w.AddUser(outlooktest.User{Address: support, Name: "Support", SharedWith: []string{anna}})
	w.AddUser(outlooktest.User{Address: private, Name: "Private"})
	return w
}

// sharedAccount is a mailbox that lives on anna's grant.
func (w *world) sharedAccount(address string, caps mailbox.Capabilities) mailbox.Account {
	parent := w.account(anna, caps|mailbox.CanShared)
	a := parent
	a.Mailbox, a.Access, a.Parent = mailbox.MailboxID("shared-"+address), mailbox.AccessShared, parent.Mailbox
	a.Address, a.Name = address, "Support"
	return a
}

func (w *world) openShared(address string, caps mailbox.Capabilities) *outlook.Mailbox {
	a := w.sharedAccount(address, caps)
	return w.openWith(a, w.session(anna, a.Scopes))
}

// Nothing that is done in the mailbox of somebody else touches the user's own.
func TestSharedMailboxStaysApart(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	mb := w.openShared(support, everything)
	ctx := t.Context()
	id := w.deliver(support, "A question")
	w.deliver(anna, "For Anna alone")
	from := len(w.Log())

	cursor, err := mb.Cursor(ctx)
	if err != nil {
		t.Fatal(err)
	}
	page, err := mb.List(ctx, mailbox.Query{Parts: mailbox.PartBody})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Subject != "A question" {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, err := mb.Raw(ctx, id, 0); err != nil {
		t.Error(err)
	}
	if err := mb.SetRead(ctx, true, id); err != nil {
		t.Error(err)
	}
	answer := note(bert, "Re: A question")
	answer.Reply = &mailbox.Reply{ID: id, RFCMessageID: page.Messages[0].RFCMessageID}
	large := note(bert, "With a file")
	large.Attachments = []mailbox.File{{Name: "f.bin", Data: make([]byte, 3_500_000)}}
	for _, out := range []*mailbox.Outgoing{note(bert, "An answer"), answer, large} {
		var c mailbox.Checkpoint
		sent, err := mb.Send(ctx, out, checkpoints(&c))
		if err != nil {
			t.Fatal(err)
		}
		full, err := mb.ReadSent(ctx, sent)
		if err != nil || full.From.Address != support {
			t.Errorf("%s: sent as %+v, %v", out.Subject, full, err)
		}
		if _, outcome, err := mb.ResolveSend(ctx, c); outcome != mailbox.OutcomeSent || err != nil {
			t.Errorf("%s: %v, %v", out.Subject, outcome, err)
		}
	}
	if _, err := mb.Fetch(ctx, []mailbox.MessageID{id}, mailbox.PartHeaders); err != nil {
		t.Error(err)
	}
	changes, _ := drain(t, mb, cursor)
	if len(changes) == 0 {
		t.Error("no changes")
	}
	for _, x := range w.Log()[from:] {
		u := strings.ToLower(x.URL)
		if strings.Contains(u+"/", "/me/") || !strings.Contains(u, "/users/") && !strings.Contains(u, "/$batch") && !strings.Contains(u, "/upload") {
			t.Errorf("%s %s", x.Method, x.URL)
		}
	}
	if n := len(w.In(anna, "sentitems")); n != 0 {
		t.Errorf("%d copies are in the member's own mailbox", n)
	}
	// A draft of JSON says so itself: what Graph would make of none is not told.
	named := 0
	for _, x := range w.Log()[from:] {
		if body := string(x.RequestBody); strings.Contains(body, `"toRecipients"`) && strings.Contains(body, `"from":{"emailAddress":{"address":"`+support) {
			named++
		}
	}
	if named != 2 {
		t.Errorf("%d of 2 drafts name the sender", named)
	}
	for _, s := range w.Submissions() {
		if s.From != support {
			t.Errorf("sent from %s", s.From)
		}
	}
}

// What can be done in the mailbox of somebody else are those of the wanted
// things that a ".Shared" scope allows.
func TestSharedScopes(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	a := w.sharedAccount(support, everything)
	a.Scopes = strings.Fields("User.Read Mail.ReadWrite Mail.Send Mail.ReadBasic.Shared")
	mb := w.openWith(a, w.session(anna, a.Scopes))
	before := len(w.Log())
	_, sendErr := mb.Send(t.Context(), note(bert, "x"), mailbox.SendOptions{})
	_, bodyErr := mb.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody})
	for name, err := range map[string]error{"send": sendErr, "bodies": bodyErr, "read state": mb.SetRead(t.Context(), true, "x")} {
		if e := asError(t, err); e.Class != mailbox.ClassConsent || e.Cause != mailbox.CauseConsent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.Log()) - before; n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := mb.List(t.Context(), mailbox.Query{}); err != nil {
		t.Error(err)
	}
	// Rights on the mailbox are another matter than scopes.
	_, err := w.openShared(private, everything).List(t.Context(), mailbox.Query{})
	if e := asError(t, err); e.Class != mailbox.ClassConsent || e.Cause != mailbox.CauseNoRights {
		t.Errorf("without rights: %v", err)
	}
	_, err = w.open(anna, everything).List(t.Context(), mailbox.Query{})
	if err != nil {
		t.Error(err)
	}
	w.Inject(outlooktest.Fault{Status: 403, Times: 2, Body: `{"error":{"code":"ErrorAccessDenied","message":"x"}}`})
	_, err = w.open(anna, everything).List(t.Context(), mailbox.Query{})
	if e := asError(t, err); e.Class != mailbox.ClassConsent || e.Cause != mailbox.CauseConsent {
		t.Errorf("the own mailbox: %v", err)
	}
}

// Positions and pages belong to one mailbox, and links out of it are refused.
func TestLinksOfOtherMailboxes(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	for i := range 3 {
		w.deliver(anna, fmt.Sprint("Private ", i))
		w.deliver(support, fmt.Sprint("Shared ", i))
	}
	own, shared := w.open(anna, everything), w.openShared(support, everything)
	other := w.openShared("other@contoso.example", everything)
	ownCursor, sharedCursor := startCursor(t, own), startCursor(t, shared)
	ownPage, err1 := own.List(t.Context(), mailbox.Query{Max: 1})
	sharedPage, err2 := shared.List(t.Context(), mailbox.Query{Max: 1})
	if err := errors.Join(err1, err2); err != nil || ownPage.Next == "" || sharedPage.Next == "" {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		mb     *outlook.Mailbox
		cursor mailbox.Cursor
		page   string
	}{
		"the user's own, in a shared one": {shared, ownCursor, ownPage.Next},
		"a shared one, in the user's own": {own, sharedCursor, sharedPage.Next},
		"a shared one, in another one":    {other, sharedCursor, sharedPage.Next},
		"the user's own, dressed up": {
			shared, mailbox.Cursor(strings.Replace(string(ownCursor), `{"v":1,`, `{"v":1,"mailbox":"`+support+`",`, 1)),
			support + " " + ownPage.Next,
		},
	} {
		before := len(w.Log())
		_, err := tt.mb.Changes(t.Context(), tt.cursor, 0)
		if class := asError(t, err).Class; class != mailbox.ClassCursorLost && class != mailbox.ClassUnavailable {
			t.Errorf("%s: changes: %v", name, err)
		}
		_, err = tt.mb.List(t.Context(), mailbox.Query{Page: tt.page})
		if class := asError(t, err).Class; class != mailbox.ClassInvalid && class != mailbox.ClassUnavailable {
			t.Errorf("%s: page: %v", name, err)
		}
		if n := len(w.Log()) - before; n != 0 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	if page, err := shared.List(t.Context(), mailbox.Query{Page: sharedPage.Next}); err != nil || page.Messages[0].Subject != "Shared 1" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := shared.Changes(t.Context(), sharedCursor, 0); err != nil {
		t.Error(err)
	}
}

// A link that Graph gives is followed only inside of the mailbox.
func TestSharedLinksFromGraph(t *testing.T) {
	t.Parallel()
	for suffix, ok := range map[string]bool{
		"/users('support%40contoso.example')/mailFolders('x')/messages?$skip=1":      true,
		"/users/11111111-2222-3333-4444-555555555555/mailFolders/x/messages?$skip=1": true,
		"/Users/support@contoso.example/mailFolders('x')/messages?$skip=1":           true,
		"/me/mailFolders('x')/messages?$skip=1":                                      false,
		"/Me/messages?$skip=1":                                                       false,
		"/users?$skip=1":                                                             true, // lists no messages, but leads to nobody's
		"/groups/users/messages":                                                     false,
		"/users/../me/messages":                                                      false,
		"/users/%2e%2e/me/messages":                                                  false,
		"/../v1.0/me/messages":                                                       false,
		"":                                                                           false,
	} {
		w := sharing(t, outlooktest.Options{})
		w.deliver(support, "One")
		a := w.sharedAccount(support, everything)
		s := w.session(anna, a.Scopes)
		s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
			return strings.Replace(body, `"value":`, `"@odata.nextLink":"`+w.URL()+"/v1.0"+suffix+`","value":`, 1)
		})
		_, err := w.openWith(a, s).List(t.Context(), mailbox.Query{Max: 1})
		if ok != (err == nil) || !ok && asError(t, err).Code != "foreign_mailbox" {
			t.Errorf("%s: %v", suffix, err)
		}
	}
}

func TestOpenMailboxesOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	for _, a := range []mailbox.Account{
		{Access: mailbox.AccessShared},
		{Access: mailbox.AccessShared, Address: ".."},
		{Access: mailbox.AccessShared, Address: "support"},
		{Access: mailbox.AccessApp, Address: "a@b\n"},
		{Access: "friend", Address: support},
	} {
		_, err := w.provider.Open(a, w.session(anna, nil))
		if e := asError(t, err); e.Class != mailbox.ClassInvalid {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// Who really sent is told when it is somebody else than the sender: on behalf,
// not as.
func TestSentOnBehalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	const team, boss = "team@contoso.example", "boss@contoso.example"
	w.AddUser(outlooktest.User{Address: team, Name: "Team", SendAs: []string{anna}, FullAccess: []string{anna}})
	w.AddUser(outlooktest.User{Address: boss, Name: "Boss", SendOnBehalf: []string{anna}, FullAccess: []string{anna}})
	w.AddUser(outlooktest.User{Address: private})
	a := w.account(anna, everything|mailbox.CanShared)
	own := w.openWith(a, w.session(anna, a.Scopes))
	herself := mailbox.Address{Name: "Anna Aalto", Address: anna}
	for name, tt := range map[string]struct {
		mb           *outlook.Mailbox
		from, wantBy string
		sender       mailbox.Address
	}{
		"herself":                      {own, "", anna, mailbox.Address{}},
		"as the team":                  {own, team, team, mailbox.Address{}},
		"on behalf of the boss":        {own, boss, boss, herself},
		"from the mailbox of the team": {w.openShared(team, everything), "", team, mailbox.Address{}},
		"from the mailbox of the boss": {w.openShared(boss, everything), "", boss, herself},
	} {
		out := note(bert, "Sent "+name)
		if tt.from != "" {
			out.From = mailbox.Address{Address: tt.from}
		}
		sent, err := tt.mb.Send(t.Context(), out, mailbox.SendOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		full, err := tt.mb.ReadSent(t.Context(), sent)
		if err != nil || full.Sender != tt.sender || full.From.Address != tt.wantBy {
			t.Errorf("%s: %+v, %v", name, full, err)
		}
	}
	out := note(bert, "x")
	out.From = mailbox.Address{Address: private}
	_, err := own.Send(t.Context(), out, mailbox.SendOptions{})
	wantOutcome(t, err, mailbox.ClassSender, mailbox.OutcomeNotSent)
	if n := len(w.In(anna, "drafts")); n != 0 {
		t.Errorf("%d drafts are left", n)
	}
}

func TestFindShared(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders|mailbox.CanShared)
	addresses := []string{support, private, noOne, anna, "SUPPORT@contoso.example", "o'brien+x/y#1@contoso.example"}
	for i := range 30 {
		addresses = append(addresses, fmt.Sprintf("nobody%d@contoso.example", i))
	}
	before := len(w.Log())
	got, err := mb.FindShared(t.Context(), mailbox.SharedQuery{Addresses: addresses})
	if err != nil {
		t.Fatal(err)
	}
	want := []mailbox.SharedMailbox{{Address: support, Readable: true}, {Address: private}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	outer := 0
	for _, x := range w.Log()[before:] {
		if !x.Inner {
			outer++
		} else if strings.Contains(x.URL, "/messages") {
			t.Errorf("%s looks into a mailbox", x.URL)
		}
	}
	if outer != 2 {
		t.Errorf("%d requests for 34 addresses", outer)
	}
	again, err := mb.FindShared(t.Context(), mailbox.SharedQuery{Addresses: addresses})
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("the second time: %v %s", err, diff)
	}
}

func TestFindSharedRefusals(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	mb := w.open(anna, mailbox.CanReadHeaders|mailbox.CanShared)
	before := len(w.Log())
	for name, tt := range map[string]struct {
		mb    *outlook.Mailbox
		q     mailbox.SharedQuery
		class mailbox.Class
		text  string
	}{
		"nothing":         {mb, mailbox.SharedQuery{}, mailbox.ClassInvalid, "query"},
		"too many":        {mb, mailbox.SharedQuery{Addresses: make([]string, 101)}, mailbox.ClassInvalid, "100"},
		"no address":      {mb, mailbox.SharedQuery{Addresses: []string{support, ".."}}, mailbox.ClassInvalid, "addresses[1]"},
		"a line break":    {mb, mailbox.SharedQuery{Search: "a\nb"}, mailbox.ClassInvalid, "search"},
		"no directory":    {mb, mailbox.SharedQuery{Search: "sup"}, mailbox.ClassConsent, "User.ReadBasic.All"},
		"not granted":     {w.open(anna, everything), mailbox.SharedQuery{Addresses: []string{support}}, mailbox.ClassConsent, "shared"},
		"in a shared one": {w.openShared(support, mailbox.CanReadHeaders), mailbox.SharedQuery{Addresses: []string{private}}, mailbox.ClassConsent, "shared"},
	} {
		got, err := tt.mb.FindShared(t.Context(), tt.q)
		if e := asError(t, err); e.Class != tt.class || got != nil || !strings.Contains(e.Error(), tt.text) || strings.Contains(e.Error(), "@") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if n := len(w.Log()) - before; n != 0 {
		t.Errorf("%d requests", n)
	}
	// Trouble is not the end of rights.
	w.Inject(outlooktest.Fault{Path: "*/inbox", Status: 503, Times: -1})
	if _, err := mb.FindShared(cancelSoon(t), mailbox.SharedQuery{Addresses: []string{support}}); err == nil {
		t.Error("a fault is taken for an answer")
	}
	// Without a scope that reads nothing can be tried.
	sender := w.open(anna, mailbox.CanSend|mailbox.CanShared)
	before = len(w.Log())
	got, err := sender.FindShared(t.Context(), mailbox.SharedQuery{Addresses: []string{support}})
	if diff := cmp.Diff([]mailbox.SharedMailbox{{Address: support}}, got); diff != "" || err != nil || len(w.Log()) != before {
		t.Errorf("send only: %v %s", err, diff)
	}
}
