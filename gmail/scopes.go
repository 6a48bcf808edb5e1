package gmail

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Google's scopes without their common beginning (discovery document of the
// Gmail API, revision 20261005).
const (
	scopePrefix = "https://www.googleapis.com/auth/"

	scopeFull     = "https://mail.google.com/"
	scopeSend     = "gmail.send"
	scopeCompose  = "gmail.compose"
	scopeMetadata = "gmail.metadata"
	scopeReadonly = "gmail.readonly"
	scopeModify   = "gmail.modify"
)

const (
	reading = mailbox.CanReadHeaders | mailbox.CanReadBodies
	modify  = reading | mailbox.CanSend | mailbox.CanDraft | mailbox.CanWriteReadState
)

// Scopes returns the fewest scopes for the capabilities, with openid and email,
// which tell who the user is. It never puts gmail.metadata beside a wider scope
// for reading: such a token may do no more than gmail.metadata allows
// (googleapis/google-api-python-client issue 582, open since 2018). Everything
// but gmail.send is a restricted scope: Google reviews the app every year.
// CanShared is a ClassUnsupported error.
func (p *Provider) Scopes(want mailbox.Capabilities) ([]string, error) {
	if missing := modify.Missing(want); missing != 0 {
		return nil, &mailbox.Error{
			Op: "scopes", Provider: mailbox.Gmail, Class: mailbox.ClassUnsupported,
			Err: &mailbox.FieldError{Field: "capabilities", Limit: modify.String(), Problem: "hold what Gmail does not have"},
		}
	}
	var names []string
	switch {
	case want.Has(mailbox.CanWriteReadState):
		names = append(names, scopeModify)
	default:
		switch {
		case want.Has(mailbox.CanDraft):
			names = append(names, scopeCompose)
		case want.Has(mailbox.CanSend):
			names = append(names, scopeSend)
		}
		switch {
		case want.Has(mailbox.CanReadBodies):
			names = append(names, scopeReadonly)
		case want.Has(mailbox.CanReadHeaders):
			names = append(names, scopeMetadata)
		}
	}
	scopes := make([]string, 0, len(names)+2)
	for _, name := range names {
		scopes = append(scopes, scopePrefix+name)
	}
	return append(scopes, "openid", "email"), nil
}

// Granted returns what the scopes allow. With gmail.metadata among them bodies
// cannot be read, whatever else was granted: see [Provider.Scopes]. Users can
// untick single scopes, so compare the result with what was wanted.
func (p *Provider) Granted(scopes []string) mailbox.Capabilities {
	var c mailbox.Capabilities
	crippled := false
	for _, s := range scopes {
		switch strings.TrimPrefix(s, scopePrefix) {
		case scopeFull, scopeModify:
			c |= modify
		case scopeReadonly:
			c |= reading
		case scopeMetadata:
			c |= mailbox.CanReadHeaders
			crippled = true
		case scopeCompose:
			c |= mailbox.CanSend | mailbox.CanDraft
		case scopeSend:
			c |= mailbox.CanSend
		}
	}
	if crippled {
		c &^= mailbox.CanReadBodies
	}
	return c
}
