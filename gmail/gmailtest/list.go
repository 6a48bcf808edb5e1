package gmailtest

import (
	"slices"
	"strings"
)

// selection is what a list of messages or threads asks for.
type selection struct {
	labels       []string
	terms        []term
	spamAndTrash bool
}

func (c *call) selection() (*selection, *apiError) {
	sel := &selection{labels: c.query["labelIds"]}
	for _, id := range sel.labels {
		if !c.b.knows(id) {
			return nil, badArgument("Invalid label: %s", id)
		}
	}
	all, err := c.boolParam("includeSpamTrash")
	if err != nil {
		return nil, err
	}
	terms, bad := parseQuery(c.query.Get("q"))
	if bad != nil {
		return nil, badArgument("gmailtest does not support %s", bad)
	}
	sel.terms = terms
	sel.spamAndTrash = all || slices.ContainsFunc(terms, func(t term) bool {
		return t.op == "in" && (t.value == "anywhere" || t.value == "spam" || t.value == "trash")
	})
	return sel, nil
}

// takes reports whether a message belongs to the list.
func (sel *selection) takes(c *call, m *message) bool {
	if !m.hidden.over(c.now) || !sel.spamAndTrash && (m.has(labelSpam) || m.has(labelTrash)) {
		return false
	}
	for _, id := range sel.labels {
		if !m.has(id) {
			return false
		}
	}
	if len(sel.terms) > 0 && c.now.Before(m.indexed) {
		return false
	}
	for _, t := range sel.terms {
		if t.matches(c.b, m) == t.not {
			return false
		}
	}
	return true
}

type messagesJSON struct {
	Messages           []*messageJSON `json:"messages,omitempty"`
	NextPageToken      string         `json:"nextPageToken,omitempty"`
	ResultSizeEstimate int            `json:"resultSizeEstimate"`
}

func (c *call) messagesList() (any, *apiError) {
	page, err := c.page(nil)
	if err != nil {
		return nil, err
	}
	out := messagesJSON{NextPageToken: page.next, ResultSizeEstimate: page.estimate}
	for _, m := range page.messages {
		out.Messages = append(out.Messages, &messageJSON{ID: m.id, ThreadID: m.thread})
	}
	return out, nil
}

// page is one page of a list, newest first.
type page struct {
	messages []*message
	next     string
	estimate int
}

// page reads the page that the query asks for. With a key only the newest
// message of each key counts (threads).
func (c *call) page(key func(*message) string) (page, *apiError) {
	sel, err := c.selection()
	if err != nil {
		return page{}, err
	}
	limit, err := c.maxResults()
	if err != nil {
		return page{}, err
	}
	after := func(*message) bool { return true }
	if token := c.query.Get("pageToken"); token != "" {
		at, seq, err := c.readPageToken(token)
		if err != nil {
			return page{}, err
		}
		after = func(m *message) bool {
			ms := m.at.UnixMilli()
			return ms < at || ms == at && int64(m.seq) < seq
		}
	}
	defer c.b.listed(c.now)
	var out page
	more := false
	seen := map[string]bool{}
	for _, m := range c.b.order {
		if !sel.takes(c, m) {
			continue
		}
		if key != nil {
			if seen[key(m)] {
				continue
			}
			seen[key(m)] = true
		}
		out.estimate++
		switch {
		case !after(m):
		case len(out.messages) < limit:
			out.messages = append(out.messages, m)
		default:
			more = true
		}
	}
	if more {
		last := out.messages[limit-1]
		out.next = c.pageToken(last.at.UnixMilli(), int64(last.seq))
	}
	out.estimate += out.estimate / 8 // an estimate, as documented: never a count
	if c.s.opts.Disorder {
		for i := 0; i+1 < len(out.messages); i += 2 {
			out.messages[i], out.messages[i+1] = out.messages[i+1], out.messages[i]
		}
	}
	return out, nil
}

type threadJSON struct {
	ID        string         `json:"id"`
	Snippet   string         `json:"snippet,omitempty"`
	HistoryID string         `json:"historyId"`
	Messages  []*messageJSON `json:"messages,omitempty"`
}

type threadsJSON struct {
	Threads            []threadJSON `json:"threads,omitempty"`
	NextPageToken      string       `json:"nextPageToken,omitempty"`
	ResultSizeEstimate int          `json:"resultSizeEstimate"`
}

func (c *call) threadsList() (any, *apiError) {
	page, err := c.page(func(m *message) string { return m.thread })
	if err != nil {
		return nil, err
	}
	out := threadsJSON{NextPageToken: page.next, ResultSizeEstimate: page.estimate}
	for _, m := range page.messages {
		out.Threads = append(out.Threads, threadJSON{
			ID: m.thread, Snippet: m.snippet(), HistoryID: utoa(c.b.threadHistory(m.thread)),
		})
	}
	return out, nil
}

func (c *call) threadsGet() (any, *apiError) {
	id := strings.ToLower(c.r.PathValue("id"))
	in := c.b.threads[id]
	if len(in) == 0 {
		return nil, notFound()
	}
	if c.format() == formatRaw {
		return nil, badArgument("Invalid value at 'format': %q", formatRaw)
	}
	out := threadJSON{ID: id, HistoryID: utoa(c.b.threadHistory(id))}
	for _, m := range in {
		rendered, err := c.render(m)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, rendered)
	}
	return out, nil
}

// threadHistory is the newest history id of a thread.
func (b *box) threadHistory(id string) uint64 {
	var last uint64
	for _, m := range b.threads[id] {
		last = max(last, m.historyID)
	}
	return last
}
