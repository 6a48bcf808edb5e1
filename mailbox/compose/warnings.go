package compose

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// maxWarnings bounds the warnings of one message, so that hostile mail cannot
// make more of them than it has to say.
const maxWarnings = 100

// warnings collects the repairs made to one message. Each kind is told once per
// part.
type warnings []mailbox.Warning

func (ws *warnings) add(code mailbox.WarningCode, part, detail string) {
	known := slices.ContainsFunc(*ws, func(w mailbox.Warning) bool {
		return w.Code == code && w.Part == part
	})
	if known || len(*ws) >= maxWarnings {
		return
	}
	*ws = append(*ws, mailbox.Warning{Code: code, Part: part, Detail: detail})
}
