package outlooktest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// chain is the sync state of one delta query: it begins with a request
// without a token and lives in the links that are answered. Only its last
// states are kept (microsoftgraph/microsoft-graph-docs issues 2350 and 2877).
type chain struct {
	number  uint64
	query   deltaQuery
	states  map[uint64]*state // by generation
	highest uint64
}

// state is what one link stands for.
type state struct {
	since uint64  // changes up to here were reported in earlier rounds
	upto  uint64  // this round goes up to here
	rest  []entry // what is left of this round; nil behind a deltaLink
	again []entry // the last changes of the round before
	open  bool    // a nextLink
}

// entry is one change of a round.
type entry struct {
	item *item
	seq  uint64
	gone *tombstone
}

// deltaQuery are the options that the links carry.
type deltaQuery struct {
	properties []string
	since      time.Time // $filter=receivedDateTime ge
	after      bool      // gt
	top        int
	kinds      string // changeType
}

var deltaOptions = []string{"$select", "$top", "$filter", "$orderby", "changeType", "$deltatoken", "$skiptoken"}

func (c *call) delta() (answer, error) {
	if err := c.known(deltaOptions...); err != nil {
		return answer{}, err
	}
	f := c.box.folder(c.vars[0])
	if f == nil {
		return answer{}, folderNotFound(c.vars[0])
	}
	ch, st, gen, err := c.resume(f)
	if err != nil {
		return answer{}, err
	}
	page := c.page(ch)
	if st == nil || !st.open {
		st = c.newRound(f, ch, st)
		if c.s.options.DeltaEmptyPages {
			page = 0
		}
	}
	n := min(page, len(st.rest))
	value := make([]any, 0, n)
	for _, e := range st.rest[:n] {
		value = append(value, c.change(ch, st, e))
	}
	next := &state{since: st.since, upto: st.upto, rest: st.rest[n:], open: true, again: st.again}
	body := map[string]any{"@odata.context": c.context("mailFolders('" + f.id + "')/messages/$delta"), "value": value}
	if len(next.rest) == 0 && page > 0 {
		next = &state{since: st.upto, again: st.again}
		body["@odata.deltaLink"] = c.deltaLink(f, "$deltatoken", ch, gen+1)
	} else {
		body["@odata.nextLink"] = c.deltaLink(f, "$skiptoken", ch, gen+1)
	}
	ch.keep(gen+1, next, uint64(c.s.options.DeltaStates))
	return answer{status: http.StatusOK, body: body}, nil
}

// keep stores the state that an answer leads to, and forgets old ones.
func (ch *chain) keep(gen uint64, st *state, n uint64) {
	ch.states[gen] = st
	ch.highest = max(ch.highest, gen)
	for g := range ch.states {
		if g+n <= ch.highest {
			delete(ch.states, g)
		}
	}
}

// resume finds the chain and the state behind the token of the request, or
// starts a chain.
func (c *call) resume(f *folder) (*chain, *state, uint64, error) {
	token := first(c.query.Get("$deltatoken"), c.query.Get("$skiptoken"))
	if token == "" || token == "latest" { // "latest" is not offered for mail
		q, err := c.deltaQuery()
		if err != nil {
			return nil, nil, 0, err
		}
		f.chainNext++
		ch := &chain{number: f.chainNext, query: q, states: map[uint64]*state{}}
		f.chains = append(f.chains, ch)
		if extra := len(f.chains) - c.s.options.DeltaChains; extra > 0 {
			f.chains = slices.Delete(f.chains, 0, extra)
		}
		return ch, nil, 0, nil
	}
	kind, number, gen, ok := parseToken(token, f)
	if !ok || kind == "$deltatoken" != c.query.Has("$deltatoken") {
		return nil, nil, 0, refuse(http.StatusBadRequest, "SyncStateInvalid", "The sync state is not valid.")
	}
	i := slices.IndexFunc(f.chains, func(ch *chain) bool { return ch.number == number })
	if i < 0 || f.chains[i].states[gen] == nil {
		return nil, nil, 0, syncStateNotFound()
	}
	return f.chains[i], f.chains[i].states[gen], gen, nil
}

// deltaQuery reads the options of a first request.
func (c *call) deltaQuery() (q deltaQuery, err error) {
	want, err := c.selection()
	if err != nil {
		return q, err
	}
	q.properties = want.properties
	if slices.Contains(q.properties, "internetMessageHeaders") {
		switch c.s.options.DeltaHeaders {
		case Refuse:
			return q, badRequest("The property 'internetMessageHeaders' is not supported here.")
		case Omit:
			q.properties = slices.DeleteFunc(slices.Clone(q.properties), func(s string) bool { return s == "internetMessageHeaders" })
		}
	}
	if v := c.query.Get("$orderby"); v != "" && !strings.EqualFold(v, "receivedDateTime desc") {
		return q, badRequest("Only $orderby=receivedDateTime desc is supported.")
	}
	if q.top, err = c.number("$top", 0); err != nil {
		return q, err
	}
	if q.top > maxTop {
		return q, badRequest("The value of $top has to be between 1 and 1000.")
	}
	q.kinds = c.query.Get("changeType")
	if q.kinds != "" && find([]string{"created", "updated", "deleted"}, q.kinds) == "" {
		return q, badRequest("The changeType is not valid.")
	}
	e, err := c.filter()
	if err != nil || e == nil {
		return q, err
	}
	bound, ok := e.(compare)
	if !ok || bound.property != "receivedDateTime" || bound.op != "ge" && bound.op != "gt" {
		return q, badRequest("Only $filter=receivedDateTime ge and gt are supported.")
	}
	q.since, q.after = bound.at, bound.op == "gt"
	return q, nil
}

func (q deltaQuery) wants(received time.Time) bool {
	if q.after {
		return received.After(q.since)
	}
	return !received.Before(q.since)
}

// page is how many changes fit into an answer.
func (c *call) page(ch *chain) int {
	switch {
	case c.pageSize > 0:
		return min(c.pageSize, maxTop)
	case ch.query.top > 0:
		return ch.query.top
	}
	return defaultTop
}

// newRound collects the changes since the last one, oldest first; the first
// round is the whole folder, newest first.
func (c *call) newRound(f *folder, ch *chain, last *state) *state {
	st := &state{upto: c.box.settled(c.s.now())}
	if last != nil {
		st.since = last.since
	}
	for _, it := range f.items {
		gone, left := f.removed[it.number]
		switch {
		case it.changed <= st.since || it.changed > st.upto || !ch.query.wants(it.received):
		case it.moved && it.entered > st.since && last != nil && c.s.options.DeltaOmitsMoves:
		case left && gone.seq > st.since && it.entered > gone.seq && last != nil && c.s.options.DeltaLosesMoves:
			st.rest = append(st.rest, entry{it, gone.seq, &gone})
		case ch.query.kinds == "created" && it.entered <= st.since, ch.query.kinds == "updated" && it.entered > st.since, ch.query.kinds == "deleted":
		default:
			st.rest = append(st.rest, entry{item: it, seq: it.changed})
		}
	}
	if last != nil && (ch.query.kinds == "" || ch.query.kinds == "deleted") {
		for number, gone := range f.removed {
			if _, back := f.items[number]; gone.seq > st.since && gone.seq <= st.upto && !back && ch.query.wants(gone.received) {
				st.rest = append(st.rest, entry{gone.item, gone.seq, &gone})
			}
		}
	}
	slices.SortFunc(st.rest, func(a, b entry) int {
		if last == nil {
			return newestFirst(a.item, b.item)
		}
		return cmp.Compare(a.seq, b.seq)
	})
	n := c.s.options.DeltaReplays
	st.again = slices.Clone(st.rest[max(len(st.rest)-n, 0):])
	if last != nil && n > 0 {
		st.rest = append(slices.Clone(last.again), st.rest...)
	}
	return st
}

// change renders one entry. What left the folder while the round was read is
// reported as removed.
func (c *call) change(ch *chain, st *state, e entry) map[string]any {
	gone := e.gone
	if gone == nil && (e.item.gone || !c.inFolder(e.item)) {
		t := c.box.folder(c.vars[0]).removed[e.item.number]
		gone = &t
	}
	if gone != nil {
		id := gone.mutable
		if c.immutable {
			id = e.item.immutableID()
		}
		reason := "changed"
		if gone.deleted {
			reason = "deleted"
		}
		return map[string]any{"@odata.type": "#microsoft.graph.message", "id": id, "@removed": map[string]any{"reason": reason}}
	}
	want := ch.query.properties
	if c.s.options.DeltaPartial && st.since > 0 && e.item.entered <= st.since {
		want = slices.DeleteFunc(slices.Clone(want), func(p string) bool {
			return !slices.Contains([]string{"id", "isRead", "flag", "categories", "importance"}, p)
		})
	}
	out := projector{c, selection{properties: want}}.message(e.item)
	out["@odata.type"] = "#microsoft.graph.message"
	return out
}

func (c *call) inFolder(it *item) bool { return it.folder == c.box.folder(c.vars[0]) }

// deltaLink is an opaque, absolute link. It is neutral about the flavour of
// ids: that stays with the Prefer header of each request.
func (c *call) deltaLink(f *folder, kind string, ch *chain, gen uint64) string {
	token := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s|%d|%d|%d", kind, f.number, ch.number, gen))
	return c.s.URL() + c.root + "/mailFolders('" + url.PathEscape(f.id) + "')/messages/delta?" + kind + "=" + token
}

func parseToken(token string, f *folder) (kind string, number, gen uint64, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", 0, 0, false
	}
	kind, rest, _ := strings.Cut(string(b), "|")
	var folder uint64
	n, err := fmt.Sscanf(rest, "%d|%d|%d", &folder, &number, &gen)
	return kind, number, gen, err == nil && n == 3 && folder == f.number
}
