package connect

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"time"
)

var (
	//go:embed popup.html
	popupHTML     string
	popupTemplate = template.Must(template.New("popup").Parse(popupHTML))
	// popupJS runs in the popup, when the flow has ended.
	//
	//go:embed popup.js
	popupJS string
	// connectJS runs in the page that opens the popup.
	//
	//go:embed connect.js
	connectJS []byte
)

// popupPage is what popup.html shows. The values only ever stand in attributes.
type popupPage struct {
	Nonce    string
	Origin   string // of the opener
	Channel  string // of pages of the own origin; empty means none
	Message  string // JSON
	ReturnTo string
	Script   template.JS
}

// popup answers the callback of a flow in a popup: the page tells the opener the
// result and closes itself. Where there is no popup after all, it goes on to
// ReturnTo.
//
// The header fields keep the page from being cached, framed, sniffed, or run
// with anything but its own script. There is no Cross-Origin-Opener-Policy among
// them: it would cut the page off from the opener.
func (c *Connector) popup(w http.ResponseWriter, r *http.Request, f *flow, name, value string) {
	page := popupPage{
		Nonce: rand.Text(), Origin: f.Popup, ReturnTo: withParam(f.ReturnTo, name, value), Script: template.JS(popupJS),
	}
	if f.PopupID != "" {
		page.Channel = "mailtether:" + f.PopupID
	}
	message, err := json.Marshal(map[string]string{"source": "mailtether", "flow": f.PopupID, name: value})
	page.Message = string(message)
	var body bytes.Buffer
	if err := errors.Join(err, popupTemplate.Execute(&body, page)); err != nil {
		c.logFailure(r, "writing the popup failed", err)
		redirect(w, r, page.ReturnTo)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+page.Nonce+"'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.Write(body.Bytes())
}

// ScriptHandler serves the opener's side of a popup, a classic script without
// dependencies that defines one function:
//
//	mailtetherConnect(url, {origin, signal, grace, width, height}) → Promise
//
// Call it from a click. It opens url, the StartHandler of the host, in a popup
// and resolves with {connected: "…"} or {connect_error: "…"}, the values of
// ParamConnected and ParamError, when the flow has ended. Where the browser
// blocks popups it goes to url itself, which is then the flow without a popup,
// and the promise stays open. It rejects with an Error named AbortError when
// signal is aborted, and with one named ClosedError when the popup was closed
// without a result.
//
// origin is that of the callback's page; by default that of url. A page of
// another origin has to be among Config.Origins.
//
// grace is how many milliseconds a popup that seems closed is waited for, by
// default 3 minutes. Microsoft's sign-in pages send
// "Cross-Origin-Opener-Policy: same-origin" since 2026-02
// (learn.microsoft.com/answers/questions/5790872): from then on the popup reads
// as closed while it is open, and only a BroadcastChannel reaches the opener,
// which has to be of the origin of the callback. An opener of another origin
// learns nothing then but ClosedError: ask the host's server what came of it.
//
// The page itself must not send that policy either, except
// "same-origin-allow-popups".
func ScriptHandler() http.Handler {
	sum := sha256.Sum256(connectJS)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // it holds nothing of anybody
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("ETag", etag)
		http.ServeContent(w, r, "connect.js", time.Time{}, bytes.NewReader(connectJS))
	})
}
