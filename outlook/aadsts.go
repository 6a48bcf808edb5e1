package outlook

import (
	"net/http"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// ruling is what a refusal means: what has to happen, and why it came to that.
type ruling struct {
	class mailbox.Class
	cause mailbox.Cause
}

// aadsts are the numbers that tell more than "error" does (Microsoft Entra
// authentication and authorization error codes, 2024-04; 9002331, 9002332 and
// 530036 from reports). Microsoft may change them: one that is not here falls
// back to suberror and error.
//
// 70001, 700016 and 7000112 say that the app is disabled or missing in the
// directory of the user. That is an administrator's doing nearly always (an
// enterprise application switched off or deleted), and other organisations go on
// working: it is not for the operator, and must not stop the app as a whole.
//
// 50034 and 51004 mean "no such user here", 90002 "no such directory": at a
// sign-in that is the wrong account, at a refresh the account is gone. OAuthError
// does not know which it is, so the class is that of the sign-in and the cause
// that of the refresh.
var aadsts = []struct {
	ruling
	numbers []int
}{
	// The user signs in again.
	{ruling{mailbox.ClassReconnect, mailbox.CauseMFA}, []int{50072, 50074, 50076, 50078, 50079, 50158}},
	{ruling{mailbox.ClassReconnect, mailbox.CausePassword}, []int{50055, 50132, 50133, 50144}},
	{ruling{mailbox.ClassReconnect, mailbox.CauseRevoked}, []int{50173}},
	{ruling{mailbox.ClassReconnect, mailbox.CauseInactive}, []int{70008, 700082}},
	{ruling{mailbox.ClassReconnect, mailbox.CauseExpired}, []int{700084}},
	{ruling{mailbox.ClassReconnect, mailbox.CauseSignInFrequency}, []int{70043}},
	{ruling{mailbox.ClassReconnect, mailbox.CauseAccountBlocked}, []int{50053}},
	{ruling{mailbox.ClassReconnect, ""}, []int{50056, 50058, 50085, 50089, 50126, 50139, 70000}},
	{ruling{mailbox.ClassConsent, mailbox.CauseConsent}, []int{65001}},
	{ruling{mailbox.ClassDeclined, ""}, []int{65004}},
	{ruling{mailbox.ClassWrongAccount, mailbox.CauseAccountDeleted}, []int{50034, 51004, 90002}},
	{ruling{mailbox.ClassWrongAccount, ""}, []int{16000, 50014, 50020, 500208, 90072}},

	// An administrator of the user's organisation acts.
	{ruling{mailbox.ClassAdmin, mailbox.CauseConditionalAccess}, []int{
		50097, 50129, 50131, 50177, 50178, 53000, 53001, 53003, 53011, 530032, 530034, 530035,
	}},
	{ruling{mailbox.ClassAdmin, mailbox.CauseAccountBlocked}, []int{50057}},
	{ruling{mailbox.ClassAdmin, mailbox.CausePolicy}, []int{50105, 90093, 90094, 90095}},
	{ruling{mailbox.ClassAdmin, mailbox.CauseAppRegistration}, []int{70001, 700016, 7000112}},
	{ruling{mailbox.ClassNoMailbox, mailbox.CauseNoLicense}, []int{650052}},

	// The operator of the app acts. CauseAppSecret and CauseAppRegistration stop
	// all mailboxes of the app; the wrong authority for one account (9002331,
	// 9002332) is about that account.
	{ruling{mailbox.ClassConfig, mailbox.CauseAppSecret}, []int{70002, 700027, 7000215, 7000222}},
	{ruling{mailbox.ClassConfig, mailbox.CauseAppRegistration}, []int{50194, 65005, 650056, 650057}},
	{ruling{mailbox.ClassConfig, ""}, []int{28002, 70011, 90014, 90038, 900144, 900561, 530036, 9002313, 9002331, 9002332}},

	// The flow starts over.
	{ruling{mailbox.ClassBadCallback, ""}, []int{54005, 501481, 700005}},

	// It passes.
	{ruling{mailbox.ClassUnavailable, ""}, []int{50033, 50087, 70012, 90012, 90024, 90033, 90090}},
	{ruling{mailbox.ClassThrottled, ""}, []int{50196, 90055}},
	{ruling{mailbox.ClassUnknown, ""}, []int{90036, 90092}}, // directory trouble that only Microsoft's support can end
}

// suberrors: Microsoft.Identity.Client UiRequiredExceptionClassification
// (2026-09), and reports for those it does not list. basic_action means anything
// that the user can mend by signing in, bad_token anything that ended the grant.
var suberrors = map[string]ruling{
	"basic_action":               {mailbox.ClassReconnect, ""},
	"user_password_expired":      {mailbox.ClassReconnect, mailbox.CausePassword},
	"bad_token":                  {mailbox.ClassReconnect, ""},
	"token_expired":              {mailbox.ClassReconnect, ""},
	"additional_action":          {mailbox.ClassAdmin, mailbox.CauseConditionalAccess},
	"message_only":               {mailbox.ClassAdmin, ""},
	"protection_policy_required": {mailbox.ClassAdmin, mailbox.CauseConditionalAccess},
	"consent_required":           {mailbox.ClassConsent, mailbox.CauseConsent},
}

// oauthCodes: RFC 6749 and the Microsoft identity platform. unauthorized_client
// is about the app in the user's directory: see aadsts.
var oauthCodes = map[string]ruling{
	"invalid_grant":             {mailbox.ClassReconnect, ""},
	"interaction_required":      {mailbox.ClassReconnect, ""},
	"login_required":            {mailbox.ClassReconnect, ""},
	"consent_required":          {mailbox.ClassConsent, mailbox.CauseConsent},
	"access_denied":             {mailbox.ClassDeclined, ""},
	"unauthorized_client":       {mailbox.ClassAdmin, mailbox.CauseAppRegistration},
	"invalid_client":            {mailbox.ClassConfig, mailbox.CauseAppSecret},
	"invalid_request":           {mailbox.ClassConfig, ""},
	"invalid_scope":             {mailbox.ClassConfig, ""},
	"invalid_resource":          {mailbox.ClassConfig, ""},
	"unsupported_grant_type":    {mailbox.ClassConfig, ""},
	"unsupported_response_type": {mailbox.ClassConfig, ""},
	"temporarily_unavailable":   {mailbox.ClassUnavailable, ""},
	"server_error":              {mailbox.ClassUnavailable, ""},
}

// rule decides what a refusal means. Trouble of the service and a refused client
// stand above all else it says: no mailbox is at fault then.
func (e *TokenError) rule() ruling {
	general := oauthCodes[e.Code] // unknown ones are ClassUnknown
	switch {
	case e.Status >= 500:
		return ruling{class: mailbox.ClassUnavailable}
	case e.Status == http.StatusTooManyRequests:
		return ruling{class: mailbox.ClassThrottled}
	case e.Code == "", general.class == mailbox.ClassUnavailable:
		return general
	}
	for _, n := range e.Numbers {
		for _, row := range aadsts {
			if slices.Contains(row.numbers, n) && (e.Code != "invalid_client" || row.class == mailbox.ClassConfig) {
				return row.ruling
			}
		}
	}
	if r, ok := suberrors[e.Suberror]; ok && e.Code != "invalid_client" {
		return r
	}
	return general
}
