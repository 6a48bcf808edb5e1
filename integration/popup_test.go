package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
	"github.com/mailtether/mailtether/tokenstore"
)

const (
	googleUser    = "ann@acme.example"
	microsoftUser = "bob@contoso.example"
)

// settings is a host's page with a button for each provider.
const settings = `<!doctype html>
<title>settings</title>
<script src="/connect.js"></script>
<button id="gmail" onclick="go('gmail')">Gmail</button>
<button id="outlook" onclick="go('outlook')">Outlook</button>
<p id="result"></p>
<p id="query"></p>
<script>
function go(provider) {
  const base = new URLSearchParams(window.location.search).get("base") || "";
  mailtetherConnect(base + "/start/" + provider, {grace: 60000}).then(
    (r) => { document.getElementById("result").textContent = JSON.stringify(r); },
    (e) => { document.getElementById("result").textContent = e.name; });
}
document.getElementById("query").textContent = window.location.search;
</script>`

// browserHost is a host application that listens, with both fakes.
func browserHost(t *testing.T) string {
	t.Helper()
	google := gmailtest.NewServer(t, gmailtest.Options{})
	google.AddUser(gmailtest.User{Address: googleUser})
	// Its sign-in pages have the Cross-Origin-Opener-Policy that Microsoft's have.
	microsoft := outlooktest.NewServer(t, outlooktest.Options{})
	microsoft.AddUser(outlooktest.User{Address: microsoftUser})
	for _, listen := range []func() error{google.Listen, microsoft.Listen} {
		if err := listen(); err != nil {
			t.Fatal(err)
		}
	}
	gmailProvider, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(google.URL())})
	if err != nil {
		t.Fatal(err)
	}
	outlookProvider, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(microsoft.URL())})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k", Secret: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	connector, err := connect.New(connect.Config{
		Apps: []connect.App{
			{Provider: gmailProvider, ClientID: "client-id", ClientSecret: "client-secret", RedirectURL: origin + "/callback/gmail"},
			{Provider: outlookProvider, ClientID: "client-id", ClientSecret: "client-secret", RedirectURL: origin + "/callback/outlook"},
		},
		Origins:  []string{elsewhere(origin)},
		Accounts: connect.NewMemory(), Vault: tokenstore.NewVault(tokenstore.NewMemory(), keys), StateKey: make([]byte, 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, settings) })
	mux.Handle("/connect.js", connect.ScriptHandler())
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		mux.Handle("/callback/"+string(p), connector.CallbackHandler(p))
		mux.Handle("/start/"+string(p), connector.StartHandler(func(*http.Request) (connect.StartRequest, error) {
			return connect.StartRequest{
				Ref: mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID("my-" + p)}, Provider: p, Want: mailbox.CanSend,
			}, nil
		}))
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return origin
}

// elsewhere is the same host under another name, which is another origin.
func elsewhere(origin string) string { return strings.Replace(origin, "127.0.0.1", "localhost", 1) }

// chromium starts a browser with an empty profile, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(service(t, "MAILTETHER_CHROMIUM")),
		chromedp.NoSandbox, // it runs as root in CI
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-popup-blocking", false),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	do(t, ctx, "starting the browser") // without a time limit: it would be that of the browser
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func do(t *testing.T, ctx context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// signIn acts as the user at the provider's page.
func signIn(user, decision string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.WaitVisible(`button[name="decision"]`),
		chromedp.Click(fmt.Sprintf(`input[name="user"][value=%q]`, user)),
		chromedp.Click(fmt.Sprintf(`button[name="decision"][value=%q]`, decision)),
	)
}

// In a real browser: the popup reports to the page that opened it and closes
// itself, also where the provider's page has cut the two off from each other.
func TestPopupInABrowser(t *testing.T) {
	t.Parallel()
	service(t, "MAILTETHER_CHROMIUM")
	for name, test := range map[string]struct {
		provider, user, decision, want string
		elsewhere                      bool // the opener is of another origin than the callback
	}{
		"Gmail":                      {provider: "gmail", user: googleUser, decision: "allow", want: `{"connected":"my-gmail"}`},
		"Gmail, declined":            {provider: "gmail", user: googleUser, decision: "deny", want: `{"connect_error":"declined"}`},
		"Gmail, from another origin": {provider: "gmail", user: googleUser, decision: "allow", want: `{"connected":"my-gmail"}`, elsewhere: true},
		"Outlook":                    {provider: "outlook", user: microsoftUser, decision: "allow", want: `{"connected":"my-outlook"}`},
		"Outlook, declined":          {provider: "outlook", user: microsoftUser, decision: "deny", want: `{"connect_error":"declined"}`},
	} {
		t.Run(name, func(t *testing.T) {
			origin := browserHost(t)
			ctx := chromium(t)
			page := origin
			if test.elsewhere {
				page = elsewhere(origin) + "/?base=" + url.QueryEscape(origin)
			}
			do(t, ctx, "opening the host's page", chromedp.Navigate(page))
			opened := chromedp.WaitNewTarget(ctx, func(i *target.Info) bool { return i.Type == "page" })
			do(t, ctx, "clicking", chromedp.Click("#"+test.provider))
			var id target.ID
			select {
			case id = <-opened:
			case <-ctx.Done():
				t.Fatal("no popup was opened")
			}
			popup, cancel := chromedp.NewContext(ctx, chromedp.WithTargetID(id))
			defer cancel()
			// The page may be gone before the click is reported.
			if err := chromedp.Do(popup, signIn(test.user, test.decision)); err != nil && popup.Err() == nil {
				t.Logf("after the click: %v", err)
			}
			result, err := chromedp.Run(ctx, chromedp.Poll[string](`document.getElementById("result").textContent`))
			if err != nil {
				t.Fatalf("waiting for the result: %v", err)
			}
			if result != test.want {
				t.Errorf("the opener got %s, want %s", result, test.want)
			}
			closed := func() bool {
				targets, err := chromedp.Targets(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range targets {
					if i.TargetID == id && strings.HasPrefix(i.URL, "http") {
						return false
					}
				}
				return true
			}
			deadline := time.NewTimer(10 * time.Second)
			defer deadline.Stop()
			for tick := time.NewTicker(50 * time.Millisecond); !closed(); {
				select {
				case <-tick.C:
				case <-deadline.C:
					t.Fatal("the popup stays open")
				}
			}
		})
	}
}

// Where popups are blocked, the same click leads through the flow in the page
// itself.
func TestBlockedPopupInABrowser(t *testing.T) {
	t.Parallel()
	origin := browserHost(t)
	ctx := chromium(t)
	do(t, ctx, "the flow without a popup",
		chromedp.Navigate(origin),
		chromedp.Evaluate[chromedp.Void](`go("outlook")`), // no click: Chromium blocks the popup
		signIn(microsoftUser, "allow"),
		chromedp.WaitVisible("#gmail"),
	)
	query, err := chromedp.Run(ctx, chromedp.TextContent("#query"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil || q.Get(connect.ParamConnected) != "my-outlook" {
		t.Errorf("back at the host with %q", query)
	}
}
