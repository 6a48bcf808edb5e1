package quota

import (
	"maps"

	"github.com/mailtether/mailtether/mailbox"
)

// CostTable is what the calls of a provider cost, in the units of its limits.
type CostTable struct {
	Provider mailbox.ProviderName
	// Source is the page that says so, and Date the day of its version, or the
	// month if no more is known: YYYY-MM-DD or YYYY-MM.
	Source, Date string
	// Units is the cost of each method, by the name that [mailbox.Call.Method]
	// has.
	Units map[string]int
	// Other is the cost of a method that is not in Units.
	Other int
}

// Of returns the cost of n calls of a method.
func (t CostTable) Of(method string, n int) int {
	units, ok := t.Units[method]
	if !ok {
		units = t.Other
	}
	return units * n
}

// GmailCosts are those of projects made since 2026-05-01, the stricter ones.
// Methods go by their id in the API's discovery document. A batch costs what its
// calls cost. The patch methods, which the page does not list, are counted as
// updates, and others as the dearest. That of threads.trash was read in two
// transcriptions of the page only.
func GmailCosts() CostTable {
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
	return CostTable{
		Provider: mailbox.Gmail,
		Source:   "https://developers.google.com/workspace/gmail/api/reference/quota",
		Date:     "2026-07-31",
		Units:    units,
		Other:    100,
	}
}

// GmailLegacyCosts are those of projects from before 2026-05-01, which keep their
// quotas until Google gives notice: the same page as of 2025-12-11. Such a
// project has 15,000 units per user and minute ([Limits.Mailbox]).
func GmailLegacyCosts() CostTable {
	t := GmailCosts()
	t.Date = "2025-12-11"
	maps.Copy(t.Units, map[string]int{
		"gmail.users.messages.get":             5,
		"gmail.users.messages.attachments.get": 5,
		"gmail.users.messages.trash":           5,
		"gmail.users.drafts.get":               5,
		"gmail.users.threads.get":              10,
		"gmail.users.threads.trash":            10,
	})
	return t
}

// GraphCosts says that each request of Microsoft Graph to a mailbox costs one,
// and a batch as many as it has items
// (https://learn.microsoft.com/graph/json-batching, 2025-02).
func GraphCosts() CostTable {
	return CostTable{
		Provider: mailbox.Outlook,
		Source:   "https://learn.microsoft.com/graph/throttling-limits",
		Date:     "2025-01",
		Other:    1,
	}
}
