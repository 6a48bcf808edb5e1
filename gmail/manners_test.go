package gmail_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

// useEverything makes every kind of request that the driver can make.
func useEverything(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	id := w.deliver("Hello")
	s, _ := w.session(ann)
	mb := w.openWith(ann, everything, s)
	must[mailbox.Identity](t)(w.provider.Identify(ctx, s))
	from := must[mailbox.Cursor](t)(mb.Cursor(ctx))
	var c mailbox.Checkpoint
	sent := must[mailbox.Sent](t)(mb.Send(ctx, outgoing(), noted(&c)))
	must[mailbox.Sent](t)(mb.Send(ctx, outgoing(), mailbox.SendOptions{}))
	large := outgoing()
	large.Attachments = []mailbox.File{{Name: "a", Data: make([]byte, 3_000_000)}}
	must[mailbox.Sent](t)(mb.Send(ctx, large, mailbox.SendOptions{}))
	must[mailbox.Sent](t)(mb.Send(ctx, large, noted(&c)))
	must[mailbox.Sent](t)(mb.ReadSent(ctx, sent))
	if _, _, err := mb.ResolveSend(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, _, err := mb.ResolveSend(ctx, mailbox.Checkpoint{DraftID: "r1"}); err != nil {
		t.Fatal(err)
	}
	for m, err := range mailbox.All(ctx, mb, mailbox.Query{Parts: mailbox.PartBody}) {
		if err != nil || m == nil {
			t.Fatal(err)
		}
	}
	must[mailbox.Page](t)(mb.List(ctx, mailbox.Query{Folder: mailbox.FolderSpam, Before: settled().AddDate(-1, 0, 0), Since: settled().AddDate(-2, 0, 0)}))
	drain(t, mb, from, 3)
	must[[]byte](t)(mb.Raw(ctx, id, 0))
	if err := mb.SetRead(ctx, true, id); err != nil {
		t.Fatal(err)
	}
}

func TestManners(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{InlineBytes: 10})
	useEverything(t, w)
	for _, x := range w.Log() {
		h := x.RequestHeader
		if x.Inner {
			continue
		}
		if !strings.Contains(h.Get("User-Agent"), "gzip") {
			t.Errorf("%s %s: User-Agent %q asks for no compression", x.Method, x.URL, h.Get("User-Agent"))
		}
		if h.Get("Accept-Encoding") != "" || !strings.HasPrefix(h.Get("Authorization"), "Bearer ") {
			t.Errorf("%s %s: header %v", x.Method, x.URL, h)
		}
	}
}

// TestEnvironmentIsIgnored: what Google's library reads from the environment
// neither logs mail nor sends it elsewhere.
func TestEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	t.Setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "evil.example")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	t.Setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
	log := must[*os.File](t)(os.Create(filepath.Join(t.TempDir(), "stderr")))
	stderr := os.Stderr
	os.Stderr = log
	defer func() { os.Stderr = stderr }()
	useEverything(t, setup(t, gmailtest.Options{}))
	os.Stderr = stderr
	written := must[[]byte](t)(os.ReadFile(log.Name()))
	if len(written) > 0 {
		t.Errorf("%d bytes were logged: %.300s", len(written), written)
	}
}

// TestOverTheWire is useEverything through a real connection.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	s := gmailtest.NewServer(t, gmailtest.Options{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	s.AddUser(gmailtest.User{Address: ann, Subject: "1001"})
	s.AddUser(gmailtest.User{Address: bob})
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	w := &world{Server: s, t: t, transport: tr}
	w.provider = must[*gmail.Provider](t)(gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(s.URL())}))
	useEverything(t, w)
	if n := len(w.Messages(bob)); n != 4 {
		t.Errorf("bob has %d messages, want 4", n)
	}
}
