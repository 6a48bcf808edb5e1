package outlook

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// Page sizes. Graph takes up to 1,000; pages with bodies of that size are
// answered 504.
const (
	defaultPage  = 50
	maxPage      = 500
	maxBodyPage  = 25
	leastPage    = 5
	defaultBite  = 100
	attachedPart = "cid:"
)

// List implements [mailbox.Mailbox]. Pages follow Graph's own links as they
// are. A page that is too heavy for Graph is asked for again in half the size.
func (m *Mailbox) List(ctx context.Context, q mailbox.Query) (mailbox.Page, error) {
	want := mailbox.CanReadHeaders
	if q.Parts == mailbox.PartBody {
		want |= mailbox.CanReadBodies
	}
	if err := m.need("list", want); err != nil {
		return mailbox.Page{}, err
	}
	q.Folder = cmp.Or(q.Folder, mailbox.FolderInbox)
	q.Max = cmp.Or(q.Max, defaultPage)
	name := folderName(q.Folder)
	switch {
	case name == "":
		return mailbox.Page{}, m.fail("list", mailbox.Invalid("folder", "inbox, sent, drafts, spam, trash, archive", "is another one"))
	case q.Max < 0 || q.Max > maxPage:
		return mailbox.Page{}, m.fail("list", mailbox.Invalid("max", fmt.Sprint("1 to ", maxPage), "is out of range"))
	case q.Parts > mailbox.PartIDs:
		return mailbox.Page{}, m.fail("list", mailbox.Invalid("parts", "headers, body, ids", "is unknown"))
	}
	if q.Parts == mailbox.PartBody {
		q.Max = min(q.Max, maxBodyPage)
	}

	var page graph.Page
	var err error
	if q.Page != "" {
		link, ok := m.linkOf(q.Page)
		if !ok {
			return mailbox.Page{}, m.fail("list", mailbox.Invalid("page", "the Next of an earlier page", "is not one"))
		}
		page, err = m.graph.ListNext(ctx, link)
	} else {
		err = m.readable(ctx, func(header bool) error {
			page, err = halving(ctx, q.Max, func(size int) (graph.Page, error) {
				return m.graph.List(ctx, name, graph.ListOptions{
					Select: fieldsOf(q.Parts, header), Filter: between(q.Since, q.Before), OrderBy: "receivedDateTime desc", Size: size,
				})
			})
			return err
		})
	}
	if err != nil {
		return mailbox.Page{}, err
	}
	out := mailbox.Page{Messages: make([]*mailbox.Message, len(page.Messages)), Next: m.pageOf(page.NextLink)}
	if out.Next == q.Page && q.Page != "" {
		return mailbox.Page{}, m.fail("list", &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "endless_list"})
	}
	for i := range page.Messages {
		out.Messages[i] = convert(&page.Messages[i], q.Folder)
	}
	if q.Parts == mailbox.PartBody {
		err = m.describeAttachments(ctx, page.Messages, out.Messages)
	}
	return out, err
}

// pageOf is what stands for a link outside: in the mailbox of somebody else it
// names the mailbox, so that no other one follows it.
func (m *Mailbox) pageOf(link string) string {
	if link == "" || m.graph.User == "" {
		return link
	}
	return m.graph.User + " " + link
}

// linkOf is the link behind a page of this mailbox.
func (m *Mailbox) linkOf(page string) (string, bool) {
	link := page
	if m.graph.User != "" {
		user, rest, ok := strings.Cut(page, " ")
		if !ok || !mailbox.SameAddress(user, m.graph.User) {
			return "", false
		}
		link = rest
	}
	u, err := url.Parse(link)
	return link, err == nil && u.Host != ""
}

// halving asks for a page again in half the size after 504, which Graph answers
// to pages that take it too long.
func halving(ctx context.Context, size int, ask func(size int) (graph.Page, error)) (graph.Page, error) {
	for {
		page, err := ask(size)
		e, ok := err.(*mailbox.Error)
		if !ok || e.Status != http.StatusGatewayTimeout || size/2 < leastPage || ctx.Err() != nil {
			return page, err
		}
		size /= 2
	}
}

// between is a filter on the time of arrival. Together with an order Graph
// wants the ordered property in the filter, which it is.
func between(since, before time.Time) string {
	var terms []string
	if !since.IsZero() {
		terms = append(terms, "receivedDateTime ge "+oDataTime(since))
	}
	if !before.IsZero() {
		terms = append(terms, "receivedDateTime lt "+oDataTime(before))
	}
	return strings.Join(terms, " and ")
}

// oDataTime writes a time with at most seven digits behind the second, which is
// the precision of Exchange.
func oDataTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// quoted writes a string as an OData literal.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
