package outlook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
)

const (
	someTenant     = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	personalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

func TestOAuthEndpoints(t *testing.T) {
	t.Parallel()
	const login = "https://login.microsoftonline.com/"
	// The parts of an OAuth that depend on the directory: who signs in, where
	// tokens are asked for, where an administrator consents.
	tests := []struct {
		tenant, directory    string
		auth, token, consent string
	}{
		{"", "", "common", "common", "organizations"},
		{"organizations", "", "organizations", "organizations", "organizations"},
		{"consumers", "", "consumers", "consumers", ""},
		{"contoso.example", "", "contoso.example", "contoso.example", "contoso.example"},
		{someTenant, "", someTenant, someTenant, someTenant},
		{"", someTenant, "common", someTenant, someTenant},
		{"organizations", "contoso.onmicrosoft.example", "organizations", "contoso.onmicrosoft.example", "contoso.onmicrosoft.example"},
		{"", personalTenant, "common", "consumers", ""},
		{"", strings.ToUpper(personalTenant), "common", "consumers", ""},
		// One tenant stays that tenant.
		{someTenant, personalTenant, someTenant, someTenant, someTenant},
		{"contoso.example", someTenant, "contoso.example", "contoso.example", "contoso.example"},
		// What cannot be a directory leads nowhere.
		{"", "common", "common", "common", "organizations"},
		{"", "../evil", "common", "common", "organizations"},
		{"", "evil.example/oauth2", "common", "common", "organizations"},
		{"", "a.example?x", "common", "common", "organizations"},
		{"", "a.example#", "common", "common", "organizations"},
		{"", "a..example", "common", "common", "organizations"},
		{"", ".", "common", "common", "organizations"},
		{"", "..", "common", "common", "organizations"},
		{"", "user@a.example", "common", "common", "organizations"},
		{"", "a%2eexample.com", "common", "common", "organizations"},
		{"", "exämple.example", "common", "common", "organizations"},
		{"", "-a.example", "common", "common", "organizations"},
		{"", "a.example\n", "common", "common", "organizations"},
		{"", someTenant + "x", "common", "common", "organizations"},
		{"", "72f988bf_86f1_41af_91ab_2d7cd011db47", "common", "common", "organizations"},
		{"", "g2f988bf-86f1-41af-91ab-2d7cd011db47", "common", "common", "organizations"},
		{"", strings.Repeat("a.", 126) + "aa", "common", "common", "organizations"},
	}
	for _, tt := range tests {
		p := newProvider(t, outlook.Config{Tenant: tt.tenant})
		want := mailbox.OAuth{
			AuthURL:    login + tt.auth + "/oauth2/v2.0/authorize",
			TokenURL:   login + tt.token + "/oauth2/v2.0/token",
			KeysURL:    login + tt.token + "/discovery/v2.0/keys",
			AuthParams: map[string]string{"prompt": "select_account"}, RotatesRefreshTokens: true,
		}
		if tt.consent != "" {
			want.AdminConsentURL = login + tt.consent + "/v2.0/adminconsent"
		}
		got := mailbox.OAuthAt(p, tt.directory)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tenant %q, directory %q (-want +got):\n%s", tt.tenant, tt.directory, diff)
		}
		if tt.directory == "" {
			if diff := cmp.Diff(p.OAuth(), got); diff != "" {
				t.Errorf("tenant %q: OAuth differs from OAuthAt:\n%s", tt.tenant, diff)
			}
		}
	}
}

func TestClouds(t *testing.T) {
	t.Parallel()
	for cloud, want := range map[outlook.Cloud][2]string{
		outlook.CloudWorldwide: {"https://login.microsoftonline.com", "https://graph.microsoft.com"},
		outlook.CloudGCCHigh:   {"https://login.microsoftonline.us", "https://graph.microsoft.us"},
		outlook.CloudDoD:       {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
		outlook.CloudChina:     {"https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"},
	} {
		login, resource := want[0], want[1]
		p := newProvider(t, outlook.Config{Cloud: cloud})
		for _, u := range []string{p.OAuth().AuthURL, p.OAuth().TokenURL, p.OAuth().KeysURL, p.OAuth().AdminConsentURL} {
			if !strings.HasPrefix(u, login+"/") {
				t.Errorf("%q: %s", cloud, u)
			}
		}
		scopes, flow, err := p.AppScopes(mailbox.CanSend)
		if err != nil || flow != mailbox.AppFlowCredentials || cmp.Diff([]string{resource + "/.default"}, scopes) != "" {
			t.Errorf("%q: app scopes %q, %q, %v", cloud, scopes, flow, err)
		}
		if got := p.Granted([]string{resource + "/Mail.Send"}); got != mailbox.CanSend {
			t.Errorf("%q: %v", cloud, got)
		}
		claims := `{"iss":"` + login + `/` + someTenant + `/v2.0","tid":"` + someTenant + `","oid":"o"}`
		if _, err := p.IDToken([]byte(claims)); err != nil {
			t.Errorf("%q: %v", cloud, err)
		}
	}
	// Endpoints outrank those of the cloud.
	p := newProvider(t, outlook.Config{Cloud: outlook.CloudDoD, Endpoints: outlook.EndpointsAt("https://proxy.example")})
	scopes, _, _ := p.AppScopes(0)
	if !strings.HasPrefix(p.OAuth().TokenURL, "https://proxy.example/") || scopes[0] != "https://proxy.example/.default" {
		t.Errorf("%s, %q", p.OAuth().TokenURL, scopes)
	}
	if got := p.Granted([]string{"https://proxy.example/Mail.Send"}); got != mailbox.CanSend {
		t.Errorf("at a proxy: %v", got)
	}
	if _, _, err := p.AppScopes(mailbox.CanShared); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("shared mailboxes by an app: %v", err)
	}
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	const issuer = "https://login.microsoftonline.com/"
	work := issuer + someTenant + "/v2.0"
	tests := []struct {
		name, tenant, claims string
		want                 mailbox.Identity
		code                 string
	}{
		{
			name:   "work",
			claims: `{"iss":"` + work + `","tid":"` + someTenant + `","oid":"o-1","sub":"s","name":"Anna","preferred_username":"anna@contoso.example","aud":["x"],"new":{}}`,
			want:   mailbox.Identity{Subject: "o-1", Address: "anna@contoso.example", Name: "Anna", Directory: someTenant},
		},
		{
			name:   "email outranks the sign-in name",
			claims: `{"iss":"` + work + `","tid":"` + someTenant + `","oid":"o-1","email":"a@contoso.example","preferred_username":"anna@contoso.example"}`,
			want:   mailbox.Identity{Subject: "o-1", Address: "a@contoso.example", Directory: someTenant},
		},
		{
			name:   "no address",
			claims: `{"iss":"` + work + `","tid":"` + someTenant + `","oid":"o-1","preferred_username":"+49 30 1234","name":7}`,
			want:   mailbox.Identity{Subject: "o-1", Directory: someTenant},
		},
		{
			name:   "personal",
			claims: `{"iss":"` + issuer + personalTenant + `/v2.0","tid":"` + personalTenant + `","oid":"00000000-0000-0000-1234-567890abcdef","preferred_username":"carol@gmail.example"}`,
			want:   mailbox.Identity{Directory: personalTenant},
		},
		{
			name: "the tenant of the configuration", tenant: someTenant,
			claims: `{"iss":"` + work + `","tid":"` + someTenant + `","oid":"o-1"}`,
			want:   mailbox.Identity{Subject: "o-1", Directory: someTenant},
		},
		{name: "another tenant", tenant: "11111111-2222-3333-4444-555555555555", claims: `{"iss":"` + work + `","tid":"` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "issuer of another tenant", claims: `{"iss":"` + work + `","tid":"` + personalTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "issuer of another cloud", claims: `{"iss":"https://login.microsoftonline.us/` + someTenant + `/v2.0","tid":"` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "version 1", claims: `{"iss":"https://sts.windows.net/` + someTenant + `/","tid":"` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "tenant that is a path", claims: `{"iss":"` + issuer + `x/../` + someTenant + `/v2.0","tid":"x/../` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "no tenant", claims: `{"iss":"` + issuer + `/v2.0","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "no issuer", claims: `{"tid":"` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "no object id", claims: `{"iss":"` + work + `","tid":"` + someTenant + `","sub":"s"}`, want: mailbox.Identity{Directory: someTenant}},
		{name: "issuer of another type", claims: `{"iss":["` + work + `"],"tid":"` + someTenant + `","oid":"o-1"}`, code: "id_token_issuer"},
		{name: "no JSON", claims: `<html>`, code: "id_token_malformed"},
		{name: "an array", claims: `[]`, code: "id_token_malformed"},
		{name: "null", claims: `null`, code: "id_token_issuer"},
		{name: "nothing", claims: ``, code: "id_token_malformed"},
	}
	for _, tt := range tests {
		p := newProvider(t, outlook.Config{Tenant: tt.tenant})
		got, err := p.IDToken([]byte(tt.claims))
		if tt.code != "" {
			if e := asError(t, err); e.Class != mailbox.ClassBadCallback || e.Code != tt.code {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}
