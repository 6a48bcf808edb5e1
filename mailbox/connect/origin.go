package connect

import (
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// maxOrigin bounds an origin; a host name has at most 253 characters (RFC 1035).
const maxOrigin = 300

// parseOrigin returns an origin (RFC 6454, 6.2) as browsers spell it: scheme and
// host in lower case, without the default port. It refuses everything else that
// browsers call an origin, "null" above all, and plain http to other machines.
func parseOrigin(field, s string) (string, error) {
	refused := mailbox.Invalid(field, `an origin such as "https://app.example.com"`, "is not one")
	u, err := url.Parse(s)
	// What is not scheme, host and port has to be absent, also when it is empty.
	if len(s) > maxOrigin || err != nil || u.Hostname() == "" || !strings.EqualFold(s, u.Scheme+"://"+u.Host) {
		return "", refused
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
	}) {
		return "", refused
	}
	if err := tokenstore.CheckURL(field, s); err != nil {
		return "", err
	}
	return originOf(s), nil
}

// originOf returns the origin of a URL that tokenstore.CheckURL has passed.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if defaultPort := map[string]string{"https": ":443", "http": ":80"}[scheme]; defaultPort != "" {
		host = strings.TrimSuffix(host, defaultPort)
	}
	return scheme + "://" + strings.TrimSuffix(host, ":")
}

// allowOrigins adds the configured origins to those that may open popups.
func (c *Connector) allowOrigins(origins []string) error {
	for _, s := range origins {
		origin, err := parseOrigin("Origins", s)
		if err != nil {
			return err
		}
		c.origins[origin] = true
	}
	return nil
}

// checkPopup returns the origin of a page that may open popups for the app.
func (c *Connector) checkPopup(s string, app *App) (string, error) {
	origin, err := parseOrigin("popup", s)
	if err != nil {
		return "", err
	}
	if !c.origins[origin] && origin != originOf(app.RedirectURL) {
		return "", mailbox.Invalid("popup", "one of Config.Origins, or the origin of the app's RedirectURL", "is another one")
	}
	return origin, nil
}
