package main

import (
	"bytes"
	"context"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// classify says what kind of message each is.
type classify struct{ atOnce }

type classified struct {
	place
	MessageID mailbox.RFCMessageID `json:"message_id"`
	Kind      mailbox.Kind         `json:"kind"`
	Sub       string               `json:"sub"`
	Level     mailbox.Level        `json:"level"`
	Evidence  []mailbox.Evidence   `json:"evidence"`
	Bounce    *bounce              `json:"bounce,omitempty"`
	// Until is the last day of an absence, or the day of return: year, month, day.
	Until string `json:"until,omitempty"`
}

// bounce and bounceRecipient name every field, also where nothing is known.
type bounce struct {
	OriginalMessageID mailbox.RFCMessageID `json:"original_message_id"`
	Recipients        []bounceRecipient    `json:"recipients"`
}

type bounceRecipient struct {
	Address  string `json:"address"`
	Action   string `json:"action"`
	Status   string `json:"status"`
	SMTP     int    `json:"smtp"`
	Category string `json:"category"`
	Hard     bool   `json:"hard"`
}

func (classify) look(_ context.Context, f mailfiles.Message) (any, error) {
	m, err := read(f)
	if err != nil {
		return nil, err
	}
	v, err := verdict(f, m)
	if err != nil {
		return nil, err
	}
	object := classified{
		place: placeOf(f), MessageID: m.RFCMessageID,
		Kind: v.Kind, Sub: v.Sub, Level: v.Level, Evidence: list(v.Evidence),
	}
	if !v.Until.IsZero() {
		object.Until = v.Until.Format("2006-01-02")
	}
	if v.Bounce != nil {
		object.Bounce = &bounce{OriginalMessageID: v.Bounce.OriginalMessageID, Recipients: []bounceRecipient{}}
		for _, r := range v.Bounce.Recipients {
			object.Bounce.Recipients = append(object.Bounce.Recipients, bounceRecipient(r))
		}
	}
	return object, nil
}

// verdict classifies a message, and reads the whole of it if it is a report.
func verdict(f mailfiles.Message, m *mailbox.Message) (mailbox.Verdict, error) {
	v := threading.Classify(m)
	if !threading.IsReport(v.Kind) {
		return v, nil
	}
	report, err := threading.ReadReport(bytes.NewReader(f.Raw))
	return report.Refine(v), err
}

// list is printed as [] when it is empty.
func list(evidence []mailbox.Evidence) []mailbox.Evidence {
	if evidence == nil {
		return []mailbox.Evidence{}
	}
	return evidence
}
