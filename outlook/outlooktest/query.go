package outlooktest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// selection is what $select and $expand ask for.
type selection struct {
	properties       []string
	attachments      bool
	attachmentSelect []string
	extended         []string // keys
}

// messageProperties are all that $select may name.
var messageProperties = append([]string{"internetMessageHeaders", "uniqueBody"}, defaultProperties...)

// navigations may stand in $select too; they are given by $expand only.
var navigations = []string{"attachments", "extensions", "singleValueExtendedProperties", "multiValueExtendedProperties"}

// find returns the property as it is spelled, or "".
func find(list []string, name string) string {
	i := slices.IndexFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
	if i < 0 {
		return ""
	}
	return list[i]
}

// selection reads $select and $expand, and holds them against the scopes.
func (c *call) selection() (selection, error) {
	var sel selection
	sel.properties = defaultProperties
	if v := c.query.Get("$select"); v != "" {
		sel.properties = []string{"id"}
		for _, name := range splitList(v) {
			prop := find(messageProperties, name)
			switch {
			case prop == "" && find(navigations, name) == "":
				return sel, badRequest("Parsing OData Select and Expand failed: Could not find a property named '" + name + "' on type 'microsoft.graph.message'.")
			case prop != "" && !slices.Contains(sel.properties, prop):
				sel.properties = append(sel.properties, prop)
			}
		}
	}
	if c.basic() {
		if err := c.restrict(&sel); err != nil {
			return sel, err
		}
	}
	for _, e := range splitTop(c.query.Get("$expand")) {
		if c.basic() {
			return sel, accessDenied()
		}
		name, options := cutOptions(e)
		switch strings.ToLower(name) {
		case "attachments":
			sel.attachments = true
			for _, o := range strings.Split(options, ";") {
				if v, ok := strings.CutPrefix(strings.TrimSpace(o), "$select="); ok {
					sel.attachmentSelect = splitList(v)
				}
			}
		case "singlevalueextendedproperties":
			keys, err := propertyFilter(options)
			if err != nil {
				return sel, err
			}
			sel.extended = keys
		default:
			return sel, badRequest("Parsing OData Select and Expand failed: '" + name + "' cannot be expanded.")
		}
	}
	return sel, nil
}

// restrict takes out what Mail.ReadBasic does not give.
func (c *call) restrict(sel *selection) error {
	explicit := c.query.Has("$select")
	kept := make([]string, 0, len(sel.properties))
	for _, name := range sel.properties {
		policy := Allow
		switch {
		case slices.Contains(bodyProperties, name):
			policy = Omit
			if explicit {
				policy = c.s.options.ReadBasicBody
			}
		case name == "internetMessageHeaders":
			policy = c.s.options.ReadBasicHeaders
		}
		switch policy {
		case Refuse:
			return accessDenied()
		case Allow:
			kept = append(kept, name)
		}
	}
	sel.properties = kept
	return nil
}

// splitTop splits at commas outside parentheses and quotes.
func splitTop(s string) []string {
	var out []string
	depth, quoted, start := 0, false, 0
	for i, ch := range s {
		switch {
		case ch == '\'':
			quoted = !quoted
		case quoted:
		case ch == '(':
			depth++
		case ch == ')':
			depth--
		case ch == ',' && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	out = append(out, s[start:])
	return slices.DeleteFunc(out, func(s string) bool { return strings.TrimSpace(s) == "" })
}

// cutOptions takes "name(options)" apart.
func cutOptions(s string) (name, options string) {
	s = strings.TrimSpace(s)
	name, options, ok := strings.Cut(s, "(")
	if ok {
		options = strings.TrimSuffix(options, ")")
	}
	return strings.TrimSpace(name), options
}

// propertyFilter reads "$filter=id eq 'a' or id eq 'b'".
func propertyFilter(options string) ([]string, error) {
	v, ok := strings.CutPrefix(strings.TrimSpace(options), "$filter=")
	if !ok {
		return nil, badRequest("Extended properties have to be named by a $filter on id.")
	}
	var keys []string
	for clause := range strings.SplitSeq(v, " or ") {
		rest, ok := cutPrefixFold(strings.TrimSpace(clause), "id eq ")
		rest = strings.TrimSpace(rest)
		if !ok || len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
			return nil, badRequest("Extended properties have to be named by a $filter on id.")
		}
		keys = append(keys, propertyKey(strings.ReplaceAll(rest[1:len(rest)-1], "''", "'")))
	}
	return keys, nil
}

// order is one property of $orderby.
type order struct {
	property string
	desc     bool
}

// orderable are the properties a list can be sorted by.
var orderable = map[string]func(a, b *item) int{
	"receivedDateTime":     func(a, b *item) int { return a.received.Compare(b.received) },
	"sentDateTime":         func(a, b *item) int { return a.sent.Compare(b.sent) },
	"createdDateTime":      func(a, b *item) int { return a.created.Compare(b.created) },
	"lastModifiedDateTime": func(a, b *item) int { return a.modified.Compare(b.modified) },
	"subject":              func(a, b *item) int { return cmp.Compare(strings.ToLower(a.subject), strings.ToLower(b.subject)) },
	"isRead": func(a, b *item) int {
		switch {
		case a.read == b.read:
			return 0
		case b.read:
			return -1
		}
		return 1
	},
}

func readOrder(v string) ([]order, error) {
	var out []order
	for _, part := range splitList(v) {
		name, dir, _ := strings.Cut(part, " ")
		var o order
		for prop := range orderable {
			if strings.EqualFold(prop, name) {
				o.property = prop
			}
		}
		switch strings.ToLower(strings.TrimSpace(dir)) {
		case "desc":
			o.desc = true
		case "", "asc":
		default:
			o.property = ""
		}
		if o.property == "" {
			return nil, badRequest("The $orderby '" + part + "' is not supported.")
		}
		out = append(out, o)
	}
	return out, nil
}

// maxTop is the largest page, defaultTop the usual one
// (learn.microsoft.com/graph/api/user-list-messages, read 2026-11).
const (
	maxTop     = 1000
	defaultTop = 10
)

// number reads a query option that is a number.
func (c *call) number(name string, byDefault int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, badRequest("Invalid value '" + v + "' for the query option " + name + ".")
	}
	return n, nil
}

// listQuery is a list request, read.
type listQuery struct {
	filter    expr
	orders    []order
	top, skip int
	count     bool
	want      selection
}

// listOptions are the query options of a list.
var listOptions = []string{"$select", "$expand", "$filter", "$orderby", "$top", "$skip", "$count", "$search", "includehiddenmessages"}

// known refuses query options that do not belong there.
func (c *call) known(options ...string) error {
	for name := range c.query {
		if find(options, name) == "" {
			return badRequest("The query option '" + name + "' is not supported.")
		}
	}
	return nil
}

func (c *call) listQuery() (q listQuery, err error) {
	if err := c.known(listOptions...); err != nil {
		return q, err
	}
	if c.query.Has("$search") {
		if c.basic() {
			return q, accessDenied()
		}
		return q, notModelled("$search")
	}
	if q.want, err = c.selection(); err != nil {
		return q, err
	}
	if q.orders, err = readOrder(c.query.Get("$orderby")); err != nil {
		return q, err
	}
	if q.filter, err = c.filter(); err != nil {
		return q, err
	}
	if q.filter != nil && !inOrder(q.filter, q.orders) {
		return q, inefficientFilter()
	}
	page := defaultTop
	if c.pageSize > 0 {
		page = min(c.pageSize, maxTop)
	}
	if q.top, err = c.number("$top", page); err != nil {
		return q, err
	}
	if q.top > maxTop || q.top == 0 {
		return q, badRequest("The value of $top has to be between 1 and 1000.")
	}
	if q.skip, err = c.number("$skip", 0); err != nil {
		return q, err
	}
	q.count = strings.EqualFold(c.query.Get("$count"), "true")
	return q, nil
}

// filter reads $filter and holds it against the scopes.
func (c *call) filter() (expr, error) {
	v := c.query.Get("$filter")
	if v == "" {
		return nil, nil
	}
	e, err := parseFilter(v)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes: "+err.Error())
	}
	if c.basic() && e.extended() {
		return nil, accessDenied()
	}
	return e, nil
}

// inOrder is the rule behind InefficientFilter: all properties of $orderby
// stand in $filter, in the same order, before all others
// (learn.microsoft.com/graph/api/user-list-messages, read 2026-11).
func inOrder(f expr, orders []order) bool {
	var named []string
	for _, p := range f.properties(nil) {
		if !slices.Contains(named, p) {
			named = append(named, p)
		}
	}
	for i, o := range orders {
		if i >= len(named) || named[i] != o.property {
			return false
		}
	}
	return true
}

// items runs the query over a folder, or over the whole mailbox.
func (q listQuery) items(b *box, f *folder) []*item {
	all := slices.DeleteFunc(b.sorted(f), func(it *item) bool {
		return b.hidden(it) || q.filter != nil && !q.filter.matches(it)
	})
	if len(q.orders) > 0 {
		slices.SortStableFunc(all, func(a, b *item) int {
			for _, o := range q.orders {
				n := orderable[o.property](a, b)
				if o.desc {
					n = -n
				}
				if n != 0 {
					return n
				}
			}
			return 0
		})
	}
	return all
}

// next is the link to the rest of a list.
func (c *call) next(q listQuery) string {
	v := url.Values{}
	for name, vs := range c.query {
		v[name] = vs
	}
	v.Set("$skip", strconv.Itoa(q.skip+q.top))
	v.Set("$top", strconv.Itoa(q.top))
	return c.s.URL() + c.r.URL.EscapedPath() + "?" + v.Encode()
}
