package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Identify asks Google who the token belongs to: the userinfo endpoint, and as
// far as the scopes allow also the Gmail profile and the addresses the mailbox
// may send from. An account without Gmail is found out only with a scope that
// reads mail or makes drafts.
func (p *Provider) Identify(ctx context.Context, s mailbox.Session) (mailbox.Identity, error) {
	const op = "identify"
	m, err := p.open(mailbox.Account{}, s)
	if err != nil {
		return mailbox.Identity{}, err
	}
	info, err := m.userinfo(ctx)
	if err != nil {
		return mailbox.Identity{}, m.fail(ctx, op, err)
	}
	id := mailbox.Identity{Subject: info.Sub, Address: info.Email, Name: info.Name, Directory: strings.ToLower(string(info.Domain))}

	ctxProfile := m.call(ctx, mailbox.Call{Method: methodProfile})
	profile, err := do(ctxProfile, m, m.users.GetProfile(me).Context(ctxProfile))
	switch {
	case err == nil && profile.EmailAddress != "":
		id.Address = profile.EmailAddress
		if info.Email != "" && !mailbox.SameAddress(info.Email, id.Address) {
			id.Aliases = append(id.Aliases, info.Email)
		}
	case err != nil && !errors.Is(err, mailbox.ClassConsent):
		return mailbox.Identity{}, m.fail(ctx, op, err)
	case !bool(info.EmailVerified) || id.Address == "":
		// Google vouches for its own addresses. One it does not vouch for is the
		// foreign address of an account that has no Gmail.
		return mailbox.Identity{}, &mailbox.Error{
			Op: op, Provider: mailbox.Gmail, Class: mailbox.ClassNoMailbox, Code: "email_not_verified",
		}
	}
	if err := m.addSendAs(ctx, &id); err != nil {
		return mailbox.Identity{}, err
	}
	return id, nil
}

// userinfo is a UserInfo response (OpenID Connect Core 1.0, 5.3.2).
type userinfo struct {
	Sub           string   `json:"sub"`
	Email         string   `json:"email"`
	EmailVerified flexBool `json:"email_verified"`
	Name          string   `json:"name"`
	// Domain is that of the Google Workspace organisation, if there is one.
	Domain flexString `json:"hd"`
}

// flexBool is a boolean that some endpoints of Google write as a string.
type flexBool bool

func (b *flexBool) UnmarshalJSON(data []byte) error {
	*b = flexBool(strings.EqualFold(strings.Trim(string(data), `"`), "true"))
	return nil
}

// maxUserinfo is far more than a UserInfo response has.
const maxUserinfo = 1 << 20

func (m *Mailbox) userinfo(ctx context.Context) (userinfo, error) {
	ctx = m.call(ctx, mailbox.Call{Method: methodUserinfo})
	var info userinfo
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.provider.endpoints.UserinfoURL, nil)
	if err != nil {
		return info, err
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := m.client.Do(req)
	if err != nil {
		return info, m.gate.Error(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxUserinfo))
	if err != nil {
		return info, m.gate.Error(ctx, err)
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return info, err
	}
	if info.Sub == "" {
		return info, errNoAnswer
	}
	return info, nil
}

// addSendAs adds the addresses that the mailbox may send from, and the name that
// its mail carries. They are a convenience: only failures that will pass are
// reported, so that a connect can be tried again.
func (m *Mailbox) addSendAs(ctx context.Context, id *mailbox.Identity) error {
	ctx = m.call(ctx, mailbox.Call{Method: methodSendAs})
	list, err := do(ctx, m, m.users.Settings.SendAs.List(me).Context(ctx))
	if err != nil {
		switch e := m.fail(ctx, "identify", err); e.Class {
		case mailbox.ClassUnavailable, mailbox.ClassThrottled, mailbox.ClassAppLimit, mailbox.ClassPaused, mailbox.ClassReconnect:
			return e
		default:
			return nil
		}
	}
	for _, s := range list.SendAs {
		switch {
		case s == nil || s.SendAsEmail == "":
		case s.IsPrimary || mailbox.SameAddress(s.SendAsEmail, id.Address):
			if id.Name == "" {
				id.Name = s.DisplayName
			}
		case strings.EqualFold(s.VerificationStatus, "pending"):
		// The status is missing for the aliases that Workspace gives
		// (openclaw/gogcli issue 406, 2026).
		case !slices.ContainsFunc(id.Aliases, func(a string) bool { return mailbox.SameAddress(a, s.SendAsEmail) }):
			id.Aliases = append(id.Aliases, s.SendAsEmail)
		}
	}
	return nil
}
