package graph

import (
	"context"

	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// Profile is a user, as far as the permissions tell.
type Profile struct {
	ID, DisplayName, Mail, UserPrincipalName string
	ProxyAddresses                           []string
}

// basicProfile are the properties that User.ReadBasic.All includes (Microsoft
// Graph permissions reference, 2026). Proxy addresses are not among them.
var basicProfile = []string{"id", "displayName", "mail", "userPrincipalName"}

// Me reads the profile of the signed-in user.
func (c *Client) Me(ctx context.Context) (Profile, error) {
	return c.profile(ctx, "graph.me", "id", "displayName", "mail", "userPrincipalName", "proxyAddresses")
}

// Profile reads what the directory tells all users of the owner of the mailbox.
func (c *Client) Profile(ctx context.Context) (Profile, error) {
	return c.profile(ctx, "graph.users.get", basicProfile...)
}

func (c *Client) profile(ctx context.Context, name string, fields ...string) (Profile, error) {
	info, err := c.user().ToGetRequestInformation(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: fields},
	})
	r, err := described(name, info, err)
	if err != nil {
		return Profile{}, c.badRequest(ctx, err)
	}
	text, _, err := c.text(ctx, r)
	if err != nil {
		return Profile{}, err
	}
	p, err := parseProfile(text)
	if err != nil {
		return Profile{}, c.badAnswer(ctx, r, err)
	}
	return p, nil
}

// FindUsers returns at most top users of the directory that the OData filter
// selects.
func (c *Client) FindUsers(ctx context.Context, filter string, top int32) ([]Profile, error) {
	builder := users.NewUsersRequestBuilderInternal(map[string]string{"baseurl": c.Base}, describer{})
	info, err := builder.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Select: basicProfile, Filter: &filter, Top: &top},
	})
	r, err := described("graph.users.list", info, err)
	if err != nil {
		return nil, c.badRequest(ctx, err)
	}
	text, _, err := c.text(ctx, r)
	if err != nil {
		return nil, err
	}
	all, err := ParseProfiles(text)
	if err != nil {
		return nil, c.badAnswer(ctx, r, err)
	}
	return all[:min(len(all), int(top))], nil
}

func parseProfile(text string) (Profile, error) {
	j := reader{s: text}
	p := j.profile()
	if j.err == nil && p.ID == "" {
		j.fail()
	}
	return p, j.err
}

// ParseProfiles decodes a page of users. One without an id is left out.
func ParseProfiles(text string) ([]Profile, error) {
	var all []Profile
	j := reader{s: text}
	if j.peek() != '{' {
		j.fail()
	}
	j.object(func(name string) {
		if name != "value" {
			j.skip()
			return
		}
		j.array(func() {
			if p := j.profile(); p.ID != "" {
				all = append(all, p)
			}
		})
	})
	return all, j.err
}

func (r *reader) profile() Profile {
	var p Profile
	r.object(func(name string) {
		switch name {
		case "id":
			p.ID = r.str()
		case "displayName":
			p.DisplayName = r.str()
		case "mail":
			p.Mail = r.str()
		case "userPrincipalName":
			p.UserPrincipalName = r.str()
		case "proxyAddresses":
			r.array(func() { p.ProxyAddresses = append(p.ProxyAddresses, r.str()) })
		default:
			r.skip()
		}
	})
	return p
}
