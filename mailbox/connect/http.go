package connect

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// The query parameters that CallbackHandler adds to the path it returns to.
const (
	// ParamConnected holds the mailbox ID after success.
	ParamConnected = "connected"
	// ParamError holds one of the codes below after a failure.
	ParamError = "connect_error"
)

// The query parameters by which the script of [ScriptHandler] tells StartHandler
// of a popup: see StartRequest.Popup and StartRequest.PopupID.
const (
	ParamPopup   = "connect_popup"
	ParamPopupID = "connect_popup_id"
)

// The values of ParamError. They are stable, and meant for choosing a text.
const (
	ErrorDeclined        = "declined"         // the user did not agree
	ErrorConsent         = "consent_missing"  // the user granted too little
	ErrorAdmin           = "admin_needed"     // the organisation has to approve
	ErrorWrongAccount    = "wrong_account"    // another account than the mailbox belongs to
	ErrorLinked          = "already_linked"   // the account is connected already
	ErrorInvalidCallback = "invalid_callback" // too late, twice, or not from here: start again
	ErrorNoMailbox       = "no_mailbox"       // the account has no mailbox
	ErrorTryLater        = "try_later"        // the provider or our store has a fault
	ErrorMisconfigured   = "misconfigured"    // the app's registration is at fault
	ErrorFailed          = "failed"           // anything else
)

// StartHandler returns a handler that sends the browser to the provider.
// request says what is to be connected: it has to check that the user of the
// HTTP request is signed in to the host and may connect that mailbox. An error
// of it is answered with 400 if it is of mailbox.ClassInvalid, otherwise with
// 403.
//
// Where the request names no popup, the handler takes StartRequest.Popup and
// PopupID from the query: an origin is checked in either case.
//
// The handler answers GET and POST. It keeps a random secret in a cookie
// (HttpOnly, SameSite=Lax, and Secure with the __Host- prefix if all redirect
// URLs are https), which ties the callback to this browser.
func (c *Connector) StartHandler(request func(*http.Request) (StartRequest, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, http.MethodGet, http.MethodPost) {
			return
		}
		req, err := request(r)
		if err != nil {
			status := http.StatusForbidden
			if errors.Is(err, mailbox.ClassInvalid) {
				status = http.StatusBadRequest
			}
			http.Error(w, http.StatusText(status), status)
			return
		}
		if query := r.URL.Query(); req.Popup == "" {
			req.Popup, req.PopupID = query.Get(ParamPopup), query.Get(ParamPopupID)
		}
		cookie := c.browserCookie(r)
		req.Browser = cookie.Value
		started, err := c.Start(r.Context(), req)
		if err != nil {
			c.logFailure(r, "starting a connect failed", err)
			status := http.StatusServiceUnavailable
			if errors.Is(err, mailbox.ClassInvalid) || errors.Is(err, mailbox.ClassUnsupported) {
				status = http.StatusBadRequest
			}
			http.Error(w, http.StatusText(status), status)
			return
		}
		http.SetCookie(w, cookie)
		redirect(w, r, started.URL)
	})
}

// CallbackHandler returns the handler for the redirect URL of a provider. It
// ends the flow and returns to the path that the StartRequest named, with
// ParamConnected or ParamError. A flow in a popup ends with a page that tells the
// opener the same: see [ScriptHandler]. Details of a failure go to Config.Logger
// alone.
//
// Mount one for each provider on its redirect URL: that keeps a provider from
// answering in another one's name. An empty provider accepts all.
func (c *Connector) CallbackHandler(provider mailbox.ProviderName) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, http.MethodGet) {
			return
		}
		a, f, err := c.callback(r.Context(), CallbackRequest{
			Query: r.URL.Query(), Browser: c.browser(r), Provider: provider,
		})
		if f == nil {
			f = &flow{ReturnTo: c.config.ReturnTo}
		}
		name, value := ParamConnected, string(a.Mailbox)
		if err != nil {
			c.logFailure(r, "connect failed", err)
			name, value = ParamError, ErrorCode(err)
		}
		if f.Popup != "" {
			c.popup(w, r, f, name, value)
			return
		}
		redirect(w, r, withParam(f.ReturnTo, name, value))
	})
}

// ErrorCode returns the value of ParamError for an error of [Connector.Callback].
func ErrorCode(err error) string {
	if errors.Is(err, ErrLinked) {
		return ErrorLinked
	}
	switch mailbox.ClassOf(err) {
	case mailbox.ClassDeclined:
		return ErrorDeclined
	case mailbox.ClassConsent:
		return ErrorConsent
	case mailbox.ClassAdmin:
		return ErrorAdmin
	case mailbox.ClassWrongAccount:
		return ErrorWrongAccount
	case mailbox.ClassBadCallback:
		return ErrorInvalidCallback
	case mailbox.ClassNoMailbox:
		return ErrorNoMailbox
	case mailbox.ClassUnavailable, mailbox.ClassThrottled, mailbox.ClassStorage, mailbox.ClassConflict, mailbox.ClassPaused:
		return ErrorTryLater
	case mailbox.ClassConfig:
		return ErrorMisconfigured
	default:
		return ErrorFailed
	}
}

// cookie returns the cookie that ties a flow to a browser. The __Host- prefix
// keeps other hosts of the same domain from planting one.
func (c *Connector) cookie(value string) *http.Cookie {
	name := "mailtether_connect"
	if c.secure {
		name = "__Host-" + name
	}
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(c.config.StateTTL.Seconds()),
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	}
}

// browserCookie returns the cookie that the browser has, or one with a new
// secret. Another tab may be in a flow, so a good one is kept.
func (c *Connector) browserCookie(r *http.Request) *http.Cookie {
	cookie := c.cookie(rand.Text())
	if old := c.browser(r); len(old) == len(cookie.Value) {
		cookie.Value = old
	}
	return cookie
}

// browser returns the browser's secret, or "".
func (c *Connector) browser(r *http.Request) string {
	cookie, err := r.Cookie(c.cookie("").Name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// redirect sends the browser on. Neither caches nor the next site get to see the
// URL, which holds a code or a state.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// withParam adds a parameter to a path that checkReturnTo has passed. It leaves
// the path as it is: taking it apart and putting it together again could turn an
// escaped slash at its start into a real one, and the path into a host.
func withParam(path, name, value string) string {
	path, fragment, hasFragment := strings.Cut(path, "#")
	path, query, _ := strings.Cut(path, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		q = url.Values{} // the host's own, and broken
	}
	for _, old := range [...]string{ParamConnected, ParamError, ParamAdminConsent} {
		q.Del(old)
	}
	q.Set(name, value)
	to := path + "?" + q.Encode()
	if hasFragment {
		to += "#" + fragment
	}
	return to
}

func (c *Connector) logFailure(r *http.Request, msg string, err error) {
	attrs := []any{"error", err.Error()}
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		attrs = append(attrs, "class", e.Class.String(), "code", e.Code, "provider", e.Provider, "mailbox", e.Mailbox)
	}
	c.log.WarnContext(r.Context(), msg, attrs...)
}
