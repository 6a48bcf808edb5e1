package outlooktest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Properties of a user: those that come without $select, and those that
// User.ReadBasic.All lets see of others
// (learn.microsoft.com/graph/permissions-reference, read 2026-11).
var (
	userProperties = []string{
		"businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone",
		"officeLocation", "preferredLanguage", "surname", "userPrincipalName",
	}
	basicProperties = []string{"displayName", "givenName", "id", "mail", "surname", "userPrincipalName"}
)

func requestDenied() *apiError {
	return refuse(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

// user serves /me and /users/{id}.
func (c *call) user() (answer, error) {
	if c.r.Method != http.MethodGet {
		return answer{}, notModelled(c.r.Method + " " + c.r.URL.Path)
	}
	if !c.shared && c.app() == "" {
		if !c.has("User.Read", "User.ReadWrite", "User.Read.All", "User.ReadBasic.All") {
			return answer{}, requestDenied()
		}
	} else if !c.readsDirectory() {
		return answer{}, requestDenied()
	}
	body := c.properties(c.box, !c.shared)
	body["@odata.context"] = c.s.URL() + "/v1.0/$metadata#users/$entity"
	return answer{status: http.StatusOK, body: body}, nil
}

// readsDirectory reports whether the token may read profiles of others. Of the
// application permissions only User.Read.All lets an app do so
// (learn.microsoft.com/answers/questions/6019739, 2026-09).
func (c *call) readsDirectory() bool {
	if c.app() != "" {
		return c.has("User.Read.All")
	}
	return !c.own.user.Personal && c.has("User.ReadBasic.All", "User.Read.All")
}

// properties returns the selected properties of a user. Of others than the
// signed-in user, User.ReadBasic.All shows no more than the basic ones.
func (c *call) properties(b *box, self bool) map[string]any {
	u := b.user
	given, surname, _ := strings.Cut(u.Name, " ")
	proxies := []string{"SMTP:" + u.Address}
	for _, a := range u.Aliases {
		proxies = append(proxies, "smtp:"+a)
	}
	var mail any = u.Address
	if u.NoMailbox {
		mail, proxies = nil, []string{}
	}
	if u.Personal {
		proxies = []string{}
	}
	all := map[string]any{
		"businessPhones": []string{}, "displayName": u.Name, "givenName": given, "id": u.ID, "jobTitle": nil,
		"mail": mail, "mobilePhone": nil, "officeLocation": nil, "preferredLanguage": nil, "surname": surname,
		"userPrincipalName": u.UserPrincipalName, "proxyAddresses": proxies, "otherMails": []string{},
		"identities": []any{}, "accountEnabled": !u.Shared, "userType": "Member",
	}
	selected := userProperties
	if v := c.query.Get("$select"); v != "" {
		selected = append(splitList(v), "id")
	}
	basic := !self && !c.has("User.Read.All")
	body := map[string]any{}
	for name, v := range all {
		if basic && !slices.Contains(basicProperties, name) {
			continue
		}
		if slices.ContainsFunc(selected, func(s string) bool { return strings.EqualFold(s, name) }) {
			body[name] = v
		}
	}
	return body
}

// Page sizes of a list of users (learn.microsoft.com/graph/api/user-list, read
// 2026-11).
const (
	usersPage    = 100
	maxUsersPage = 999
)

// listUsers serves /users: the directory of the token.
func (c *call) listUsers() (answer, error) {
	if c.r.Method != http.MethodGet {
		return answer{}, notModelled(c.r.Method + " /users")
	}
	if !c.readsDirectory() {
		return answer{}, requestDenied()
	}
	size, skip := usersPage, 0
	var err error
	for name := range c.query {
		v := c.query.Get(name)
		switch name {
		case "$select", "$filter":
		case "$top":
			if size, err = strconv.Atoi(v); err != nil || size < 1 || size > maxUsersPage {
				return answer{}, refuse(http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid page size specified: '"+v+"'. Must be between 1 and 999 inclusive.")
			}
		case "$skiptoken":
			if skip, err = strconv.Atoi(v); err != nil || skip < 0 {
				return answer{}, badRequest("The skip token is not valid.")
			}
		default:
			return answer{}, notModelled(name + " on /users")
		}
	}
	matches, err := parseUserFilter(c.query.Get("$filter"))
	if err != nil {
		return answer{}, err
	}
	found := slices.DeleteFunc(slices.Clone(c.s.boxes), func(b *box) bool {
		return b.user.TenantID != c.tenant() || !matches(&b.user)
	})
	slices.SortStableFunc(found, func(a, b *box) int {
		return strings.Compare(strings.ToLower(a.user.Name), strings.ToLower(b.user.Name))
	})
	body := map[string]any{"@odata.context": c.s.URL() + "/v1.0/$metadata#users"}
	found = found[min(skip, len(found)):]
	if len(found) > size {
		next := url.Values{}
		for name, vs := range c.query {
			next[name] = vs
		}
		next.Set("$skiptoken", strconv.Itoa(skip+size))
		body["@odata.nextLink"] = c.s.URL() + "/v1.0/users?" + next.Encode()
		found = found[:size]
	}
	value := make([]any, len(found))
	for i, b := range found {
		value[i] = c.properties(b, b == c.own)
	}
	body["value"] = value
	return answer{status: http.StatusOK, body: body}, nil
}

// filterable are the properties that users can be found by.
var filterable = map[string]func(*User) string{
	"displayName":       func(u *User) string { return u.Name },
	"userPrincipalName": func(u *User) string { return u.UserPrincipalName },
	"mail": func(u *User) string {
		if u.NoMailbox {
			return ""
		}
		return u.Address
	},
}

// parseUserFilter reads what of $filter is modelled for users: eq and
// startswith, joined by "or".
func parseUserFilter(raw string) (func(*User) bool, error) {
	if raw == "" {
		return func(*User) bool { return true }, nil
	}
	tokens, err := tokenize(raw)
	if err != nil || len(raw) > maxFilter {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "Invalid filter clause.")
	}
	p := &parser{tokens: tokens}
	var terms []func(*User) bool
	for {
		term, ok := p.userTerm()
		if !ok {
			return nil, notModelled("this $filter on /users")
		}
		terms = append(terms, term)
		if p.at == len(p.tokens) {
			break
		}
		if !p.word("or") {
			return nil, notModelled("this $filter on /users")
		}
	}
	return func(u *User) bool {
		return slices.ContainsFunc(terms, func(t func(*User) bool) bool { return t(u) })
	}, nil
}

// userTerm reads "startswith(property,'text')" or "property eq 'text'".
func (p *parser) userTerm() (func(*User) bool, bool) {
	prefix := p.word("startswith")
	between := "eq"
	if prefix {
		if _, err := p.expect('('); err != nil {
			return nil, false
		}
		between = ","
	}
	property := filterable[p.take().text]
	if t := p.take(); !strings.EqualFold(t.text, between) {
		return nil, false
	}
	text, err := p.expect('s')
	if err != nil || property == nil {
		return nil, false
	}
	want := strings.ToLower(text.text)
	if !prefix {
		return func(u *User) bool { return strings.ToLower(property(u)) == want }, true
	}
	if _, err := p.expect(')'); err != nil {
		return nil, false
	}
	return func(u *User) bool { return strings.HasPrefix(strings.ToLower(property(u)), want) }, true
}

// splitList splits a comma-separated query option.
func splitList(v string) []string {
	var out []string
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
