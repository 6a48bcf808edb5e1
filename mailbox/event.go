package mailbox

import "time"

// Event tells the host that something happened in a mailbox. Events are
// delivered at least once; the same happening has the same ID every time.
type Event struct {
	// ID is stable over redelivery and resync: use it to drop duplicates.
	ID string `json:"id"`
	Ref
	Kind EventKind `json:"kind"`
	// At is when it happened, as far as the provider tells.
	At time.Time `json:"at"`
	// Replay marks events found by a resync: they may be old, and may have been
	// delivered before.
	Replay bool `json:"replay,omitempty"`

	// Message is set for the kinds that are about a message in the mailbox. Its
	// body is there only if the privacy policy allowed fetching it.
	Message *Message `json:"message,omitempty"`
	// Verdict is set with an incoming Message.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Match is set when the message answers one we sent.
	Match *Match `json:"match,omitempty"`

	// Key is the host's idempotency key, for the kinds that are about a send,
	// and for answers to one.
	Key string `json:"key,omitempty"`
	// Sent is set for EventSent.
	Sent *Sent `json:"sent,omitempty"`
	// Err explains EventSendFailed, EventSendUnknown, EventSetAside,
	// EventAccountState and EventLimitsDown. It is not stored with the event.
	Err error `json:"-"`
	// State is set for EventAccountState, and Cause as far as it is known.
	State AccountState `json:"state,omitempty"`
	Cause Cause        `json:"cause,omitempty"`
	// App and Provider are set for EventAppAlarm, which has no Mailbox.
	App      string       `json:"app,omitempty"`
	Provider ProviderName `json:"provider,omitempty"`
	// Store is set for EventLimitsDown and EventLimitsUp: "sends" or "calls".
	Store string `json:"store,omitempty"`
}

// EventKind is the kind of an [Event]. The values are stable.
type EventKind string

// The kinds of events.
const (
	// EventReply: a person answered a message we sent.
	EventReply EventKind = "reply"
	// EventAutoReply: a machine answered: out of office, ticket robot, receipt,
	// calendar answer and the like. Verdict.Kind tells which.
	EventAutoReply EventKind = "auto_reply"
	// EventBounce: a message we sent was not delivered. Verdict.Bounce names
	// the recipients.
	EventBounce EventKind = "bounce"
	// EventMessage: an incoming message that answers nothing we sent.
	EventMessage EventKind = "message"
	// EventSentByHand: the user sent a message outside of the outbox.
	EventSentByHand EventKind = "sent_by_hand"
	// EventSent: a message of the outbox went out.
	EventSent EventKind = "sent"
	// EventSendFailed: a message of the outbox will not go out.
	EventSendFailed EventKind = "send_failed"
	// EventSendUnknown: it cannot be told whether a message went out.
	EventSendUnknown EventKind = "send_unknown"
	// EventResync: the provider lost our position; messages since At were read
	// again.
	EventResync EventKind = "resync"
	// EventSetAside: a message was set aside because the host's handler failed
	// on it repeatedly, or because the provider failed to give it.
	EventSetAside EventKind = "set_aside"
	// EventAccountState: the state of the account changed.
	EventAccountState EventKind = "account_state"
	// EventAppAlarm: the provider refuses the OAuth app itself, for instance
	// because its secret has expired. All its mailboxes stay connected and wait;
	// no user can mend it. It comes once for each app and cause a day.
	EventAppAlarm EventKind = "app_alarm"
	// EventLimitsDown: a store of limits fails with Err. As configured, nothing is
	// sent, or each process keeps the limits alone. It has no Mailbox and no Tenant,
	// and comes once until EventLimitsUp.
	EventLimitsDown EventKind = "limits_down"
	// EventLimitsUp: that store works again.
	EventLimitsUp EventKind = "limits_up"
)

// Verdict says what kind of message it is, and why.
type Verdict struct {
	Kind Kind `json:"kind"`
	// Sub refines Kind, for instance "out_of_office".
	Sub      string     `json:"sub,omitempty"`
	Level    Level      `json:"level"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// Until is the stated end of an absence.
	Until time.Time `json:"until,omitzero"`
	// Bounce is set for KindBounce and KindDelay, and for a receipt or complaint
	// that names the message it is about.
	Bounce *Bounce `json:"bounce,omitempty"`
}

// Kind is what a message is.
type Kind string

// The kinds of messages.
const (
	KindHuman     Kind = "human"
	KindAutoReply Kind = "auto_reply"
	KindBounce    Kind = "bounce"
	KindDelay     Kind = "delay" // still being tried: not a failure
	KindComplaint Kind = "complaint"
	KindReceipt   Kind = "receipt"
	KindCalendar  Kind = "calendar"
	KindChallenge Kind = "challenge"
	KindList      Kind = "list"
	KindReaction  Kind = "reaction"
)

// Level is how sure a verdict or a link is.
type Level uint8

// The levels, weakest first. The zero value is no evidence at all.
const (
	LevelNone Level = iota
	LevelLow
	LevelMedium
	LevelHigh
	LevelCertain
)

var levelNames = [...]string{"none", "low", "medium", "high", "certain"}

// String returns the level in lower case.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return levelNames[0]
}

// MarshalText writes the level as a word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(b []byte) error {
	for i, name := range levelNames {
		if name == string(b) {
			*l = Level(i)
			return nil
		}
	}
	return Invalid("level", "none, low, medium, high, certain", "is unknown")
}

// Evidence is one rule that fired.
type Evidence struct {
	Rule string `json:"rule"`
	// Detail names the field or id that made it fire.
	Detail string `json:"detail,omitempty"`
}

// Match links an incoming message to one that was sent.
type Match struct {
	// Key is the idempotency key of the sent message.
	Key string `json:"key"`
	// RFCMessageID is the id of the sent message that was found.
	RFCMessageID RFCMessageID `json:"rfc_message_id,omitempty"`
	// Thread is the provider's conversation of the sent message, if it is known.
	Thread ThreadID `json:"thread,omitempty"`
	// Recipient is the address the message was sent to that answers, or that a
	// report is about; empty when none of them is.
	Recipient string     `json:"recipient,omitempty"`
	Level     Level      `json:"level"`
	Evidence  []Evidence `json:"evidence,omitempty"`
	// OtherSender marks an answer from an address the message was not sent to:
	// an alias, a colleague, a private account.
	OtherSender bool `json:"other_sender,omitempty"`
}

// Bounce is what a bounce or delay notice reports.
type Bounce struct {
	// OriginalMessageID is the Message-ID of the mail that came back.
	OriginalMessageID RFCMessageID      `json:"original_message_id,omitempty"`
	Recipients        []BounceRecipient `json:"recipients,omitempty"`
}

// BounceRecipient is the fate of one recipient (RFC 3464, 2.3).
type BounceRecipient struct {
	Address string `json:"address"`
	// Action is failed, delayed, delivered, relayed or expanded.
	Action string `json:"action,omitempty"`
	// Status is the enhanced status code, "5.1.1" (RFC 3463).
	Status string `json:"status,omitempty"`
	// SMTP is the reply code of the remote server, 0 when it is not told.
	SMTP int `json:"smtp,omitempty"`
	// Category is the cause in one word, for instance "user_unknown".
	Category string `json:"category,omitempty"`
	// Hard means: stop using the address.
	Hard bool `json:"hard"`
}
