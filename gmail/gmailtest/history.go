package gmailtest

import (
	"slices"
	"strconv"
	"time"
)

// record is one change of a mailbox.
type record struct {
	id          uint64
	at          time.Time
	kind        string // a value of historyTypes
	msg, thread string
	labels      []string // of the message after the change
	changed     []string // labels added or removed
	hidden      *hidden
}

const (
	kindAdded        = "messageAdded"
	kindDeleted      = "messageDeleted"
	kindLabelAdded   = "labelAdded"
	kindLabelRemoved = "labelRemoved"
)

// note appends a record about m. Ids grow with gaps, as Google says they do.
func (s *Server) note(b *box, kind string, m *message, changed ...string) {
	b.historyID += 1 + s.rand.Uint64N(40)
	m.historyID = b.historyID
	b.history = append(b.history, record{
		id: b.historyID, at: s.Now(), kind: kind, msg: m.id, thread: m.thread,
		labels: slices.Clone(m.labels), changed: changed, hidden: m.hidden,
	})
}

// visible returns the records that can be seen now: everything before the first
// one that still hides. Readers stand on a replica that lags, therefore a hidden
// record also holds back later ones, and none is ever skipped.
func (b *box) visible(now time.Time) []record {
	if len(b.hiding) == 0 {
		return b.history
	}
	for i, r := range b.history {
		if !r.hidden.over(now) {
			return b.history[:i]
		}
	}
	return b.history
}

// present is the history id that readers are told.
func (b *box) present(now time.Time) uint64 {
	seen := b.visible(now)
	if len(seen) == len(b.history) {
		return b.historyID
	}
	if len(seen) == 0 {
		return b.base
	}
	return seen[len(seen)-1].id
}

// listed counts a list of messages or history against what hides from lists.
func (b *box) listed(now time.Time) {
	b.hiding = slices.DeleteFunc(b.hiding, func(h *hidden) bool {
		h.requests--
		return h.over(now)
	})
}

type historyJSON struct {
	History       []recordJSON `json:"history,omitempty"`
	NextPageToken string       `json:"nextPageToken,omitempty"`
	HistoryID     string       `json:"historyId"`
}

type recordJSON struct {
	ID              string          `json:"id"`
	Messages        []messageJSON   `json:"messages"`
	MessagesAdded   []changedJSON   `json:"messagesAdded,omitempty"`
	MessagesDeleted []changedJSON   `json:"messagesDeleted,omitempty"`
	LabelsAdded     []relabeledJSON `json:"labelsAdded,omitempty"`
	LabelsRemoved   []relabeledJSON `json:"labelsRemoved,omitempty"`
}

type changedJSON struct {
	Message messageJSON `json:"message"`
}

type relabeledJSON struct {
	Message  messageJSON `json:"message"`
	LabelIDs []string    `json:"labelIds"`
}

func (c *call) historyList() (any, *apiError) {
	start, err := c.uint64Param("startHistoryId")
	if err != nil {
		return nil, err
	}
	if !c.query.Has("startHistoryId") {
		return nil, badArgument("Missing required parameter: startHistoryId")
	}
	limit, err := c.maxResults()
	if err != nil {
		return nil, err
	}
	for _, t := range c.query["historyTypes"] {
		if !slices.Contains([]string{kindAdded, kindDeleted, kindLabelAdded, kindLabelRemoved}, t) {
			return nil, badArgument("Invalid value at 'history_types': %q", t)
		}
	}
	if id := c.query.Get("labelId"); id != "" && !c.b.knows(id) {
		return nil, badArgument("Invalid label: %s", id)
	}
	defer c.b.listed(c.now)

	present := c.b.present(c.now)
	if start < c.b.floor || start > c.b.historyID || start < c.oldest() {
		return nil, notFound()
	}
	out := historyJSON{HistoryID: strconv.FormatUint(present, 10)}
	page := c.query.Get("pageToken")
	if page == "" && c.s.opts.EmptyHistoryPages && start < present {
		out.NextPageToken = c.pageToken(int64(start), 0)
		return out, nil
	}
	if page != "" {
		from, _, err := c.readPageToken(page)
		if err != nil {
			return nil, err
		}
		start = max(start, uint64(from))
	}
	seen := c.b.visible(c.now)
	first, _ := slices.BinarySearchFunc(seen, start+1, func(r record, id uint64) int {
		if r.id < id {
			return -1
		}
		return 1
	})
	for _, r := range seen[first:] {
		if !c.wants(r) {
			continue
		}
		if len(out.History) == limit {
			last, _ := strconv.ParseUint(out.History[limit-1].ID, 10, 64)
			out.NextPageToken = c.pageToken(int64(last), 0)
			break
		}
		out.History = append(out.History, r.json())
	}
	return out, nil
}

// oldest returns the id that history begins after: records older than
// Options.HistoryAge are gone.
func (c *call) oldest() uint64 {
	limit := c.now.Add(-c.s.opts.HistoryAge)
	for _, r := range slices.Backward(c.b.history) {
		if r.at.Before(limit) {
			return r.id
		}
	}
	return c.b.base
}

func (c *call) wants(r record) bool {
	if types := c.query["historyTypes"]; len(types) > 0 && !slices.Contains(types, r.kind) {
		return false
	}
	id := c.query.Get("labelId")
	return id == "" || slices.Contains(r.labels, id) || slices.Contains(r.changed, id)
}

func (r record) json() recordJSON {
	ref := messageJSON{ID: r.msg, ThreadID: r.thread}
	full := ref
	full.LabelIDs = r.labels
	out := recordJSON{ID: strconv.FormatUint(r.id, 10), Messages: []messageJSON{ref}}
	switch r.kind {
	case kindAdded:
		out.MessagesAdded = []changedJSON{{full}}
	case kindDeleted:
		out.MessagesDeleted = []changedJSON{{full}}
	case kindLabelAdded:
		out.LabelsAdded = []relabeledJSON{{full, r.changed}}
	case kindLabelRemoved:
		out.LabelsRemoved = []relabeledJSON{{full, r.changed}}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
