package gmailtest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestSendAndRead(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	sent := w.send("To: "+bob, "Subject: Hi")
	if got := sent.labels(); got != "SENT" {
		t.Errorf("labelIds = %q", got)
	}
	w.as(bob)
	id := w.ok("GET", "/messages?labelIds=INBOX&labelIds=UNREAD", "").str("messages.0.id")
	if id == "" || id == sent.str("id") {
		t.Fatalf("id = %q, the sender's is %q", id, sent.str("id"))
	}
	full := w.ok("GET", "/messages/"+id, "")
	if got := decode(t, full.str("payload.body.data")); got != "Hello.\r\n" {
		t.Errorf("body = %q", got)
	}
	if full.str("threadId") == sent.str("threadId") {
		t.Error("both mailboxes use the same thread id")
	}
}

func TestListeningServer(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	req := w.request("GET", "/gmail/v1/users/me/profile", "", "")
	req.Header.Set("Authorization", "Bearer "+w.token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || !strings.HasPrefix(w.URL(), "http://127.0.0.1:") {
		t.Errorf("%s from %s", resp.Status, w.URL())
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.deliver("From: "+carl, "Subject: 1")
	w.deliver("From: "+carl, "Subject: 2")
	p := w.ok("GET", "/profile", "")
	if p.str("emailAddress") != ann || p.at("messagesTotal") != 2.0 || p.at("threadsTotal") != 2.0 || p.str("historyId") == "" {
		t.Errorf("profile = %s", p.body)
	}
}

func TestUnmodelledIsLoud(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	if a := w.call("POST", "/messages/import", "{}"); a.status != http.StatusNotImplemented {
		t.Errorf("status = %d", a.status)
	}
	if a := w.do(w.request("GET", "/nothing", "", "")); a.status != http.StatusNotFound || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", a.status, a.header)
	}
}

func TestSeedMakesIDsRepeatable(t *testing.T) {
	t.Parallel()
	first, second := setup(t, gmailtest.Options{Seed: 7}), setup(t, gmailtest.Options{Seed: 7})
	if a, b := first.deliver("Subject: x"), second.deliver("Subject: x"); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestAddUserPanicsOnMistakes(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for name, u := range map[string]gmailtest.User{"no address": {}, "taken": {Address: "ANN@example.com"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			w.AddUser(u)
		}()
	}
}
