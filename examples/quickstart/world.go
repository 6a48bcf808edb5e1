package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// world is everything outside of the host: Google, Microsoft, the user at the
// browser, and the people who get mail.
type world struct {
	google    *gmailtest.Server
	microsoft *outlooktest.Server
	closers   []func()
	// background holds the ids of the mail that is nobody's business.
	background map[mailbox.ProviderName]map[string]bool
}

// The users of the two services.
var users = map[mailbox.ProviderName]string{
	mailbox.Gmail:   "ada@acme-mail.example",
	mailbox.Outlook: "ada@acme-office.example",
}

func newWorld() (*world, error) {
	w := &world{
		google:     gmailtest.New(gmailtest.Options{}),
		microsoft:  outlooktest.New(outlooktest.Options{}),
		background: map[mailbox.ProviderName]map[string]bool{mailbox.Gmail: {}, mailbox.Outlook: {}},
	}
	w.google.AddUser(gmailtest.User{Address: users[mailbox.Gmail], Name: "Ada"})
	w.microsoft.AddUser(outlooktest.User{Address: users[mailbox.Outlook], Name: "Ada"})
	w.google.SetRelay(func(e gmailtest.Envelope) { w.answer(e.From, e.To, e.Raw) })
	w.microsoft.SetRelay(func(e outlooktest.Envelope) { w.answer(e.From, e.To, e.Raw) })
	for _, s := range []interface {
		Listen() error
		Close()
	}{w.google, w.microsoft} {
		if err := s.Listen(); err != nil {
			w.close()
			return nil, err
		}
		w.closers = append(w.closers, s.Close)
	}
	return w, nil
}

func (w *world) close() {
	for _, c := range slices.Backward(w.closers) {
		c()
	}
}

func (w *world) deliver(to string, raw []byte) (string, error) {
	if to == users[mailbox.Gmail] {
		return w.google.Deliver(to, raw)
	}
	return w.microsoft.Deliver(to, raw)
}

// recipient is somebody who gets mail, and how the answer should be noticed.
type recipient struct {
	key, name, address string
	want               mailbox.EventKind
}

func (w *world) recipients(p mailbox.ProviderName) []recipient {
	key := func(s string) string { return string(p) + "-" + s }
	return []recipient{
		{key("reply"), "Grace", "grace@partner.example", mailbox.EventReply},
		{key("other-sender"), "Linus", "linus@partner.example", mailbox.EventReply},
		{key("out-of-office"), "Barbara", "barbara@partner.example", mailbox.EventAutoReply},
		{key("bounce"), "Nobody", "nobody@" + mailbox.Domain(users[p]), mailbox.EventBounce},
	}
}

// answer plays the people at partner.example. The address that nobody has is
// answered by the services themselves.
func (w *world) answer(from string, to []string, raw []byte) {
	got, err := compose.Read(bytes.NewReader(raw), compose.ReadOptions{})
	if err != nil || len(to) == 0 {
		return
	}
	sender, subject, extra, text := to[0], "Re: "+got.Subject, "", "Yes, please.\r\n"
	switch name, _, _ := strings.Cut(to[0], "@"); name {
	case "linus":
		sender = "linus@home.example"
		text = "Answering from my private account.\r\n"
	case "barbara":
		subject, text = "Automatic reply: "+got.Subject, "I am out of the office until Monday.\r\n"
		extra = "Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\n"
	}
	id := got.RFCMessageID.Brackets()
	answer := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <answer.%d@partner.example>\r\nIn-Reply-To: %s\r\nReferences: %s\r\n%s\r\n%s",
		sender, from, subject, time.Now().Format(time.RFC1123Z), time.Now().UnixNano(), id, id, extra, text)
	if _, err := w.deliver(from, []byte(answer)); err != nil {
		panic(err) // the user is one of ours
	}
}

// deliverReal delivers real mail into both mailboxes.
func (w *world) deliverReal(ctx context.Context, out io.Writer, path string) (int, error) {
	n := 0
	for m := range mailfiles.All(os.Stdin, []string{path}) {
		if err := cmp.Or(m.Err, ctx.Err()); err != nil {
			return n, fmt.Errorf("%s: %w", m.File, err)
		}
		for _, p := range providers {
			id, err := w.deliver(users[p], m.Raw)
			if err != nil {
				return n, err
			}
			w.background[p][id] = true
		}
		if n++; n%1000 == 0 {
			fmt.Fprintf(out, "%d real messages delivered into both mailboxes\n", n)
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("no mail found at %s", path)
	}
	return n, nil
}

// signIn plays the user at the browser: follow the host's link, tick
// everything, allow, and come back.
func (w *world) signIn(ctx context.Context, link string, p mailbox.ProviderName) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	page, err := browser.Do(req) // follows the redirect to the provider's page
	if err != nil {
		return err
	}
	page.Body.Close()
	if page.StatusCode != http.StatusOK {
		return fmt.Errorf("the sign-in page answered %s", page.Status)
	}
	form := url.Values{"user": {users[p]}, "decision": {"allow"}}
	for scope := range strings.FieldsSeq(page.Request.URL.Query().Get("scope")) {
		form.Add("scope", scope)
	}
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, page.Request.URL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	back, err := browser.Do(req) // follows the redirect to the host's callback
	if err != nil {
		return err
	}
	defer back.Body.Close()
	result, err := io.ReadAll(io.LimitReader(back.Body, 1<<10))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(result), "connected=") {
		return fmt.Errorf("the host answered %s: %s", back.Status, strings.TrimSpace(string(result)))
	}
	return nil
}

// asked counts the requests for the content of messages, as the service saw
// them.
type asked struct{ total, foreign int }

func (w *world) bodiesAskedFor(p mailbox.ProviderName) asked {
	log := w.google.Log()
	if p == mailbox.Outlook {
		log = w.microsoft.Log()
	}
	var n asked
	for _, x := range log {
		u, err := url.Parse(x.URL)
		if err != nil || x.Method != http.MethodGet || !wantsContent(u) {
			continue
		}
		n.total++
		for segment := range strings.SplitSeq(u.Path, "/") {
			if w.background[p][segment] {
				n.foreign++
			}
		}
		if strings.HasSuffix(u.Path, "/messages") || strings.Contains(u.Path, "/delta") { // a list of contents
			n.foreign++
		}
	}
	return n
}

// wantsContent reports whether a request of either service asks for the content
// of messages.
func wantsContent(u *url.URL) bool {
	q := u.Query()
	switch {
	case q.Has("$deltatoken") || q.Has("$skiptoken"): // goes on with what the first request asked for
		return false
	case strings.Contains(u.Path, "/gmail/"):
		format := q.Get("format")
		return strings.Contains(u.Path, "/attachments/") ||
			strings.Contains(u.Path, "/messages/") && (format == "" || format == "full" || format == "raw")
	case path.Base(u.Path) == "$value" || strings.Contains(u.Path, "/attachments"):
		return true
	default:
		fields := strings.FieldsFunc(q.Get("$select"), func(r rune) bool { return r == ',' || r == ' ' })
		return strings.Contains(u.Path, "/messages") && (len(fields) == 0 || slices.Contains(fields, "body") || slices.Contains(fields, "bodyPreview"))
	}
}
