package inbox

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

// overlap is how far a resync reaches back behind the last complete sync:
// providers file some messages late.
const overlap = time.Hour

// resyncFolders are read again when the cursor is lost.
var resyncFolders = [...]mailbox.Folder{mailbox.FolderInbox, mailbox.FolderSent}

// poll is one run over one mailbox.
type poll struct {
	*Inbox
	mb     mailbox.Mailbox
	state  State
	report Report
}

func (p *poll) run(ctx context.Context) error {
	if p.state.Version == 0 {
		return p.begin(ctx)
	}
	for {
		if p.state.Resync != nil {
			if err := p.resync(ctx); err != nil {
				return err
			}
		}
		start := time.Now()
		changes, err := p.mb.Changes(ctx, p.state.Cursor, 0)
		if mailbox.ClassOf(err) == mailbox.ClassCursorLost {
			if err := p.beginResync(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		var messages []*mailbox.Message
		for _, c := range changes.Changes {
			if c.Kind == mailbox.ChangeAdded && c.Message != nil {
				messages = append(messages, c.Message)
			}
		}
		p.state.Failing = keepFailing(p.state.Failing, messages)
		err = p.take(ctx, messages, false, func(s *State) {
			s.Cursor = changes.Next
			if !changes.More {
				s.SyncedAt = start
			}
		})
		if err != nil || !changes.More {
			return err
		}
	}
}

// begin takes the first position.
func (p *poll) begin(ctx context.Context) error {
	p.state.BeganAt = time.Now()
	p.state.SyncedAt = p.state.BeganAt
	var err error
	if p.state.Cursor, err = p.mb.Cursor(ctx); err != nil {
		return err
	}
	return p.save(ctx, nil)
}

func (p *poll) save(ctx context.Context, delivered []string) error {
	saved, err := p.config.Store.Save(ctx, p.state, delivered)
	if err != nil {
		return err
	}
	p.state = saved
	return nil
}

// beginResync takes a new position first, so that nothing falls between the
// resync and the changes that follow it.
func (p *poll) beginResync(ctx context.Context) error {
	cursor, err := p.mb.Cursor(ctx)
	if err != nil {
		return err
	}
	since := p.state.SyncedAt.Add(-overlap)
	if since.Before(p.state.BeganAt) {
		since = p.state.BeganAt
	}
	e := mailbox.Event{
		ID: "resync:" + since.UTC().Format(time.RFC3339), Ref: p.state.Ref,
		Kind: mailbox.EventResync, At: since, Replay: true,
	}
	if err := p.config.Handler(ctx, e); err != nil {
		return err
	}
	p.report.Events++
	p.state.Resync = &Resync{Cursor: cursor, Since: since}
	return p.save(ctx, nil)
}

// resync reads on from where the stored progress is.
func (p *poll) resync(ctx context.Context) error {
	p.report.Resynced = true
	for p.state.Resync.Folder < len(resyncFolders) {
		r := *p.state.Resync
		page, err := p.mb.List(mailbox.WithLane(ctx, mailbox.LaneBackfill), mailbox.Query{
			Folder: resyncFolders[r.Folder], Since: r.Since, Page: r.Page, Max: 100,
		})
		if mailbox.ClassOf(err) == mailbox.ClassInvalid && r.Page != "" { // a page token that died
			p.state.Resync.Page = ""
			continue
		}
		if err != nil {
			return err
		}
		r.Page = page.Next
		r.Read += len(page.Messages)
		if page.Next == "" || r.Read >= p.config.MaxResync {
			r.Folder, r.Page, r.Read = r.Folder+1, "", 0
		}
		slices.Reverse(page.Messages) // oldest first, as far as the provider orders them
		if err := p.take(ctx, page.Messages, true, func(s *State) { s.Resync = &r }); err != nil {
			return err
		}
	}
	p.state.Cursor = p.state.Resync.Cursor
	p.state.Resync = nil
	return p.save(ctx, nil)
}

// keepFailing drops the counters of events that are not in this bite any more.
func keepFailing(failing map[string]int, messages []*mailbox.Message) map[string]int {
	if len(failing) == 0 {
		return nil
	}
	kept := map[string]int{}
	for _, m := range messages {
		if n := failing[eventID(m)]; n > 0 {
			kept[eventID(m)] = n
		}
	}
	return kept
}

// eventID is stable: a message has the same one in every delivery.
func eventID(m *mailbox.Message) string { return "message:" + string(m.ID) }

// take delivers the events of one bite and then stores the state as advance
// leaves it. If the handler fails, the state stays where it was, except for the
// events that were delivered and the count of failures.
func (p *poll) take(ctx context.Context, messages []*mailbox.Message, replay bool, advance func(*State)) error {
	fresh, err := p.fresh(ctx, messages)
	if err != nil {
		return err
	}
	events, err := p.events(ctx, fresh, replay)
	if err != nil {
		return err
	}
	var delivered []string
	for _, e := range events {
		if e.Kind != "" {
			if err := p.deliver(ctx, e); err != nil {
				if saveErr := p.save(context.WithoutCancel(ctx), delivered); saveErr != nil {
					return saveErr
				}
				return err
			}
		}
		if e.Kind == mailbox.EventSetAside {
			p.setAside(e.Message.ID, e.ID, 0)
		}
		delete(p.state.Failing, e.ID)
		delivered = append(delivered, e.ID)
	}
	advance(&p.state)
	return p.save(context.WithoutCancel(ctx), delivered)
}

// deliver calls the handler. A message it failed on too often is set aside.
func (p *poll) deliver(ctx context.Context, e mailbox.Event) error {
	if err := p.signal(ctx, e); err != nil { // the host's answer does not wait for it
		p.config.Logger.WarnContext(ctx, "sending limits were not told of an answer", "mailbox", e.Mailbox, "error", err)
	}
	err := p.config.Handler(ctx, e)
	if err == nil {
		p.report.Events++
		return nil
	}
	if ctx.Err() != nil {
		return err // the host is stopping; that is not the message's fault
	}
	if p.state.Failing == nil {
		p.state.Failing = map[string]int{}
	}
	p.state.Failing[e.ID]++
	attempts := p.state.Failing[e.ID]
	if attempts < p.config.MaxAttempts {
		return err
	}
	aside := mailbox.Event{
		ID: "set_aside:" + string(e.Message.ID), Ref: e.Ref, Kind: mailbox.EventSetAside,
		At: time.Now(), Replay: e.Replay, Message: e.Message, Verdict: e.Verdict, Match: e.Match, Key: e.Key, Err: err,
	}
	if err := p.config.Handler(ctx, aside); err != nil {
		p.config.Logger.WarnContext(ctx, "handler failed on a message set aside", "mailbox", e.Mailbox, "message", e.Message.ID)
	}
	p.setAside(e.Message.ID, e.ID, attempts)
	return nil
}

// setAside notes a message that was given up.
func (p *poll) setAside(id mailbox.MessageID, event string, attempts int) {
	p.state.SetAside = append(p.state.SetAside, SetAside{EventID: event, ID: id, Attempts: attempts, At: time.Now()})
	p.state.SetAside = p.state.SetAside[max(0, len(p.state.SetAside)-100):]
	p.report.SetAside++
}

// unreadable reports whether the provider named a message and then failed to
// give it, for so long that the driver gave up.
func unreadable(m *mailbox.Message) bool {
	return len(m.Header) == 0 && slices.ContainsFunc(m.Warnings, func(w mailbox.Warning) bool {
		return w.Code == mailbox.WarnIncomplete
	})
}

// fresh drops duplicates, drafts and what was delivered before.
func (p *poll) fresh(ctx context.Context, messages []*mailbox.Message) ([]*mailbox.Message, error) {
	var fresh []*mailbox.Message
	var ids []string
	seen := map[string]bool{}
	for _, m := range messages {
		if m == nil || m.Draft || seen[eventID(m)] {
			continue
		}
		seen[eventID(m)] = true
		ids = append(ids, eventID(m))
		fresh = append(fresh, m)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := p.config.Store.Delivered(ctx, p.state.Ref, ids)
	if err != nil {
		return nil, err
	}
	fresh = slices.DeleteFunc(fresh, func(m *mailbox.Message) bool { return known[eventID(m)] })
	p.report.Seen += len(fresh)
	return fresh, nil
}

// events turns messages into events, with bodies where the policy allows them.
// A message that the host is not told of gives an event without a kind.
func (p *poll) events(ctx context.Context, messages []*mailbox.Message, replay bool) ([]mailbox.Event, error) {
	events := make([]mailbox.Event, len(messages))
	var bodies []int
	for i, m := range messages {
		e, err := p.event(ctx, m)
		if err != nil {
			return nil, err
		}
		e.ID, e.Ref, e.At, e.Replay = eventID(m), p.state.Ref, m.ReceivedAt, replay
		events[i] = e
		if p.wantsBody(e) {
			bodies = append(bodies, i)
		}
	}
	if err := p.fetchBodies(ctx, events, bodies); err != nil {
		return nil, err
	}
	return events, nil
}

// event judges one message by its headers.
func (p *poll) event(ctx context.Context, m *mailbox.Message) (mailbox.Event, error) {
	if unreadable(m) {
		err := &mailbox.Error{Op: "changes", Provider: p.mb.Account().Provider, Mailbox: p.state.Mailbox, Class: mailbox.ClassUnavailable}
		return mailbox.Event{Kind: mailbox.EventSetAside, Message: m, Err: err}, nil
	}
	if m.In(mailbox.FolderSent) && !m.In(mailbox.FolderInbox) {
		return p.sentEvent(ctx, m)
	}
	e := mailbox.Event{Message: m}
	err := p.judge(ctx, &e, threading.Classify(m))
	return e, err
}

// judge says whether an incoming message answers one of ours, as far as it is
// there: a body tells more than a header.
func (p *poll) judge(ctx context.Context, e *mailbox.Event, verdict mailbox.Verdict) error {
	e.Verdict = &verdict
	if p.config.Index != nil {
		match, err := p.matcher.Match(ctx, p.state.Ref, e.Message, verdict)
		if err != nil {
			return err
		}
		// What the header linked stays linked.
		if match.Level >= p.config.MinLevel && (e.Match == nil || match.Level >= e.Match.Level) {
			e.Match, e.Key = &match, match.Key
		}
	}
	switch {
	case e.Match == nil && p.config.Policy == PolicyMatched:
		// not the host's business
	case e.Match == nil:
		e.Kind = mailbox.EventMessage
	case verdict.Kind == mailbox.KindHuman || verdict.Kind == mailbox.KindList || verdict.Kind == mailbox.KindReaction:
		e.Kind = mailbox.EventReply
	case verdict.Kind == mailbox.KindBounce:
		e.Kind = mailbox.EventBounce
	default:
		e.Kind = mailbox.EventAutoReply
	}
	return nil
}

// sentEvent tells mail of the outbox from mail the user sent by hand. The
// latter counts against the sending limits.
func (p *poll) sentEvent(ctx context.Context, m *mailbox.Message) (mailbox.Event, error) {
	if p.config.Index != nil && m.RFCMessageID != "" {
		ours, err := p.config.Index.Find(ctx, p.state.Ref, threading.IDTerm(m.RFCMessageID))
		if err != nil || len(ours) > 0 {
			return mailbox.Event{Message: m}, err
		}
	}
	if m.Header.Has(mailbox.RefHeader) { // ours, under an id that is not known yet
		return mailbox.Event{Message: m}, nil
	}
	e := mailbox.Event{Kind: mailbox.EventSentByHand, Message: m}
	if p.config.Policy == PolicyMatched {
		e.Kind = ""
	}
	if p.config.Sends == nil {
		return e, nil
	}
	to := mailbox.AddrSpecs(m.To, m.Cc, m.Bcc)
	return e, p.config.Sends.Observe(ctx, quota.SendRequest{
		Ref: p.state.Ref, Provider: p.mb.Account().Provider, Key: eventID(m),
		From: p.mb.Account().Address, To: to[:min(len(to), quota.MaxRecipients)], At: m.ReceivedAt,
	})
}

// wantsBody is the privacy policy: it decides from what the headers told.
func (p *poll) wantsBody(e mailbox.Event) bool {
	if !p.mb.Account().Capabilities.Has(mailbox.CanReadBodies) || e.Kind == "" || e.Kind == mailbox.EventSetAside {
		return false
	}
	return p.config.Policy == PolicyFull || p.config.Policy == PolicyMatched && e.Match != nil
}

func (p *poll) fetchBodies(ctx context.Context, events []mailbox.Event, which []int) error {
	if len(which) == 0 {
		return nil
	}
	ids := make([]mailbox.MessageID, len(which))
	for n, i := range which {
		ids[n] = events[i].Message.ID
	}
	full, err := p.mb.Fetch(ctx, ids, mailbox.PartBody)
	if err != nil {
		return err
	}
	for n, i := range which {
		e := &events[i]
		if full[n] == nil {
			continue // deleted in between: the headers are what is left
		}
		p.report.Bodies++
		e.Message = full[n]
		if e.Verdict == nil {
			continue // sent by the user
		}
		verdict := p.readReport(ctx, e.Message, threading.Classify(e.Message))
		if err := p.judge(ctx, e, verdict); err != nil {
			return err
		}
	}
	return nil
}

// maxReport bounds a bounce that is read as a whole.
const maxReport = 8 << 20

// readReport completes the verdict on a report from the raw message. What the
// rest told stands if that cannot be read.
func (p *poll) readReport(ctx context.Context, m *mailbox.Message, v mailbox.Verdict) mailbox.Verdict {
	r, ok := p.mb.(mailbox.RawReader)
	if !ok || !threading.IsReport(v.Kind) {
		return v
	}
	raw, err := r.Raw(ctx, m.ID, maxReport)
	if err != nil {
		p.config.Logger.WarnContext(ctx, "report not read", "mailbox", p.state.Mailbox, "error", err)
		return v
	}
	report, err := threading.ReadReport(bytes.NewReader(raw))
	if err != nil {
		return v
	}
	return report.Refine(v)
}
