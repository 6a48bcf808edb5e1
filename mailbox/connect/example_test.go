package connect_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

// A host mounts two handlers. The provider would be gmail.New or outlook.New.
func Example() {
	provider := newService(mailbox.Gmail)

	secret := make([]byte, 64)
	rand.Read(secret) // in a host: from its configuration
	keys, err := tokenstore.NewKeyring(tokenstore.Key{ID: "2026-11", Secret: secret[:32]})
	if err != nil {
		panic(err)
	}
	c, err := connect.New(connect.Config{
		Apps: []connect.App{{
			Provider:     provider,
			ClientID:     "client",
			ClientSecret: canarySecret,
			RedirectURL:  "https://host.test/connect/gmail",
			Transport:    provider,
		}},
		Accounts: connect.NewMemory(),
		Vault:    tokenstore.NewVault(tokenstore.NewMemory(), keys),
		StateKey: secret[32:],
	})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/connect/start", c.StartHandler(func(r *http.Request) (connect.StartRequest, error) {
		user := "ann" // in a host: whoever is signed in
		if user == "" {
			return connect.StartRequest{}, errors.New("not signed in")
		}
		return connect.StartRequest{
			Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "sales"},
			Owner:    user,
			Provider: mailbox.Gmail,
			Want:     mailbox.CanSend | mailbox.CanReadHeaders,
			ReturnTo: "/mailboxes",
		}, nil
	}))
	mux.Handle("/connect/gmail", c.CallbackHandler(mailbox.Gmail))

	// What a browser does:
	var b browser
	resp := b.do(mux, http.MethodGet, "https://host.test/connect/start")
	callback := provider.visit(&testing.T{}, resp.Header.Get("Location"), consent{user: "ann"})
	resp = b.do(mux, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode())
	fmt.Println(resp.Header.Get("Location"))

	mb, err := c.Open(httptest.NewRequest(http.MethodGet, "/", nil).Context(), mailbox.Ref{Tenant: "acme", Mailbox: "sales"})
	fmt.Println(mb != nil, err)
	// Output:
	// /mailboxes?connected=sales
	// true <nil>
}

// The user agrees to sending now. Reading waits for an administrator, who gets a
// letter with a link.
func Example_twoStages() {
	h := managed(&testing.T{}) // a host whose users' organisation is cautious
	mux := http.NewServeMux()
	mux.Handle("/connect/start", h.StartHandler(func(*http.Request) (connect.StartRequest, error) {
		return connect.StartRequest{
			Ref: ref, Owner: "ann", Provider: mailbox.Outlook, ReturnTo: "/mailboxes",
			Want:  mailbox.CanSend,
			Later: mailbox.CanReadHeaders,
		}, nil
	}))
	mux.Handle("/connect/outlook", h.CallbackHandler(mailbox.Outlook))
	mux.Handle("/admin/start", h.AdminConsentHandler()) // Config.AdminConsentURL
	mux.Handle("/admin/outlook", h.AdminCallbackHandler(mailbox.Outlook))
	ctx := httptest.NewRequest(http.MethodGet, "/", nil).Context()

	// The user:
	var user browser
	page := user.do(mux, http.MethodGet, "https://host.test/connect/start").Header.Get("Location")
	callback := h.outlook.visit(&testing.T{}, page, consent{user: "ann"})
	resp := user.do(mux, http.MethodGet, "https://host.test/connect/outlook?"+callback.Encode())
	fmt.Println(resp.Header.Get("Location"))
	a, _ := h.accounts.Get(ctx, ref)
	fmt.Printf("can %s, waits for %s\n", a.Capabilities, a.Missing())

	// The host writes to the administrator:
	link, err := h.AdminConsent(ctx, connect.AdminRequest{Ref: ref, ReturnTo: "/thanks"})
	fmt.Println(link.Subject, err)

	// The administrator:
	var admin browser
	page = admin.do(mux, http.MethodGet, link.URL).Header.Get("Location")
	callback = h.outlook.administer(&testing.T{}, page, a.Directory, "")
	resp = admin.do(mux, http.MethodGet, "https://host.test/admin/outlook?"+callback.Encode())
	fmt.Println(resp.Header.Get("Location"))
	a, _ = h.accounts.Get(ctx, ref)
	fmt.Printf("can %s\n", a.Capabilities)
	// Output:
	// /mailboxes?connected=sales
	// can send, waits for read_headers
	// Please allow an application to use mailboxes of your organisation <nil>
	// /thanks?admin_consent=granted
	// can send,read_headers
}

// The page includes the script and opens the flow from a click.
func ExampleScriptHandler() {
	h := newHost(&testing.T{})
	mux := http.NewServeMux()
	mux.Handle("/connect.js", connect.ScriptHandler())
	mux.Handle("/connect/start", h.StartHandler(fixed(request())))
	mux.Handle("/connect/gmail", h.CallbackHandler(mailbox.Gmail))
	mux.HandleFunc("/mailboxes", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<script src="/connect.js"></script>
<button id="connect">Connect</button>
<script>
document.getElementById("connect").onclick = async () => {
  const result = await mailtetherConnect("/connect/start");
  alert(result.connected || result.connect_error);
};
</script>`)
	})

	// What the popup does:
	var b browser
	resp := b.do(mux, http.MethodGet, "https://host.test/connect/start?connect_popup=https://host.test&connect_popup_id=42")
	callback := h.gmail.visit(&testing.T{}, resp.Header.Get("Location"), consent{user: "ann"})
	resp = b.do(mux, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode())
	page, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, err)
	fmt.Println(attribute(&testing.T{}, string(page), "data-message"))
	// Output:
	// 200 <nil>
	// {"connected":"sales","flow":"42","source":"mailtether"}
}
