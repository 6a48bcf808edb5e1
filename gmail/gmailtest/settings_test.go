package gmailtest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	list := w.ok("GET", "/labels", "")
	if ids := list.ids("labels"); len(ids) != 15 || ids[14] != "Label_1" {
		t.Errorf("labels = %v", ids)
	}
	created := w.ok("POST", "/labels", `{"name":"Tethered","messageListVisibility":"show","labelListVisibility":"labelShow"}`)
	if created.str("id") != "Label_2" || created.str("type") != "user" {
		t.Errorf("label = %s", created.body)
	}
	w.refused("POST", "/labels", `{"name":"tethered"}`, 409, "aborted", "Label name exists")
	w.refused("POST", "/labels", `{"type":"user"}`, 400, "invalidArgument", "Invalid label name")

	id := w.deliver("Subject: x", "Message-ID: <a@x.example>")
	w.deliver("Subject: Re: x", "References: <a@x.example>")
	w.ok("POST", "/messages/"+id+"/modify", `{"removeLabelIds":["UNREAD"]}`)
	inbox := w.ok("GET", "/labels/INBOX", "")
	got := []any{inbox.at("messagesTotal"), inbox.at("messagesUnread"), inbox.at("threadsTotal"), inbox.at("threadsUnread")}
	if diff := cmp.Diff([]any{2.0, 1.0, 1.0, 1.0}, got); diff != "" {
		t.Error(diff)
	}
	w.refused("GET", "/labels/NOPE", "", 404, "notFound", "")
}

func TestSendAs(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{
		Address: "dora@example.com", Name: "Dora", Aliases: []string{"sales@example.com"},
		SendAs: []string{"dora@other.example"}, PendingSendAs: []string{"new@other.example"},
	})
	w.as("dora@example.com")
	got := map[string]any{}
	for _, v := range w.ok("GET", "/settings/sendAs", "").list("sendAs") {
		got[v.(object)["sendAsEmail"].(string)] = v.(object)["verificationStatus"]
	}
	// The status is missing for the primary address and native aliases.
	want := map[string]any{"dora@example.com": nil, "sales@example.com": nil, "dora@other.example": "accepted", "new@other.example": "pending"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a := w.ok("GET", "/settings/sendAs/Dora@example.com", ""); a.at("isPrimary") != true || a.str("displayName") != "Dora" {
		t.Errorf("sendAs = %s", a.body)
	}
	w.refused("GET", "/settings/sendAs/x@example.com", "", 404, "notFound", "")
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{ProjectID: "p1"})
	const topic = `{"topicName":"projects/p1/topics/mail","labelIds":["INBOX"],"labelFilterBehavior":"include"}`
	w.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	w.as(ann)
	a := w.ok("POST", "/watch", topic)
	if a.str("historyId") != w.historyID() || len(a.str("expiration")) != 13 {
		t.Errorf("watch = %s", a.body)
	}
	if got := w.Watch(ann); got == nil || got.Topic != "projects/p1/topics/mail" || got.Expires.Sub(w.Now()).Round(time.Hour) != 7*24*time.Hour || got.LabelIDs[0] != "INBOX" {
		t.Errorf("watch = %+v", got)
	}
	w.ok("POST", "/watch", topic) // renewed
	const other = `{"topicName":"projects/p1/topics/other"}`
	w.refused("POST", "/watch", other, 400, "failedPrecondition", "Only one user push notification client allowed per developer (call /stop then try again)")
	for _, bad := range []string{`{}`, `{"topicName":"mail"}`, `{"topicName":"projects/p2/topics/mail"}`, `{"topicName":"projects/p1/topics/"}`} {
		w.refused("POST", "/watch", bad, 400, "invalidArgument", "Invalid topicName does not match projects/p1/topics/*")
	}
	w.refused("POST", "/watch", `{"topicName":"projects/p1/topics/mail","labelIds":["NOPE"]}`, 400, "invalidArgument", "Invalid label")
	w.refused("POST", "/watch", `{"topicName":"projects/p1/topics/mail","labelFilterBehavior":"both"}`, 400, "invalidArgument", "label_filter_behavior")
	if a := w.ok("POST", "/stop", ""); a.status != 204 || w.Watch(ann) != nil {
		t.Errorf("stop: %d", a.status)
	}
	w.ok("POST", "/watch", other)
	w.Advance(8 * 24 * time.Hour)
	w.as(ann).ok("POST", "/watch", topic) // the other one has run out
}
