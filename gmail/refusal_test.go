package gmail

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/googleapi"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// apiError writes an error body as the Gmail API does.
func apiError(code int, status, reason, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}],"status":%q}}`,
		code, message, message, reason, status)
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	const perUser = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com' for consumer 'project_number:1'."
	const perProject = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com' for consumer 'project_number:1'."
	inFuture := time.Now().Add(10 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")
	tests := []struct {
		name   string
		status int
		body   string
		method string
		class  mailbox.Class
		code   string
		scope  mailbox.Scope
		field  string
		waits  bool
	}{
		{name: "token refused", status: 401, body: apiError(401, "UNAUTHENTICATED", "authError", "Invalid Credentials"), class: mailbox.ClassReconnect, code: "authError"},
		{name: "scope missing", status: 403, body: apiError(403, "PERMISSION_DENIED", "insufficientPermissions", "Request had insufficient authentication scopes."), class: mailbox.ClassConsent, code: "insufficientPermissions"},
		{name: "scope missing, new format", status: 403, body: `{"error":{"code":403,"message":"x","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT","domain":"googleapis.com"}]}}`, class: mailbox.ClassConsent, code: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{name: "scope missing, message only", status: 403, body: `{"error":{"message":"Request had insufficient authentication scopes."}}`, class: mailbox.ClassConsent},
		{name: "search with gmail.metadata", status: 403, body: apiError(403, "PERMISSION_DENIED", "forbidden", "Metadata scope does not support 'q' parameter"), class: mailbox.ClassConsent, code: "forbidden"},
		{name: "full with gmail.metadata", status: 403, body: apiError(403, "PERMISSION_DENIED", "forbidden", "Metadata scope doesn't allow format FULL"), class: mailbox.ClassConsent, code: "forbidden"},
		{name: "alias as user", status: 403, body: apiError(403, "PERMISSION_DENIED", "forbidden", "Delegation denied for a@example.com"), class: mailbox.ClassInvalid, code: "forbidden", field: "user id"},
		{name: "API off", status: 403, body: apiError(403, "PERMISSION_DENIED", "accessNotConfigured", "Gmail API has not been used in project 1 before or it is disabled."), class: mailbox.ClassConfig, code: "accessNotConfigured"},
		{name: "API off, new format", status: 403, body: `{"error":{"details":[{"reason":"SERVICE_DISABLED"}]}}`, class: mailbox.ClassConfig, code: "SERVICE_DISABLED"},
		{name: "blocked by the admin", status: 403, body: apiError(403, "PERMISSION_DENIED", "domainPolicy", "The domain administrators have disabled Gmail apps."), class: mailbox.ClassAdmin, code: "domainPolicy"},
		{name: "units of the user, 403", status: 403, body: apiError(403, "PERMISSION_DENIED", "userRateLimitExceeded", perUser), class: mailbox.ClassThrottled, code: "userRateLimitExceeded", scope: mailbox.ScopeMailbox},
		{name: "units of the user, 429", status: 429, body: apiError(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", perUser), class: mailbox.ClassThrottled, code: "rateLimitExceeded", scope: mailbox.ScopeMailbox},
		{name: "units of the project", status: 403, body: apiError(403, "PERMISSION_DENIED", "rateLimitExceeded", perProject), class: mailbox.ClassThrottled, code: "rateLimitExceeded", scope: mailbox.ScopeApp},
		{name: "units of the project as quotaExceeded", status: 403, body: apiError(403, "PERMISSION_DENIED", "quotaExceeded", perProject), class: mailbox.ClassThrottled, code: "quotaExceeded", scope: mailbox.ScopeApp},
		{name: "day of the project", status: 403, body: apiError(403, "PERMISSION_DENIED", "dailyLimitExceeded", "Daily Limit Exceeded"), class: mailbox.ClassAppLimit, code: "dailyLimitExceeded", scope: mailbox.ScopeApp},
		{name: "quotaExceeded", status: 403, body: apiError(403, "PERMISSION_DENIED", "quotaExceeded", "Quota exceeded."), class: mailbox.ClassAppLimit, code: "quotaExceeded", scope: mailbox.ScopeApp},
		{name: "sending limit with a date", status: 429, body: apiError(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", "User-rate limit exceeded.  Retry after "+inFuture+" (Mail sending)"), class: mailbox.ClassSendLimit, code: "rateLimitExceeded", scope: mailbox.ScopeSending, waits: true},
		{name: "other limit with a date", status: 429, body: apiError(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", "User-rate limit exceeded.  Retry after "+inFuture+" (Forwarding rules)"), class: mailbox.ClassThrottled, code: "rateLimitExceeded", scope: mailbox.ScopeMailbox, waits: true},
		{name: "limit with a date, 403", status: 403, body: apiError(403, "PERMISSION_DENIED", "userRateLimitExceeded", "User-rate limit exceeded.  Retry after "+inFuture), class: mailbox.ClassThrottled, code: "userRateLimitExceeded", scope: mailbox.ScopeMailbox, waits: true},
		{name: "concurrency", status: 429, body: apiError(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", "Too many concurrent requests for user"), class: mailbox.ClassThrottled, code: "rateLimitExceeded", scope: mailbox.ScopeMailbox},
		{name: "exhausted", status: 429, body: apiError(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", "Resource has been exhausted (e.g. check quota)."), class: mailbox.ClassThrottled, code: "rateLimitExceeded", scope: mailbox.ScopeMailbox},
		{name: "429 as HTML", status: 429, body: "<html>429</html>", class: mailbox.ClassThrottled, scope: mailbox.ScopeMailbox},
		{name: "no Gmail", status: 400, body: apiError(400, "FAILED_PRECONDITION", "failedPrecondition", "Mail service not enabled"), class: mailbox.ClassNoMailbox, code: "failedPrecondition"},
		{name: "glitch", status: 400, body: apiError(400, "FAILED_PRECONDITION", "failedPrecondition", "Precondition check failed."), class: mailbox.ClassUnavailable, code: "failedPrecondition"},
		{name: "watched by another topic", status: 400, body: apiError(400, "FAILED_PRECONDITION", "failedPrecondition", "Only one user push notification client allowed per developer (call /stop then try again)"), class: mailbox.ClassConflict, code: "failedPrecondition"},
		{name: "topic of another project", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid topicName does not match projects/p/topics/*"), class: mailbox.ClassConfig, code: "invalidArgument"},
		{name: "publisher role", status: 403, body: apiError(403, "PERMISSION_DENIED", "forbidden", "Error sending test message to Cloud PubSub projects/p/topics/t : User not authorized to perform this action."), class: mailbox.ClassConfig, code: "forbidden"},
		{name: "no recipient", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Recipient address required"), class: mailbox.ClassInvalid, code: "invalidArgument", field: "to"},
		{name: "bad To", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid To header"), class: mailbox.ClassInvalid, code: "invalidArgument", field: "to"},
		{name: "bad Bcc", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid Bcc header"), class: mailbox.ClassInvalid, code: "invalidArgument", field: "bcc"},
		{name: "no message", status: 400, body: apiError(400, "INVALID_ARGUMENT", "badRequest", "'raw' RFC822 payload message string or uploading message via /upload/* URL required"), class: mailbox.ClassInvalid, code: "badRequest", field: "message size"},
		{name: "JSON too large", status: 400, body: apiError(400, "INVALID_ARGUMENT", "badRequest", "Request payload size exceeds the limit: 1048576 bytes."), class: mailbox.ClassInvalid, code: "badRequest", field: "message size"},
		{name: "upload too large", status: 413, body: apiError(413, "", "uploadTooLarge", "Request Entity Too Large"), class: mailbox.ClassInvalid, code: "uploadTooLarge", field: "message size"},
		{name: "too large as HTML", status: 413, body: "<html>413</html>", class: mailbox.ClassInvalid, field: "message size"},
		{name: "bad request as HTML", status: 400, body: "<!DOCTYPE html>Error 400", class: mailbox.ClassInvalid},
		{name: "not an id", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid id value"), class: mailbox.ClassNotFound, code: "invalidArgument"},
		{name: "unknown label", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid label: X"), class: mailbox.ClassInvalid, code: "invalidArgument"},
		{name: "stale page", status: 400, body: apiError(400, "INVALID_ARGUMENT", "invalidArgument", "Invalid pageToken"), class: mailbox.ClassInvalid, code: "invalidArgument", field: "page"},
		{name: "message gone", status: 404, method: methodGet, body: apiError(404, "NOT_FOUND", "notFound", "Requested entity was not found."), class: mailbox.ClassNotFound, code: "notFound"},
		{name: "cursor too old", status: 404, method: methodHistory, body: apiError(404, "NOT_FOUND", "notFound", "Requested entity was not found."), class: mailbox.ClassCursorLost, code: "notFound"},
		{name: "cursor too old, no body", status: 404, method: methodHistory, class: mailbox.ClassCursorLost},
		{name: "backend error", status: 500, body: apiError(500, "INTERNAL", "backendError", "Backend Error"), class: mailbox.ClassUnavailable, code: "backendError"},
		{name: "bad gateway", status: 502, body: "<html>502</html>", class: mailbox.ClassUnavailable},
		{name: "unavailable, empty", status: 503, class: mailbox.ClassUnavailable},
		{name: "timeout of the front end", status: 408, body: "<html>", class: mailbox.ClassUnavailable},
		{name: "conflict", status: 409, body: apiError(409, "ALREADY_EXISTS", "aborted", "Label name exists or conflicts"), class: mailbox.ClassConflict, code: "aborted"},
		{name: "new kind of 403", status: 403, body: apiError(403, "PERMISSION_DENIED", "somethingNew", "Something new."), class: mailbox.ClassUnknown, code: "somethingNew"},
		{name: "redirect", status: 302, class: mailbox.ClassUnknown},
		{name: "teapot", status: 418, body: "short and stout", class: mailbox.ClassUnknown},
		{name: "in an array", status: 403, body: "[" + apiError(403, "PERMISSION_DENIED", "domainPolicy", "x") + "]", class: mailbox.ClassAdmin, code: "domainPolicy"},
		{name: "empty array", status: 500, body: "[]", class: mailbox.ClassUnavailable},
		{name: "array of null", status: 500, body: "[null]", class: mailbox.ClassUnavailable},
		{name: "null", status: 500, body: "null", class: mailbox.ClassUnavailable},
		{name: "members of other types", status: 403, body: `{"error":{"code":"x","message":7,"errors":[{"reason":"domainPolicy","message":null}],"status":{},"details":[{"reason":[]}]}}`, class: mailbox.ClassAdmin, code: "domainPolicy"},
		{name: "errors of another type", status: 403, body: `{"error":{"errors":"x","status":"PERMISSION_DENIED","message":"Delegation denied"}}`, class: mailbox.ClassInvalid, code: "PERMISSION_DENIED", field: "user id"},
		{name: "reason that is no word", status: 418, body: apiError(418, "FOO", "mail to a@example.com failed", "x"), class: mailbox.ClassUnknown, code: "FOO"},
		{name: "userinfo's shape", status: 401, body: `{"error":"invalid_request","error_description":"Invalid Credentials"}`, class: mailbox.ClassReconnect},
		{name: "OAuth scope on userinfo", status: 403, body: `{"error":"insufficient_scope"}`, class: mailbox.ClassUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := refusal(gate.Answer{Call: mailbox.Call{Method: tt.method}, Status: tt.status, Header: http.Header{}, Body: []byte(tt.body)})
			if e.Class != tt.class || e.Code != tt.code || e.Scope != tt.scope {
				t.Errorf("class %v, code %q, scope %q; want %v, %q, %q", e.Class, e.Code, e.Scope, tt.class, tt.code, tt.scope)
			}
			var field string
			if fe, ok := errors.AsType[*mailbox.FieldError](e); ok {
				field = fe.Field
			}
			if field != tt.field {
				t.Errorf("field %q, want %q", field, tt.field)
			}
			if waits := e.RetryAfter > 0; waits != tt.waits {
				t.Errorf("RetryAfter %v, want one: %v", e.RetryAfter, tt.waits)
			}
			native, ok := errors.AsType[*googleapi.Error](e)
			if !ok || native.Body != tt.body {
				t.Errorf("the native error is %T", e.Err)
			}
			if text := e.Error(); strings.Contains(text, "@") {
				t.Errorf("an address stands in %q", text)
			}
		})
	}
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		e := refusal(gate.Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}})
		if e.RetryAfter != 7*time.Second {
			t.Errorf("%d: RetryAfter %v, want 7s", status, e.RetryAfter)
		}
	}
}

func TestOAuthError(t *testing.T) {
	t.Parallel()
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		status int
		body   string
		class  mailbox.Class
		code   string
	}{
		{"declined", 0, "error=access_denied&state=x", mailbox.ClassDeclined, "access_denied"},
		{"policy", 0, "error=admin_policy_enforced", mailbox.ClassAdmin, "admin_policy_enforced"},
		{"education", 0, "error=access_not_configured", mailbox.ClassAdmin, "access_not_configured"},
		{"internal app", 0, "error=org_internal", mailbox.ClassConfig, "org_internal"},
		{"redirect", 0, "error=redirect_uri_mismatch", mailbox.ClassConfig, "redirect_uri_mismatch"},
		{"scope", 0, "error=invalid_scope&error_description=Some+requested+scopes", mailbox.ClassConfig, "invalid_scope"},
		{"web view", 0, "error=disallowed_useragent", mailbox.ClassConfig, "disallowed_useragent"},
		{"new users", 0, "error=rate_limit_exceeded", mailbox.ClassAppLimit, "rate_limit_exceeded"},
		{"server", 0, "error=server_error", mailbox.ClassUnavailable, "server_error"},
		{"unknown", 0, "error=new_thing", mailbox.ClassUnknown, "new_thing"},
		{"no error at all", 0, "", mailbox.ClassUnknown, ""},
		{"broken query", 0, "error=access_denied&%zz", mailbox.ClassDeclined, "access_denied"},
		{"grant gone", 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, mailbox.ClassReconnect, "invalid_grant"},
		{"grant gone, bad request", 400, `{"error":"invalid_grant","error_description":"Bad Request"}`, mailbox.ClassReconnect, "invalid_grant"},
		{"session control", 400, `{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)","error_subtype":"invalid_rapt"}`, mailbox.ClassReconnect, "invalid_rapt"},
		{"session control, other subtype", 400, `{"error":"invalid_grant","error_subtype":"rapt_required"}`, mailbox.ClassReconnect, "rapt_required"},
		{"wrong secret", 401, `{"error":"invalid_client","error_description":"Unauthorized"}`, mailbox.ClassConfig, "invalid_client"},
		{"deleted client", 401, `{"error":"deleted_client"}`, mailbox.ClassConfig, "deleted_client"},
		{"unauthorized client", 400, `{"error":"unauthorized_client"}`, mailbox.ClassConfig, "unauthorized_client"},
		{"policy on refresh", 400, `{"error":"admin_policy_enforced"}`, mailbox.ClassAdmin, "admin_policy_enforced"},
		{"server fault", 503, `{"error":"invalid_grant"}`, mailbox.ClassUnavailable, "invalid_grant"},
		{"server fault as HTML", 502, "<html>", mailbox.ClassUnavailable, ""},
		{"too many", 429, `{"error":"rate_limit_exceeded"}`, mailbox.ClassThrottled, "rate_limit_exceeded"},
		{"too many as HTML", 429, "<html>", mailbox.ClassThrottled, ""},
		{"bad request as HTML", 400, "<html>", mailbox.ClassUnknown, ""},
		{"unauthorized without a code", 401, "", mailbox.ClassConfig, ""},
		{"members of other types", 400, `{"error":{"message":"x"},"error_subtype":7}`, mailbox.ClassUnknown, ""},
		{"null", 400, "null", mailbox.ClassUnknown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := p.OAuthError(tt.status, http.Header{"Retry-After": {"5"}}, []byte(tt.body))
			if e.Class != tt.class || e.Code != tt.code || e.Status != tt.status || e.Provider != mailbox.Gmail {
				t.Errorf("%v, class %v, code %q; want %v, %q", e, e.Class, e.Code, tt.class, tt.code)
			}
			native, ok := errors.AsType[*TokenError](e)
			if !ok || native.Status != tt.status || !strings.HasPrefix(native.Error(), "gmail: OAuth refused") {
				t.Errorf("the native error is %T", e.Err)
			}
			if waits := e.RetryAfter > 0; waits != (tt.class == mailbox.ClassThrottled || tt.class == mailbox.ClassUnavailable) {
				t.Errorf("RetryAfter %v", e.RetryAfter)
			}
		})
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(403, []byte(apiError(403, "PERMISSION_DENIED", "forbidden", "Delegation denied")))
	f.Add(429, []byte(`[{"error":{"errors":[{"message":"Retry after 2026-01-01T00:00:00Z"}]}}]`))
	f.Add(400, []byte(`{"error":{"message":"invalid "}}`))
	f.Add(502, []byte("<html>"))
	p, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := refusal(gate.Answer{Status: status, Header: http.Header{}, Body: body})
		if e == nil || e.RetryAfter < 0 || e.RetryAfter > mailbox.MaxRetryAfter || e.Code != "" && !isWord(e.Code) {
			t.Errorf("refusal: %#v", e)
		}
		if status == http.StatusUnauthorized && e.Class == mailbox.ClassUnknown {
			t.Error("401 was not recognised")
		}
		_ = e.Error()
		e = p.OAuthError(status, http.Header{}, body)
		if e == nil || e.RetryAfter < 0 || e.RetryAfter > mailbox.MaxRetryAfter || e.Code != "" && !isWord(e.Code) {
			t.Errorf("OAuthError: %#v", e)
		}
		_ = e.Error()
		_ = e.Err.Error()
	})
}

func TestUnits(t *testing.T) {
	t.Parallel()
	units, legacy := DefaultUnits(), LegacyUnits()
	got := map[string][2]int{}
	for _, name := range []string{
		methodProfile, methodSendAs, methodSend, methodDraftCreate, methodDraftSend, methodDraftGet, methodDraftDelete,
		methodList, methodGet, methodAttachment, methodModify, methodBatchModify, methodHistory,
	} {
		got[name] = [2]int{units[name], legacy[name]}
	}
	want := map[string][2]int{
		methodProfile: {1, 1}, methodSendAs: {1, 1}, methodSend: {100, 100}, methodDraftCreate: {10, 10},
		methodDraftSend: {100, 100}, methodDraftGet: {20, 5}, methodDraftDelete: {10, 10}, methodList: {5, 5},
		methodGet: {20, 5}, methodAttachment: {20, 5}, methodModify: {5, 5}, methodBatchModify: {50, 50}, methodHistory: {2, 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("units, new and legacy (-want +got):\n%s", diff)
	}
}
