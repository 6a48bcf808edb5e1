package gmailtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func draftBody(raw, thread string) string { return `{"message":` + sendBody(raw, thread) + `}` }

func TestDraftGetsANewMessageWithEverySave(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	created := w.ok("POST", "/drafts", draftBody(message("To: "+bob, "Subject: 1"), ""))
	id, first := created.str("id"), created.str("message.id")
	saved := w.ok("PUT", "/drafts/"+id, draftBody(message("To: "+bob, "Subject: 2"), ""))
	if saved.str("id") != id || saved.str("message.id") == first || saved.str("message.threadId") != created.str("message.threadId") {
		t.Errorf("created %s, saved %s", created.body, saved.body)
	}
	w.refused("GET", "/messages/"+first, "", 404, "notFound", "")
	got := w.ok("GET", "/drafts/"+id+"?format=metadata", "")
	if got.str("message.id") != saved.str("message.id") || got.at("message.labelIds.0") != "DRAFT" {
		t.Errorf("draft = %s", got.body)
	}
	if list := w.ok("GET", "/drafts", ""); len(list.list("drafts")) != 1 || list.str("drafts.0.id") != id {
		t.Errorf("drafts = %s", list.body)
	}
}

func TestSendingADraftDeletesIt(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	start := w.ok("GET", "/profile", "").str("historyId")
	draft := w.ok("POST", "/drafts", draftBody(message("To: "+bob, "Subject: x", "X-Mailtether-Ref: r"), ""))
	id := draft.str("id")
	sent := w.ok("POST", "/drafts/send", `{"id":"`+id+`"}`)
	if sent.labels() != "SENT" || sent.str("id") == draft.str("message.id") || sent.str("threadId") != draft.str("message.threadId") {
		t.Errorf("draft %s, sent %s", draft.body, sent.body)
	}
	w.refused("GET", "/drafts/"+id, "", 404, "notFound", "")
	w.refused("POST", "/drafts/send", `{"id":"`+id+`"}`, 404, "notFound", "")
	if got := w.header(sent.str("id"), "X-Mailtether-Ref"); got != "r" || len(w.inbox(bob)) != 1 {
		t.Errorf("ref = %q", got)
	}
	var kinds []string
	for _, r := range w.ok("GET", "/history?startHistoryId="+start, "").list("history") {
		for _, kind := range []string{"messagesAdded", "messagesDeleted"} {
			if r.(object)[kind] != nil {
				kinds = append(kinds, kind)
			}
		}
	}
	if got := strings.Join(kinds, " "); got != "messagesAdded messagesAdded messagesDeleted" {
		t.Errorf("history = %s", got)
	}
}

func TestDraftsSendReplacesContent(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{DraftMessageID: gmailtest.MessageIDKeep})
	id := w.ok("POST", "/drafts", draftBody(message("Subject: old"), "")).str("id")
	sent := w.ok("POST", "/drafts/send", `{"id":"`+id+`","message":`+sendBody(message("To: "+bob, "Subject: new", "Message-ID: <mine@example.com>"), "")+`}`)
	if got := w.header(sent.str("id"), "Subject"); got != "new" {
		t.Errorf("Subject = %q", got)
	}
	if got := w.header(sent.str("id"), "Message-ID"); got != "<mine@example.com>" {
		t.Errorf("Message-ID = %q", got)
	}
}

func TestRefusedDraftStays(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.ok("POST", "/drafts", draftBody(message("Subject: to nobody"), "")).str("id")
	w.refused("POST", "/drafts/send", `{"id":"`+id+`"}`, 400, "invalidArgument", "Recipient address required")
	w.ok("GET", "/drafts/"+id, "")
}

func TestDraftLingers(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{DraftLingers: 5 * time.Second})
	id := w.ok("POST", "/drafts", draftBody(message("To: "+bob), "")).str("id")
	w.ok("POST", "/drafts/send", `{"id":"`+id+`"}`)
	w.ok("GET", "/drafts/"+id, "")
	w.refused("POST", "/drafts/send", `{"id":"`+id+`"}`, 404, "notFound", "")
	w.Advance(5 * time.Second)
	w.refused("GET", "/drafts/"+id, "", 404, "notFound", "")
	if got := w.ok("GET", "/drafts", "").list("drafts"); len(got) != 0 {
		t.Errorf("drafts = %v", got)
	}
}

func TestDraftInAThread(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	original := w.find(ann, w.deliver("From: "+carl, "Subject: Plan", "Message-ID: <one@x.example>"))
	reply := message("To: "+carl, "Subject: Re: Plan", "In-Reply-To: <one@x.example>")
	draft := w.ok("POST", "/drafts", draftBody(reply, original.ThreadID))
	if draft.str("message.threadId") != original.ThreadID {
		t.Errorf("draft = %s", draft.body)
	}
	sent := w.ok("POST", "/drafts/send", `{"id":"`+draft.str("id")+`"}`)
	if sent.str("threadId") != original.ThreadID {
		t.Errorf("sent = %s", sent.body)
	}
	w.refused("POST", "/drafts", draftBody(reply, "18f0000000000000"), 404, "notFound", "")
}

func TestDeleteDraft(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	draft := w.ok("POST", "/drafts", draftBody(message("To: "+bob), ""))
	if a := w.ok("DELETE", "/drafts/"+draft.str("id"), ""); a.status != 204 || len(a.body) != 0 {
		t.Errorf("%d %q", a.status, a.body)
	}
	w.refused("DELETE", "/drafts/"+draft.str("id"), "", 404, "notFound", "")
	w.refused("PUT", "/drafts/"+draft.str("id"), draftBody("x", ""), 404, "notFound", "")
	if got := len(w.Messages(ann)); got != 0 {
		t.Errorf("%d messages are left", got)
	}
}

func TestModify(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Subject: x")
	a := w.ok("POST", "/messages/"+id+"/modify", `{"addLabelIds":["STARRED","Label_1"],"removeLabelIds":["UNREAD","INBOX"]}`)
	if got := a.labels(); got != "STARRED Label_1" {
		t.Errorf("labels = %q", got)
	}
	if got := w.ok("POST", "/messages/"+id+"/trash", "").labels(); got != "STARRED Label_1 TRASH" {
		t.Errorf("labels in the trash = %q", got)
	}
	if got := w.ok("POST", "/messages/"+id+"/untrash", "").labels(); got != "STARRED Label_1" {
		t.Errorf("labels after the trash = %q", got)
	}
	for _, body := range []string{`{"addLabelIds":["SENT"]}`, `{"removeLabelIds":["DRAFT"]}`, `{"addLabelIds":["Label_9"]}`} {
		w.refused("POST", "/messages/"+id+"/modify", body, 400, "invalidArgument", "Invalid label: ")
	}
	w.refused("POST", "/messages/"+id+"/modify", `{"addLabelIds":["`+strings.Repeat(`STARRED","`, 100)+`STARRED"]}`, 400, "invalidArgument", "limit 100")
	w.refused("POST", "/messages/18f0000000000000/modify", `{}`, 404, "notFound", "")
	w.refused("POST", "/messages/nonsense/modify", `{}`, 400, "invalidArgument", "Invalid id value")
}

func TestBatchModify(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	one, two := w.deliver("Subject: 1"), w.deliver("Subject: 2")
	a := w.ok("POST", "/messages/batchModify", `{"ids":["`+one+`","18f0000000000000","`+two+`"],"removeLabelIds":["UNREAD"]}`)
	if a.status != 204 || w.find(ann, one).Has("UNREAD") || w.find(ann, two).Has("UNREAD") {
		t.Errorf("%d", a.status)
	}
	w.refused("POST", "/messages/batchModify", `{"ids":["`+strings.Repeat(`1","`, 1000)+`1"],"removeLabelIds":["UNREAD"]}`, 400, "invalidArgument", "limit 1000")
}

func TestDeleteForGood(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Subject: x")
	start := w.ok("GET", "/profile", "").str("historyId")
	w.ok("DELETE", "/messages/"+id, "")
	w.refused("GET", "/messages/"+id, "", 404, "notFound", "")
	if got := w.ok("GET", "/history?startHistoryId="+start, ""); got.str("history.0.messagesDeleted.0.message.id") != id {
		t.Errorf("history = %s", got.body)
	}
}
