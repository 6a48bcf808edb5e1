package outlook

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// startMargin is how far before now a new cursor begins to look. Messages get
// their time before they are visible, and clocks differ. What was there already
// is read and remembered, not reported.
const startMargin = 15 * time.Minute

// Cursor implements [mailbox.Mailbox]. Graph cannot begin at "now": a round over
// the last minutes of each folder is read to its end.
func (m *Mailbox) Cursor(ctx context.Context) (mailbox.Cursor, error) {
	if err := m.need("cursor", mailbox.CanReadHeaders); err != nil {
		return "", err
	}
	folders, err := m.askFolders(ctx)
	if err != nil {
		return "", err
	}
	m.folders.Store(folders)
	// A clock of ours that is ahead would skip messages; the server's cannot.
	start := time.Now()
	if !folders.at.IsZero() && folders.at.Before(start) {
		start = folders.at
	}
	c := &cursor{Version: cursorVersion, Mailbox: m.graph.User}
	for _, f := range m.p.config.Folders {
		link, err := m.startChain(ctx, c, f, start.Add(-startMargin))
		if err != nil {
			return "", err
		}
		c.Folders = append(c.Folders, folderChain{Folder: f, Link: link})
	}
	return c.encode(), nil
}

// startChain reads a folder's first round to its end and returns the deltaLink.
func (m *Mailbox) startChain(ctx context.Context, c *cursor, f mailbox.Folder, since time.Time) (string, error) {
	filter := "receivedDateTime ge " + oDataTime(since)
	ask := func(header bool) (graph.Page, error) {
		return halving(ctx, maxPage, func(size int) (graph.Page, error) {
			return m.graph.Delta(ctx, folderName(f), graph.ListOptions{
				Select: fieldsOf(mailbox.PartHeaders, header), Filter: filter, Size: size,
			})
		})
	}
	page, err := ask(m.p.config.DeltaHeaders)
	if m.p.config.DeltaHeaders && err != nil && ctx.Err() == nil {
		page, err = ask(false)
	}
	for err == nil {
		for _, g := range page.Messages {
			c.Known = c.Known.add(g.ID)
		}
		if page.DeltaLink != "" {
			return page.DeltaLink, nil
		}
		page, err = m.follow(ctx, page.NextLink, maxPage)
	}
	return "", err
}

// follow reads the page behind a link. The answer has a link that leads on.
func (m *Mailbox) follow(ctx context.Context, link string, size int) (graph.Page, error) {
	if link == "" {
		return graph.Page{}, m.fail("changes", &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "missing_link"})
	}
	page, err := halving(ctx, size, func(size int) (graph.Page, error) {
		return m.graph.DeltaNext(ctx, link, size)
	})
	if err == nil && (page.NextLink == link || page.NextLink == "" && page.DeltaLink == "") {
		err = m.fail("changes", &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "missing_link"})
	}
	return page, err
}

// Changes implements [mailbox.Mailbox]. A bite is one page of one folder; folders
// take turns. A page that Graph makes larger than asked is returned whole, since
// it cannot be asked for in part.
func (m *Mailbox) Changes(ctx context.Context, from mailbox.Cursor, limit int) (mailbox.Changes, error) {
	if err := m.need("changes", mailbox.CanReadHeaders); err != nil {
		return mailbox.Changes{}, err
	}
	limit = cmp.Or(limit, defaultBite)
	if limit < 0 {
		return mailbox.Changes{}, m.fail("changes", mailbox.Invalid("max", "0 or more", "is negative"))
	}
	c, err := parseCursor(from)
	if err != nil {
		return mailbox.Changes{}, m.fail("changes", err.(*mailbox.Error))
	}
	if !mailbox.SameAddress(c.Mailbox, m.graph.User) { // renamed, or somebody else's
		return mailbox.Changes{}, m.fail("changes", &mailbox.Error{Class: mailbox.ClassCursorLost, Code: "cursor_mailbox"})
	}
	chain := &c.Folders[c.Turn]
	page, err := m.follow(ctx, chain.Link, min(limit, maxPage))
	if err != nil {
		return mailbox.Changes{}, err
	}
	changes, err := m.changesOf(ctx, page.Messages, chain.Folder, c)
	if err != nil {
		return mailbox.Changes{}, err
	}
	more := true
	if chain.Link = page.NextLink; chain.Link == "" {
		chain.Link = page.DeltaLink
		c.Turn = (c.Turn + 1) % len(c.Folders)
		more = c.Turn != 0
	}
	return mailbox.Changes{Changes: changes, Next: c.encode(), More: more}, nil
}

// changesOf turns a page into changes and remembers them in c. Everything that
// the page does not tell is read by id: what was removed (Graph reports a move
// that way, and loses the other end of some), what comes with a few properties
// only (changed read state), and header blocks.
func (m *Mailbox) changesOf(ctx context.Context, page []graph.Message, folder mailbox.Folder, c *cursor) ([]mailbox.Change, error) {
	page = latest(page)
	var ids []mailbox.MessageID
	for _, g := range page {
		if m.incomplete(&g) {
			ids = append(ids, mailbox.MessageID(g.ID))
		}
	}
	read := map[string]*graph.Message{}
	folders := &folderMap{}
	if len(ids) > 0 {
		all, err := m.get(ctx, ids, mailbox.PartHeaders)
		if err != nil {
			return nil, err
		}
		for i, g := range all {
			read[string(ids[i])] = g
		}
		if folders, err = m.folderMap(ctx); err != nil {
			return nil, err
		}
	}
	changes := make([]mailbox.Change, 0, len(page))
	for _, g := range page {
		in := folder
		if now, asked := read[g.ID]; asked {
			switch {
			case now != nil:
				g = *now
				in = cmp.Or(folders.of(g.ParentFolderID), folder)
			case g.Removed || g.ReceivedDateTime == "":
				changes = append(changes, mailbox.Change{Kind: mailbox.ChangeRemoved, ID: mailbox.MessageID(g.ID)})
				continue
			}
			// One that was deleted a moment ago is told with what the page had.
		}
		if g.IsDraft {
			continue
		}
		kind := mailbox.ChangeUpdated
		if c.watches(in) && !c.Known.has(g.ID) {
			kind = mailbox.ChangeAdded
		}
		c.Known = c.Known.add(g.ID)
		changes = append(changes, mailbox.Change{Kind: kind, ID: mailbox.MessageID(g.ID), Message: convert(&g, in)})
	}
	slices.SortStableFunc(changes, func(a, b mailbox.Change) int {
		if a.Message == nil || b.Message == nil {
			return cmp.Compare(btoi(a.Message == nil), btoi(b.Message == nil))
		}
		return a.Message.ReceivedAt.Compare(b.Message.ReceivedAt)
	})
	return changes, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// incomplete reports whether a message has to be read by id.
func (m *Mailbox) incomplete(g *graph.Message) bool {
	return g.Removed || g.ReceivedDateTime == "" || g.Header == nil && !m.noHeaderBlock.Load()
}

// latest keeps the last entry of each message: entries may repeat in a round.
func latest(page []graph.Message) []graph.Message {
	last := make(map[string]int, len(page))
	for i, g := range page {
		last[g.ID] = i
	}
	out := make([]graph.Message, 0, len(last))
	for i, g := range page {
		if last[g.ID] == i && g.ID != "" {
			out = append(out, g)
		}
	}
	return out
}

// watches reports whether changes of a folder are followed.
func (c *cursor) watches(f mailbox.Folder) bool {
	return slices.ContainsFunc(c.Folders, func(chain folderChain) bool { return chain.Folder == f })
}
