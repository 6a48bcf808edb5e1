package outlooktest

import (
	"net/http"
	"slices"
	"strings"
)

// userProperties are those /me returns without $select.
var userProperties = []string{
	"businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone",
	"officeLocation", "preferredLanguage", "surname", "userPrincipalName",
}

// user serves /me and /users/{id}.
func (c *call) user() (answer, error) {
	if c.r.Method != http.MethodGet {
		return answer{}, notModelled(c.r.Method + " " + c.r.URL.Path)
	}
	if !c.has("User.Read", "User.ReadWrite", "User.Read.All", "User.ReadBasic.All") {
		return answer{}, refuse(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	u := c.box.user
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
		"identities": []any{}, "accountEnabled": true, "userType": "Member",
	}
	selected := userProperties
	if v := c.query.Get("$select"); v != "" {
		selected = append(splitList(v), "id")
	}
	body := map[string]any{"@odata.context": c.s.URL() + "/v1.0/$metadata#users/$entity"}
	for name, v := range all {
		if slices.ContainsFunc(selected, func(s string) bool { return strings.EqualFold(s, name) }) {
			body[name] = v
		}
	}
	return answer{status: http.StatusOK, body: body}, nil
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
