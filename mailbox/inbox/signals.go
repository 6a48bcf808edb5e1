package inbox

import (
	"context"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

// signal tells the sending limits what an event says about the mailbox's mail,
// so that it slows down in time.
func (p *poll) signal(ctx context.Context, e mailbox.Event) error {
	if p.config.Sends == nil || e.Verdict == nil || e.Match == nil {
		return nil
	}
	a := p.mb.Account()
	for _, kind := range signals(e) {
		_, err := p.config.Sends.Signal(ctx, quota.Signal{
			Ref: e.Ref, Provider: a.Provider, Kind: kind, ID: e.ID, From: a.Address, At: e.At,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// signals are the kinds of signals in an answer.
func signals(e mailbox.Event) []quota.SignalKind {
	switch e.Verdict.Kind {
	case mailbox.KindComplaint:
		return []quota.SignalKind{quota.SignalComplaint}
	case mailbox.KindHuman:
		return []quota.SignalKind{quota.SignalReply}
	case mailbox.KindBounce:
		var kinds []quota.SignalKind
		if b := e.Verdict.Bounce; b != nil {
			for _, r := range b.Recipients {
				if kind := bounceSignal(r); kind != "" && !slices.Contains(kinds, kind) {
					kinds = append(kinds, kind)
				}
			}
		}
		return kinds
	default:
		return nil
	}
}

// tenantBlocked are the codes with which Exchange Online refuses mail of a whole
// organisation: its allowance of outside recipients is used up (5.7.233, on trial
// 5.7.232), it is blocked for spam (5.7.705), or it is too new (5.7.708)
// (https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online,
// 2026-01).
var tenantBlocked = []string{"5.7.232", "5.7.233", "5.7.705", "5.7.708"}

// bounceSignal is what the fate of one recipient says about the sender. A full
// mailbox, for one, says nothing.
func bounceSignal(r mailbox.BounceRecipient) quota.SignalKind {
	switch {
	case slices.Contains(tenantBlocked, r.Status):
		return quota.SignalTenantBlocked
	case r.Category == threading.CategoryAuth:
		return quota.SignalAuthentication
	case r.Hard, r.Category == threading.CategoryBlocked, r.Category == threading.CategorySpam:
		return quota.SignalBounce
	default:
		return ""
	}
}
