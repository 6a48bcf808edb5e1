package mailbox

// Cause tells why a grant cannot be used, more closely than its [Class] does. It
// is for choosing a text and for support: what to do is decided by the class,
// since providers tell causes vaguely, or by numbers they may change. The values
// are stored.
type Cause string

// The causes. Empty means that the provider did not tell.
const (
	CauseRevoked           Cause = "revoked"            // the user or an administrator ended the grant
	CausePassword          Cause = "password"           // the password was changed or has expired
	CauseExpired           Cause = "expired"            // the grant was given for a limited time
	CauseInactive          Cause = "inactive"           // the grant was not used for too long
	CauseTesting           Cause = "testing"            // the app is in testing mode, where grants last 7 days (Google)
	CauseSignInFrequency   Cause = "sign_in_frequency"  // the organisation wants its users to sign in again now and then
	CauseMFA               Cause = "mfa"                // a second factor has to be presented
	CauseConditionalAccess Cause = "conditional_access" // a policy on devices, places or risk stands against it
	CausePolicy            Cause = "policy"             // an administrator does not allow the app
	CauseConsent           Cause = "consent"            // a scope was not granted, or no longer is
	CauseAccountDeleted    Cause = "account_deleted"    // the account is gone
	CauseAccountBlocked    Cause = "account_blocked"    // the account is disabled, locked or suspended
	CauseNoLicense         Cause = "no_license"         // the organisation or the account has no mail service
	CauseAppSecret         Cause = "app_secret"         // the app's secret is wrong or has expired
	CauseAppRegistration   Cause = "app_registration"   // the app's registration is wrong, disabled or deleted
	CauseParent            Cause = "parent"             // the mailbox that a shared one lives on is not connected
	CauseNoRights          Cause = "no_rights"          // the user has no rights (any more) on a shared mailbox
)
