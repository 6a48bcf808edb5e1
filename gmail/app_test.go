package gmail_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

func TestAppScopes(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	for want, names := range map[mailbox.Capabilities]string{
		0:                                        "",
		mailbox.CanSend:                          "gmail.send",
		mailbox.CanSend | mailbox.CanReadHeaders: "gmail.send gmail.metadata",
		everything:                               "gmail.modify",
	} {
		scopes, flow, err := p.AppScopes(want)
		var expect []string
		for name := range strings.FieldsSeq(names) {
			expect = append(expect, scope+name)
		}
		if strings.Join(scopes, " ") != strings.Join(expect, " ") || flow != mailbox.AppFlowAssertion || err != nil || !p.Granted(scopes).Has(want) {
			t.Errorf("%v: %q, %q, %v", want, scopes, flow, err)
		}
	}
	_, _, err := p.AppScopes(mailbox.CanShared)
	wantError(t, err, mailbox.ClassUnsupported, mailbox.OutcomeNone)
}

func TestIdentifyByDelegation(t *testing.T) {
	t.Parallel()
	const carl, alias = "carl@example.com", "c@example.com"
	tests := []struct {
		name, address, scopes string
		want                  mailbox.Identity
		wanted                mailbox.Capabilities
		fault                 gmailtest.Fault
		class                 mailbox.Class
		cause                 mailbox.Cause
	}{
		{name: "send only", address: ann, scopes: "gmail.send", wanted: mailbox.CanSend, want: mailbox.Identity{Address: ann, Directory: "example.com"}},
		{name: "spelled otherwise", address: "Ann@Example.com", scopes: "gmail.send", wanted: mailbox.CanSend, want: mailbox.Identity{Address: "Ann@Example.com", Directory: "example.com"}},
		{name: "headers", address: ann, scopes: "gmail.metadata", wanted: mailbox.CanReadHeaders, want: mailbox.Identity{Address: ann, Directory: "example.com"}},
		{
			name: "by an alias", address: alias, scopes: "gmail.readonly", wanted: mailbox.CanReadHeaders,
			want: mailbox.Identity{Address: alias, Name: "Carl", Aliases: []string{carl}, Directory: "example.com"},
		},
		{name: "not allowed to read", address: ann, scopes: "gmail.send", wanted: mailbox.CanReadHeaders, class: mailbox.ClassConsent, cause: mailbox.CauseNoRights},
		{name: "no Gmail", address: "dora@example.com", scopes: "gmail.readonly", wanted: mailbox.CanReadHeaders, class: mailbox.ClassNoMailbox, cause: mailbox.CauseNoLicense},
		{name: "down", address: ann, scopes: "gmail.readonly", wanted: mailbox.CanReadHeaders, fault: gmailtest.Fault{Path: apiPath + "/profile", Status: 503}, class: mailbox.ClassUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			w.AddUser(gmailtest.User{Address: carl, Name: "Carl", Subject: "1002", Aliases: []string{alias}})
			w.AddUser(gmailtest.User{Address: "dora@example.com", NoGmail: true})
			if tt.fault.Status != 0 {
				w.Inject(tt.fault)
			}
			var scopes []string
			for name := range strings.FieldsSeq(tt.scopes) {
				scopes = append(scopes, scope+name)
			}
			user := tt.address
			if user == alias {
				user = carl
			}
			s, _ := w.session(user, scopes...)
			a := mailbox.Account{Provider: mailbox.Gmail, Access: mailbox.AccessApp, Address: tt.address, Scopes: scopes, Wanted: tt.wanted}
			got, err := w.provider.IdentifyAccount(t.Context(), a, s)
			if tt.class != 0 {
				if e := wantError(t, err, tt.class, mailbox.OutcomeNone); e.Cause != tt.cause {
					t.Errorf("cause %q, want %q", e.Cause, tt.cause)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	w := setup(t, gmailtest.Options{})
	s, _ := w.session(ann, scope+"gmail.readonly")
	for name, a := range map[string]mailbox.Account{
		"a user's":   {Address: ann},
		"no address": {Access: mailbox.AccessApp},
	} {
		if _, err := w.provider.IdentifyAccount(t.Context(), a, s); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.provider.Open(mailbox.Account{Access: mailbox.AccessShared, Address: ann}, s); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("a shared mailbox: %v", err)
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestIdentifyTellsTheDirectory(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "eve@corp.example", HostedDomain: "Corp.example"})
	s, _ := w.session("eve@corp.example", scope+"gmail.send", "openid", "email")
	id := must[mailbox.Identity](t)(w.provider.Identify(t.Context(), s))
	if id.Directory != "corp.example" {
		t.Errorf("%+v", id)
	}
}
