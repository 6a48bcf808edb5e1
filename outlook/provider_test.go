package outlook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	at := func(graph, authority string) outlook.Config {
		return outlook.Config{Endpoints: outlook.Endpoints{GraphURL: graph, AuthorityURL: authority}}
	}
	tests := []struct {
		config outlook.Config
		field  string
	}{
		{outlook.Config{}, ""},
		{at("https://graph.microsoft.us/v1.0/", "https://login.microsoftonline.us/"), ""},
		{at("http://127.0.0.1:8080/v1.0", "http://localhost:8080"), ""},
		{at("http://graph.microsoft.com/v1.0", ""), "endpoints.graph_url"},
		{at("graph.microsoft.com", ""), "endpoints.graph_url"},
		{at("https://user@graph.microsoft.com", ""), "endpoints.graph_url"},
		{at("", "http://login.microsoftonline.com"), "endpoints.authority_url"},
		{outlook.Config{Tenant: "a/b"}, "tenant"},
		{outlook.Config{Tenant: "everybody"}, "tenant"},
		{outlook.Config{Tenant: "contoso.example"}, ""},
		{outlook.Config{Cloud: outlook.CloudChina}, ""},
		{outlook.Config{Cloud: "mars"}, "cloud"},
		{outlook.Config{Folders: []mailbox.Folder{}}, "folders"},
		{outlook.Config{Folders: []mailbox.Folder{mailbox.FolderOther}}, "folders"},
		{outlook.Config{Folders: []mailbox.Folder{mailbox.FolderDrafts}}, "folders"},
		{outlook.Config{Folders: []mailbox.Folder{mailbox.FolderInbox, mailbox.FolderInbox}}, "folders"},
		{outlook.Config{UploadOrigins: []string{"http://elsewhere.example"}}, "upload_origins"},
		{outlook.Config{MaxMessage: -1}, "max_message"},
		{outlook.Config{MaxRequest: 100}, "max_request"},
		{outlook.Config{SettleAfter: -time.Second}, "settle_after"},
	}
	for _, tt := range tests {
		p, err := outlook.New(tt.config)
		if tt.field == "" {
			if err != nil || p.Name() != mailbox.Outlook {
				t.Errorf("%+v: %v", tt.config, err)
			}
			continue
		}
		f, ok := errors.AsType[*mailbox.FieldError](err)
		if !ok || f.Field != tt.field || !errors.Is(err, mailbox.ClassInvalid) || p != nil {
			t.Errorf("%+v: %v, want %s", tt.config, err, tt.field)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	p, err := outlook.New(outlook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for want, scopes := range map[mailbox.Capabilities]string{
		0:                                        "",
		mailbox.CanSend:                          " Mail.Send",
		mailbox.CanSend | mailbox.CanReadHeaders: " Mail.ReadBasic Mail.Send",
		mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies:   " Mail.Read Mail.Send",
		mailbox.CanSend | mailbox.CanDraft:                                 " Mail.ReadWrite Mail.Send",
		mailbox.CanWriteReadState:                                          " Mail.ReadWrite",
		mailbox.CanSend | mailbox.CanShared:                                " Mail.Send Mail.Send.Shared",
		mailbox.CanShared:                                                  " Mail.ReadBasic Mail.ReadBasic.Shared",
		mailbox.CanSend | mailbox.CanReadBodies | mailbox.CanShared:        " Mail.Read Mail.Send Mail.Read.Shared Mail.Send.Shared",
		mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanShared: " Mail.Read Mail.Read.Shared",
	} {
		got, err := p.Scopes(want)
		if err != nil || strings.Join(got, " ") != "openid profile offline_access User.Read"+scopes {
			t.Errorf("Scopes(%v) = %q, %v", want, got, err)
		}
	}
	for scopes, want := range map[string]mailbox.Capabilities{
		"Mail.Send User.Read": mailbox.CanSend,
		"https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/MAIL.readbasic": mailbox.CanSend | mailbox.CanReadHeaders,
		"https://microsoftgraph.chinacloudapi.cn/Mail.Read":                                mailbox.CanReadHeaders | mailbox.CanReadBodies,
		"https://outlook.office.com/Mail.Send https://elsewhere.example/Mail.ReadWrite":    0,
		"mail.readwrite": mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft,
		"Mail.Send.Shared MailboxSettings.Read openid":                                                             mailbox.CanShared,
		"openid profile email offline_access User.Read https://graph.microsoft.com/.default Calendars.Read.Shared": 0,
	} {
		if got := p.Granted(strings.Fields(scopes)); got != want {
			t.Errorf("Granted(%s) = %v, want %v", scopes, got, want)
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	type answer struct {
		me   string
		want mailbox.Identity
		err  mailbox.Class
	}
	for name, tt := range map[string]answer{
		"aliases": {
			`{"id":"1","displayName":"Anna","mail":"Anna@contoso.example","userPrincipalName":"anna@login.example",
			  "proxyAddresses":["SMTP:anna@contoso.example","smtp:a@contoso.example","x500:/o=x","sip:s@x.example","smtp:a@contoso.example","smtp:","smtp:none",null,7]}`,
			mailbox.Identity{Subject: "1", Address: "Anna@contoso.example", Name: "Anna", Aliases: []string{"a@contoso.example"}},
			0,
		},
		"mail is null": {
			`{"id":"2","displayName":null,"mail":null,"userPrincipalName":"upn@contoso.example","proxyAddresses":["smtp:b@contoso.example","SMTP:p@contoso.example"]}`,
			mailbox.Identity{Subject: "2", Address: "p@contoso.example", Aliases: []string{"b@contoso.example"}},
			0,
		},
		"a personal account": {
			`{"id":"3","mail":null,"userPrincipalName":"carol@gmail.example"}`,
			mailbox.Identity{Subject: "3", Address: "carol@gmail.example"},
			0,
		},
		"no address at all": {`{"id":"4","mail":null,"userPrincipalName":"S-1-5"}`, mailbox.Identity{}, mailbox.ClassNoMailbox},
		"no id":             {`{"mail":"x@contoso.example"}`, mailbox.Identity{}, mailbox.ClassUnavailable},
		"not JSON":          {`<html>`, mailbox.Identity{}, mailbox.ClassUnavailable},
		"null":              {`null`, mailbox.Identity{}, mailbox.ClassUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			s := w.session(anna, []string{"User.Read", "Mail.Send"})
			s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
				if r.URL.Path == "/v1.0/me" {
					return tt.me
				}
				return body
			})
			got, err := w.provider.Identify(t.Context(), s)
			if tt.err != 0 {
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIdentifyWithoutAMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	w.AddUser(outlooktest.User{Address: "guest@contoso.example", NoMailbox: true})
	_, err := w.provider.Identify(t.Context(), w.session("guest@contoso.example", []string{"User.Read", "Mail.ReadBasic"}))
	if e := asError(t, err); e.Class != mailbox.ClassNoMailbox || e.Actor() != mailbox.ActorAdmin {
		t.Errorf("error %v", e)
	}
	// Trouble with the probe is not proof.
	w.Inject(outlooktest.Fault{Path: "*/inbox", Status: 503})
	if id, err := w.provider.Identify(t.Context(), w.session(anna, []string{"User.Read", "Mail.Read"})); err != nil || !slices.Contains(id.Aliases, "a.aalto@contoso.example") {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := w.provider.Identify(t.Context(), mailbox.Session{}); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("without tokens: %v", err)
	}
}

func TestOpenAnAccountOfAnotherProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	if _, err := w.provider.Open(mailbox.Account{Provider: mailbox.Gmail}, w.session(anna, nil)); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestOAuthError(t *testing.T) {
	t.Parallel()
	p, err := outlook.New(outlook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	body := func(code, rest string) string { return `{"error":"` + code + `"` + rest + `}` }
	grant := func(number string) string { return body("invalid_grant", `,"error_codes":[`+number+`]`) }
	query := func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q.Encode()
	}
	tests := []struct {
		status int
		body   string
		class  mailbox.Class
		code   string
	}{
		{400, grant("50076"), mailbox.ClassReconnect, "AADSTS50076"},
		{400, grant("70000"), mailbox.ClassReconnect, "AADSTS70000"},
		{400, grant("50173"), mailbox.ClassReconnect, "AADSTS50173"},
		{400, grant("700082"), mailbox.ClassReconnect, "AADSTS700082"},
		{400, grant("53003"), mailbox.ClassAdmin, "AADSTS53003"},
		{400, grant("50105"), mailbox.ClassAdmin, "AADSTS50105"},
		{400, grant("65001"), mailbox.ClassConsent, "AADSTS65001"},
		{400, grant("90094"), mailbox.ClassAdmin, "AADSTS90094"},
		{400, grant("650052"), mailbox.ClassNoMailbox, "AADSTS650052"},
		{400, grant("54005"), mailbox.ClassBadCallback, "AADSTS54005"},
		{400, grant("501481"), mailbox.ClassBadCallback, "AADSTS501481"},
		{400, grant("90033"), mailbox.ClassUnavailable, "AADSTS90033"},
		{400, grant("50020"), mailbox.ClassWrongAccount, "AADSTS50020"},
		{400, grant("50196"), mailbox.ClassThrottled, "AADSTS50196"},
		{400, grant("123456789"), mailbox.ClassReconnect, "AADSTS123456789"},
		{400, grant(""), mailbox.ClassReconnect, "invalid_grant"},
		{400, body("invalid_grant", `,"suberror":"protection_policy_required"`), mailbox.ClassAdmin, "invalid_grant"},
		{400, body("invalid_grant", `,"suberror":"bad_token"`), mailbox.ClassReconnect, "invalid_grant"},
		{400, body("invalid_grant", `,"suberror":"consent_required"`), mailbox.ClassConsent, "invalid_grant"},
		{400, body("invalid_grant", `,"suberror":"new_one"`), mailbox.ClassReconnect, "invalid_grant"},
		{400, body("interaction_required", ``), mailbox.ClassReconnect, "interaction_required"},
		{401, body("invalid_client", `,"error_codes":[7000215]`), mailbox.ClassConfig, "AADSTS7000215"},
		{401, body("invalid_client", `,"error_codes":[50076]`), mailbox.ClassConfig, "AADSTS50076"},
		{400, body("unauthorized_client", `,"error_codes":[700016]`), mailbox.ClassAdmin, "AADSTS700016"},
		{400, body("invalid_request", `,"error_codes":[9002332]`), mailbox.ClassConfig, "AADSTS9002332"},
		{400, body("temporarily_unavailable", `,"error_codes":[50173]`), mailbox.ClassUnavailable, "AADSTS50173"},
		{503, grant("50173"), mailbox.ClassUnavailable, "AADSTS50173"},
		{429, grant("50173"), mailbox.ClassThrottled, "AADSTS50173"},
		{502, "<html>", mailbox.ClassUnavailable, ""},
		{400, "<html>", mailbox.ClassUnknown, ""},
		{400, "", mailbox.ClassUnknown, ""},
		{400, body("brand_new", ""), mailbox.ClassUnknown, "brand_new"},
		{400, `{"error":{"code":"x"},"error_codes":"y","suberror":7,"claims":null}`, mailbox.ClassUnknown, ""},
		{400, `{"error":"invalid_grant","error_description":"AADSTS70043: The refresh token has expired"}`, mailbox.ClassReconnect, "AADSTS70043"},
		{400, `{"error":"a b\n<c>"}`, mailbox.ClassUnknown, ""},
		{0, query("error", "access_denied", "error_description", "The user denied"), mailbox.ClassDeclined, "access_denied"},
		{0, query("error", "access_denied", "error_description", "AADSTS65004: User declined to consent"), mailbox.ClassDeclined, "AADSTS65004"},
		{0, query("error", "access_denied", "error_description", "AADSTS90094: The grant requires admin permission."), mailbox.ClassAdmin, "AADSTS90094"},
		{0, query("error", "interaction_required", "error_description", "AADSTS50079"), mailbox.ClassReconnect, "AADSTS50079"},
		{0, query("error", "server_error"), mailbox.ClassUnavailable, "server_error"},
		{0, query("error", "consent_required"), mailbox.ClassConsent, "consent_required"},
		{0, "%zz&error=invalid_scope", mailbox.ClassConfig, "invalid_scope"},
		{0, "", mailbox.ClassUnknown, ""},
	}
	for _, tt := range tests {
		e := p.OAuthError(tt.status, nil, []byte(tt.body))
		if e.Class != tt.class || e.Code != tt.code || e.Status != tt.status || e.Provider != mailbox.Outlook {
			t.Errorf("%d %s: %v (%q), want %v (%q)", tt.status, tt.body, e.Class, e.Code, tt.class, tt.code)
		}
	}

	e := p.OAuthError(400, nil, []byte(`{"error":"interaction_required","error_codes":[50079],"suberror":"basic_action","claims":"{\"access_token\":{}}",
		"error_description":"AADSTS50079: anna@contoso.example must enrol","correlation_id":"c-1","trace_id":"t-1"}`))
	native, ok := errors.AsType[*outlook.TokenError](e)
	if !ok || e.Claims != `{"access_token":{}}` || e.RequestID != "c-1" || native.TraceID != "t-1" || native.Suberror != "basic_action" || !strings.Contains(native.Description, "enrol") {
		t.Errorf("error %+v, native %+v", e, native)
	}
	if s := e.Error() + native.Error(); strings.Contains(s, "anna") || strings.Contains(s, "access_token") {
		t.Errorf("the text holds more than codes: %s", s)
	}
	if e := p.OAuthError(429, http.Header{"Retry-After": {"9"}}, nil); e.RetryAfter != 9*time.Second || e.Scope != mailbox.ScopeApp {
		t.Errorf("throttled: %+v", e)
	}
	if e := p.OAuthError(400, nil, []byte(grant("50196"))); e.RetryAfter < time.Minute || e.Scope != mailbox.ScopeMailbox {
		t.Errorf("a loop: %+v", e)
	}
}

// A refusal of Graph becomes a class by its code, whatever the status, and by
// the status when there is no code.
func TestRefusals(t *testing.T) {
	t.Parallel()
	code := func(c string) string { return `{"error":{"code":"` + c + `","message":"about anna@contoso.example"}}` }
	tests := []struct {
		status int
		body   string
		class  mailbox.Class
		code   string
	}{
		{403, code("ErrorAccessDenied"), mailbox.ClassConsent, "ErrorAccessDenied"},
		{404, code("MailboxNotEnabledForRESTAPI"), mailbox.ClassNoMailbox, "MailboxNotEnabledForRESTAPI"},
		{404, code("ResourceNotFound"), mailbox.ClassNoMailbox, "ResourceNotFound"},
		{413, code("ErrorQuotaExceeded"), mailbox.ClassMailboxFull, "ErrorQuotaExceeded"},
		{400, code("errorquotaexceeded"), mailbox.ClassMailboxFull, "errorquotaexceeded"},
		{500, code("ErrorApiQuarantined"), mailbox.ClassUnavailable, "ErrorApiQuarantined"},
		{503, code("ErrorTooManyObjectsOpened"), mailbox.ClassThrottled, "ErrorTooManyObjectsOpened"},
		{400, code("InefficientFilter"), mailbox.ClassInvalid, "InefficientFilter"},
		{412, code("ErrorIrresolvableConflict"), mailbox.ClassConflict, "ErrorIrresolvableConflict"},
		{404, code("ErrorItemNotFound"), mailbox.ClassNotFound, "ErrorItemNotFound"},
		{401, code("InvalidAuthenticationToken"), mailbox.ClassReconnect, "InvalidAuthenticationToken"},
		{418, code("NewOne"), mailbox.ClassUnknown, "NewOne"},
		{403, code("NewOne"), mailbox.ClassUnknown, "NewOne"},
		{503, `{"error":{"code":"","message":"","innerError":{"code":"ErrorMailboxMoveInProgress"}}}`, mailbox.ClassUnavailable, "ErrorMailboxMoveInProgress"},
		{400, `{"error":{"code":"BadRequest","details":[null,{"code":"x"},{"code":"ErrorSendAsDenied"}]}}`, mailbox.ClassSender, "ErrorSendAsDenied"},
		{429, `{"error":null}`, mailbox.ClassThrottled, ""},
		{429, `{"error":{"code":null,"message":null,"target":null,"details":null,"innerError":null}}`, mailbox.ClassThrottled, ""},
		{500, `{}`, mailbox.ClassUnavailable, ""},
		{404, `{"error":"x"}`, mailbox.ClassNotFound, ""},
		{409, `{"error":{"code":7,"details":7,"innerError":7}}`, mailbox.ClassConflict, ""},
		{502, `<html><body>Bad Gateway</body></html>`, mailbox.ClassUnavailable, ""},
		{401, ``, mailbox.ClassReconnect, ""},
		{400, `{"error":{"code":"` + strings.Repeat("x", 5000) + `"}}`, mailbox.ClassInvalid, strings.Repeat("x", 100)},
		{400, `{"error":{"code":"anna@contoso.example said"}}`, mailbox.ClassInvalid, ""},
		{501, ``, mailbox.ClassUnknown, ""},
		{302, ``, mailbox.ClassUnknown, ""},
	}
	for _, tt := range tests {
		w := newWorld(t, outlooktest.Options{})
		w.Inject(outlooktest.Fault{Status: tt.status, Body: tt.body, Times: -1, Header: http.Header{"Request-Id": {"r-1"}}})
		_, err := w.open(anna, everything).Fetch(t.Context(), []mailbox.MessageID{"x"}, mailbox.PartHeaders)
		e := asError(t, err)
		if e.Class != tt.class || e.Code != tt.code || e.Status != tt.status || e.Outcome != mailbox.OutcomeNone || e.Mailbox != anna {
			t.Errorf("%d %.80s: %v", tt.status, tt.body, e)
		}
		if e.RequestID != "r-1" || strings.Contains(strings.ReplaceAll(e.Error(), tt.code, ""), "@") {
			t.Errorf("%d %.80s: request id %q, text %q", tt.status, tt.body, e.RequestID, e)
		}
		if native, ok := errors.AsType[*outlook.APIError](err); !ok || native.Status != tt.status {
			t.Errorf("%d %.80s: native error %+v", tt.status, tt.body, native)
		}
	}
}

func TestThrottlingTellsItsScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, everything)
	list := func(f outlooktest.Fault) *mailbox.Error {
		w.Inject(f)
		_, err := mb.List(t.Context(), mailbox.Query{})
		return asError(t, err)
	}
	for value, want := range map[string]time.Duration{
		"": 0, "12": 12 * time.Second, "999999": mailbox.MaxRetryAfter, "-1": 0, "soon": 0,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Hour,
	} {
		e := list(outlooktest.Fault{Status: 429, Header: http.Header{"Retry-After": {value}}})
		if e.Scope != mailbox.ScopeMailbox || e.RetryAfter < want-2*time.Second || e.RetryAfter > want+2*time.Second {
			t.Errorf("Retry-After %q: %v, scope %q", value, e.RetryAfter, e.Scope)
		}
	}
	if e := list(outlooktest.Fault{Status: 503, Header: http.Header{"Retry-After": {"5"}}}); e.Class != mailbox.ClassUnavailable || e.RetryAfter != 5*time.Second || e.Scope != mailbox.ScopeNone {
		t.Errorf("503: %+v", e)
	}
	e := list(outlooktest.Fault{Status: 429, Body: `{"error":{"code":"ErrorExceededMessageLimit"}}`})
	if e.Class != mailbox.ClassSendLimit || e.Scope != mailbox.ScopeSending {
		t.Errorf("a sending limit: %+v", e)
	}
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, everything)
	s := w.session(anna, a.Scopes)
	source := s.Tokens.(*tokens)
	mb := w.openWith(a, s)
	w.Challenge(anna, claims)
	_, err := mb.List(t.Context(), mailbox.Query{})
	if e := asError(t, err); e.Class != mailbox.ClassReconnect || e.Claims != claims {
		t.Errorf("class %v, claims %q", e.Class, e.Claims)
	}
	if n := len(source.asked); n != 2 || source.asked[1].Claims != claims || source.asked[1].Rejected == "" {
		t.Errorf("tokens were asked for by %+v", source.asked)
	}
	// Damaged ones are no reason to fail differently.
	for _, value := range []string{"", "***", base64.StdEncoding.EncodeToString([]byte("not json"))} {
		w.Inject(outlooktest.Fault{Status: 401, Times: 2, Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_claims", claims="` + value + `"`}}})
		if _, err := mb.List(t.Context(), mailbox.Query{}); !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestContextsEndCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, everything)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	_, err := mb.Send(ctx, note(bert, "x"), mailbox.SendOptions{})
	errs = append(errs, err)
	if mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
		t.Errorf("outcome %v", mailbox.OutcomeOf(err))
	}
	_, err = w.open(anna, mailbox.CanSend).Send(ctx, note(bert, "x"), mailbox.SendOptions{})
	errs = append(errs, err)
	if mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
		t.Errorf("outcome without drafts %v", mailbox.OutcomeOf(err))
	}
	_, err = mb.List(ctx, mailbox.Query{})
	errs = append(errs, err)
	_, err = mb.Cursor(ctx)
	errs = append(errs, err)
	_, _, err = mb.ResolveSend(ctx, mailbox.Checkpoint{DraftID: "x"})
	errs = append(errs, err)
	_, err = mb.Raw(ctx, "x", 0)
	errs = append(errs, err, mb.SetRead(ctx, true, "x"))
	_, err = w.provider.Identify(ctx, w.session(anna, nil))
	errs = append(errs, err)
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := len(w.Submissions()); n != 0 {
		t.Errorf("%d went out", n)
	}
}
