package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is a failure in terms a host can act on. Drivers return nothing else,
// except that a context's error stays reachable by errors.Is.
//
// Its text names operation, provider and class. It never holds a token, an
// address, a subject or a body; the provider's own words stay behind
// errors.As(err, &native).
type Error struct {
	// Op is what was tried, for instance "send" or "changes".
	Op       string
	Provider ProviderName
	Mailbox  MailboxID
	Class    Class
	// Code is the provider's machine-readable code, for instance
	// "userRateLimitExceeded", "ErrorItemNotFound" or "AADSTS50076".
	Code string
	// Cause tells more about a refused grant; empty when nothing is known.
	Cause Cause
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Outcome tells whether a write may have taken effect. OutcomeNone for reads.
	Outcome Outcome
	// RetryAfter is how long to wait before another try, as the provider asked;
	// 0 when it did not say. It is never negative and never above MaxRetryAfter.
	RetryAfter time.Duration
	// Scope tells what a limit covers: waiting for less is in vain, pausing
	// more is needless.
	Scope Scope
	// RequestID is the provider's trace id, for its support.
	RequestID string
	// Claims is a claims challenge (Microsoft) that the next sign-in has to carry.
	Claims string
	// Err is the native error. It may be nil.
	Err error
}

// MaxRetryAfter bounds [Error.RetryAfter]: longer waits are looked at again
// after it.
const MaxRetryAfter = 24 * time.Hour

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("mailtether: ")
	if e.Provider != "" {
		b.WriteString(string(e.Provider))
		b.WriteByte(' ')
	}
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Class.String())
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Cause != "" {
		fmt.Fprintf(&b, ", cause %s", e.Cause)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ", HTTP %d", e.Status)
	}
	if e.Outcome == OutcomeUnknown {
		b.WriteString(", may have taken effect")
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", retry after %s", e.RetryAfter)
	}
	if fe, ok := errors.AsType[*FieldError](e.Err); ok {
		b.WriteString(": ")
		b.WriteString(fe.Error())
	}
	return b.String()
}

// Is reports whether target is the error's class.
func (e *Error) Is(target error) bool {
	c, ok := target.(Class)
	return ok && c == e.Class
}

// Unwrap returns the native error.
func (e *Error) Unwrap() error { return e.Err }

// Actor is who has to act.
func (e *Error) Actor() Actor { return e.Class.Actor() }

// Action is what has to happen.
func (e *Error) Action() Action { return e.Class.Action() }

// Class says what kind of failure it is. A Class is itself an error, so that
// errors.Is(err, mailbox.ClassThrottled) works. The numbers never change.
type Class uint8

// The classes. Actor and Action of each are fixed: see [Class.Actor].
const (
	// ClassUnknown: not recognised. Never fatal, never a reason to reconnect.
	ClassUnknown Class = 0
	// ClassInvalid: the request is at fault; repeating it is in vain. A
	// [*FieldError] behind it names the field.
	ClassInvalid Class = 1
	// ClassNotFound: the message, thread or record is gone.
	ClassNotFound Class = 2
	// ClassConflict: somebody else changed the record in between.
	ClassConflict Class = 3
	// ClassUnsupported: this provider, or the granted capabilities, cannot do it.
	ClassUnsupported Class = 4
	// ClassUnavailable: the provider has a fault or did not answer.
	ClassUnavailable Class = 5
	// ClassThrottled: too many requests; wait and go slower.
	ClassThrottled Class = 6
	// ClassSendLimit: the mailbox may not send more for now; reading goes on.
	ClassSendLimit Class = 7
	// ClassAppLimit: the app's own daily quota at the provider is used up.
	ClassAppLimit Class = 8
	// ClassReconnect: the grant is gone; the user has to sign in again.
	ClassReconnect Class = 9
	// ClassConsent: a scope is missing; the user has to grant it.
	ClassConsent Class = 10
	// ClassAdmin: an administrator of the user's organisation has to act.
	ClassAdmin Class = 11
	// ClassConfig: the app's registration, secret or settings are at fault.
	// Mailboxes stay connected.
	ClassConfig Class = 12
	// ClassNoMailbox: the account has no usable mailbox.
	ClassNoMailbox Class = 13
	// ClassMailboxFull: the mailbox is full; reads may fail too.
	ClassMailboxFull Class = 14
	// ClassSendBlocked: the provider has barred the mailbox from sending.
	ClassSendBlocked Class = 15
	// ClassSender: the From address may not be used by this mailbox.
	ClassSender Class = 16
	// ClassCursorLost: the cursor is too old or was dropped; resync.
	ClassCursorLost Class = 17
	// ClassDeclined: the user declined to connect.
	ClassDeclined Class = 18
	// ClassWrongAccount: another account signed in than the one expected.
	ClassWrongAccount Class = 19
	// ClassBadCallback: an OAuth callback that does not belong to a flow we
	// started: wrong, expired or reused state.
	ClassBadCallback Class = 20
	// ClassStorage: one of the host's stores failed.
	ClassStorage Class = 21
	// ClassPaused: our own limits hold the call back; see RetryAfter.
	ClassPaused Class = 22
)

type classInfo struct {
	name   string
	actor  Actor
	action Action
}

var classes = [...]classInfo{
	ClassUnknown:      {"unrecognised failure", ActorNobody, ActionRetry},
	ClassInvalid:      {"invalid request", ActorHost, ActionFixRequest},
	ClassNotFound:     {"not found", ActorHost, ActionFixRequest},
	ClassConflict:     {"conflict", ActorNobody, ActionRetry},
	ClassUnsupported:  {"unsupported", ActorHost, ActionFixRequest},
	ClassUnavailable:  {"provider unavailable", ActorProvider, ActionRetry},
	ClassThrottled:    {"throttled", ActorNobody, ActionSlowDown},
	ClassSendLimit:    {"sending limit reached", ActorNobody, ActionWait},
	ClassAppLimit:     {"app quota used up", ActorOperator, ActionWait},
	ClassReconnect:    {"reconnect needed", ActorUser, ActionReconnect},
	ClassConsent:      {"consent needed", ActorUser, ActionReconnect},
	ClassAdmin:        {"administrator needed", ActorAdmin, ActionAskAdmin},
	ClassConfig:       {"app misconfigured", ActorOperator, ActionFixConfig},
	ClassNoMailbox:    {"no usable mailbox", ActorAdmin, ActionAskAdmin},
	ClassMailboxFull:  {"mailbox full", ActorUser, ActionWait},
	ClassSendBlocked:  {"sending blocked", ActorUser, ActionEscalate},
	ClassSender:       {"sender address not allowed", ActorHost, ActionFixRequest},
	ClassCursorLost:   {"cursor lost", ActorNobody, ActionResync},
	ClassDeclined:     {"declined by the user", ActorUser, ActionReconnect},
	ClassWrongAccount: {"wrong account", ActorUser, ActionReconnect},
	ClassBadCallback:  {"invalid callback", ActorUser, ActionReconnect},
	ClassStorage:      {"storage failed", ActorOperator, ActionRetry},
	ClassPaused:       {"held back by own limits", ActorNobody, ActionWait},
}

func (c Class) info() classInfo {
	if int(c) < len(classes) {
		return classes[c]
	}
	return classes[ClassUnknown]
}

// String returns the class in a few lower-case words.
func (c Class) String() string { return c.info().name }

// Error implements error, so that a class can be the target of errors.Is.
func (c Class) Error() string { return "mailtether: " + c.String() }

// Actor is who has to act on a failure of this class.
func (c Class) Actor() Actor { return c.info().actor }

// Action is what has to happen on a failure of this class.
func (c Class) Action() Action { return c.info().action }

// Actor is who has to act on a failure.
type Actor string

// The actors.
const (
	ActorNobody   Actor = "nobody"       // it passes by itself
	ActorHost     Actor = "host"         // the calling code
	ActorUser     Actor = "user"         // the owner of the mailbox
	ActorAdmin    Actor = "tenant_admin" // an administrator of the owner's organisation
	ActorOperator Actor = "app_operator" // whoever runs the host application
	ActorProvider Actor = "provider"     // Google or Microsoft
)

// Action is what has to happen after a failure.
type Action string

// The actions.
const (
	ActionRetry      Action = "retry"
	ActionWait       Action = "wait_until"
	ActionSlowDown   Action = "slow_down"
	ActionReconnect  Action = "reconnect"
	ActionAskAdmin   Action = "ask_admin"
	ActionFixRequest Action = "fix_request"
	ActionFixConfig  Action = "fix_configuration"
	ActionResync     Action = "resync"
	ActionEscalate   Action = "escalate"
)

// Outcome tells whether a write took effect. The numbers are stored.
type Outcome uint8

// The outcomes.
const (
	// OutcomeNone: not a write.
	OutcomeNone Outcome = 0
	// OutcomeNotSent: certainly without effect; safe to repeat.
	OutcomeNotSent Outcome = 1
	// OutcomeSent: certainly done.
	OutcomeSent Outcome = 2
	// OutcomeUnknown: it may have taken effect. Look it up
	// ([SendResolver]); never repeat it blindly.
	OutcomeUnknown Outcome = 3
)

// String returns "none", "not_sent", "sent" or "unknown".
func (o Outcome) String() string {
	switch o {
	case OutcomeNotSent:
		return "not_sent"
	case OutcomeSent:
		return "sent"
	case OutcomeUnknown:
		return "unknown"
	default:
		return "none"
	}
}

// OutcomeOf returns the outcome that err carries. An error that is not an
// [*Error] says nothing, and a write that failed with it is OutcomeUnknown. A
// nil error is OutcomeSent.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeSent
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Outcome != OutcomeNone {
		return e.Outcome
	}
	return OutcomeUnknown
}

// ClassOf returns the class that err carries, ClassUnknown if it has none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if c, ok := errors.AsType[Class](err); ok {
		return c
	}
	return ClassUnknown
}

// Scope tells what a limit covers.
type Scope string

// The scopes of a limit, from narrow to wide.
const (
	ScopeNone    Scope = ""
	ScopeMailbox Scope = "mailbox" // this mailbox, every kind of call
	ScopeSending Scope = "sending" // sends of this mailbox; reading goes on
	ScopeTenant  Scope = "tenant"  // every mailbox of the owner's organisation
	ScopeApp     Scope = "app"     // every mailbox of this OAuth app
)

// FieldError says which field of a request or configuration is at fault, and
// what would be right.
type FieldError struct {
	// Field is the name of the field, for instance "subject" or "to[3]".
	Field string
	// Limit is what is allowed, in words, for instance "at most 998 bytes".
	Limit string
	// Problem is what is wrong, in words. It never holds the value.
	Problem string
}

// Error implements error.
func (e *FieldError) Error() string {
	s := e.Field + " " + e.Problem
	if e.Limit != "" {
		s += " (allowed: " + e.Limit + ")"
	}
	return s
}

// Invalid returns a ClassInvalid error for one field. Nothing was sent.
func Invalid(field, limit, problem string) *Error {
	return &Error{
		Class:   ClassInvalid,
		Outcome: OutcomeNotSent,
		Err:     &FieldError{Field: field, Limit: limit, Problem: problem},
	}
}
