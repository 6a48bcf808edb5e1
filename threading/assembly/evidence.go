package assembly

import "github.com/mailtether/mailtether/mailbox"

func (f *forest) linkByEvidence(least mailbox.Level) {}
