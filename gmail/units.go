package gmail

import "maps"

// DefaultUnits returns what each method costs in Gmail quota units, by its id in
// the API's discovery document, for projects made since 2026-05-01
// (developers.google.com/workspace/gmail/api/reference/quota, 2026-07-31).
// Such a project has 6,000 units per user and minute, 1,200,000 per minute and
// 80,000,000 per day. A batch costs what its calls cost.
//
// The patch methods, which the page does not list, are counted as updates.
func DefaultUnits() map[string]int {
	units := map[string]int{}
	for cost, names := range map[int][]string{
		1: {
			"getProfile", "labels.list", "labels.get", "settings.sendAs.list", "settings.sendAs.get",
			"settings.filters.list", "settings.filters.get", "settings.delegates.list", "settings.delegates.get",
			"settings.forwardingAddresses.list", "settings.forwardingAddresses.get",
			"settings.getAutoForwarding", "settings.getImap", "settings.getPop", "settings.getVacation",
		},
		2: {"history.list"},
		5: {
			"messages.list", "messages.modify", "messages.untrash", "drafts.list",
			"labels.create", "labels.update", "labels.patch", "labels.delete",
			"settings.sendAs.delete", "settings.filters.create", "settings.filters.delete",
			"settings.delegates.delete", "settings.forwardingAddresses.delete",
			"settings.updateVacation", "settings.updateImap", "settings.updateAutoForwarding",
		},
		10: {
			"messages.delete", "drafts.create", "drafts.delete",
			"threads.list", "threads.modify", "threads.untrash",
		},
		15: {"drafts.update"},
		20: {
			"messages.get", "messages.attachments.get", "messages.trash", "drafts.get",
			"threads.trash", "threads.delete",
		},
		25: {"messages.insert", "messages.import"},
		40: {"threads.get"},
		50: {"messages.batchModify", "messages.batchDelete", "stop"},
		100: {
			"messages.send", "drafts.send", "watch",
			"settings.sendAs.create", "settings.sendAs.update", "settings.sendAs.patch", "settings.sendAs.verify",
			"settings.delegates.create", "settings.forwardingAddresses.create", "settings.updatePop",
		},
	} {
		for _, name := range names {
			units["gmail.users."+name] = cost
		}
	}
	return units
}

// LegacyUnits returns what each method costs for projects from before
// 2026-05-01, which keep their quotas until Google gives notice (the same page
// as of 2025-12-11). Such a project has 15,000 units per user and minute.
func LegacyUnits() map[string]int {
	units := DefaultUnits()
	maps.Copy(units, map[string]int{
		"gmail.users.messages.get":             5,
		"gmail.users.messages.attachments.get": 5,
		"gmail.users.messages.trash":           5,
		"gmail.users.drafts.get":               5,
		"gmail.users.threads.get":              10,
		"gmail.users.threads.trash":            10,
	})
	return units
}

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

// unlisted is charged for methods that are not in the table: as much as the
// dearest ones.
const unlisted = 100
