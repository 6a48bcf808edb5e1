package tokenstore

import (
	"context"
	"errors"

	"github.com/mailtether/mailtether/mailbox"
)

// The errors that callers tell apart. Each also answers errors.Is for its
// mailbox.Class, which is named with it.
var (
	// ErrNotFound: no token is stored for the mailbox. mailbox.ClassNotFound.
	ErrNotFound error = &fault{"mailtether: no token is stored", mailbox.ClassNotFound}
	// ErrConflict: the record has another version than the writer read, or
	// exists although it was to be created, or is gone. mailbox.ClassConflict.
	ErrConflict error = &fault{"mailtether: the stored token was changed by another writer", mailbox.ClassConflict}
	// ErrDamaged: what stands in the store is no record any more. It can be
	// deleted, and [Vault.Replace] does so. mailbox.ClassStorage.
	ErrDamaged error = &fault{"mailtether: the stored token is damaged", mailbox.ClassStorage}
	// ErrSealed: a sealed record cannot be opened. Wrong key, unknown key,
	// damaged, cut or moved to another mailbox: the error never says which.
	// mailbox.ClassConfig, since the keys or the database need the operator and
	// asking the user to sign in again would hide that.
	ErrSealed error = &fault{"mailtether: the sealed token cannot be opened", mailbox.ClassConfig}
)

// fault is the type of the errors above.
type fault struct {
	text  string
	class mailbox.Class
}

func (f *fault) Error() string { return f.text }

// Unwrap makes errors.Is work with the class.
func (f *fault) Unwrap() error { return f.class }

// storeFailed gives an error of a host's store a class. The errors that the
// Store interface itself defines pass unchanged.
func storeFailed(op string, ref mailbox.Ref, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		return err
	}
	return &mailbox.Error{Op: op, Mailbox: ref.Mailbox, Class: mailbox.ClassStorage, Err: err}
}

// asError returns err as a new *mailbox.Error that the caller may change.
func asError(err error) *mailbox.Error {
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		copied := *e
		return &copied
	}
	class := mailbox.ClassOf(err)
	if class == mailbox.ClassUnknown && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		class = mailbox.ClassUnavailable
	}
	return &mailbox.Error{Class: class, Err: err}
}

// ofMailbox returns err as a new error that names mailbox and provider.
func ofMailbox(err error, c *Client, ref mailbox.Ref) *mailbox.Error {
	e := asError(err)
	if e.Op == "" {
		e.Op = "token"
	}
	if c != nil && c.Provider != nil {
		e.Provider = c.Provider.Name()
	}
	e.Mailbox = ref.Mailbox
	return e
}
