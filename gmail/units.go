package gmail

import "github.com/mailtether/mailtether/quota"

// DefaultUnits returns what each method costs, by its id, for projects made since
// 2026-05-01: the units of [quota.GmailCosts]. Such a project has 6,000 units per
// user and minute, 1,200,000 per minute and 80,000,000 per day.
func DefaultUnits() map[string]int { return quota.GmailCosts().Units }

// LegacyUnits returns what each method costs for projects from before
// 2026-05-01, which keep their quotas until Google gives notice: the units of
// [quota.GmailLegacyCosts]. Such a project has 15,000 units per user and minute.
func LegacyUnits() map[string]int { return quota.GmailLegacyCosts().Units }

// The methods that the driver calls.
const (
	methodProfile     = "gmail.users.getProfile"
	methodSendAs      = "gmail.users.settings.sendAs.list"
	methodSend        = "gmail.users.messages.send"
	methodDraftCreate = "gmail.users.drafts.create"
	methodDraftSend   = "gmail.users.drafts.send"
	methodDraftGet    = "gmail.users.drafts.get"
	methodDraftDelete = "gmail.users.drafts.delete"
	methodList        = "gmail.users.messages.list"
	methodGet         = "gmail.users.messages.get"
	methodAttachment  = "gmail.users.messages.attachments.get"
	methodModify      = "gmail.users.messages.modify"
	methodBatchModify = "gmail.users.messages.batchModify"
	methodHistory     = "gmail.users.history.list"
	methodWatch       = "gmail.users.watch"
	methodStop        = "gmail.users.stop"
	methodUserinfo    = "openidconnect.userinfo" // costs no units of the Gmail API
)
