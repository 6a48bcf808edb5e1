package tokenstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// RotateOptions are the rarely needed arguments of [Vault.Rotate].
type RotateOptions struct {
	// Tenants names the tenants whose records are looked at; a failure is the
	// last pair. nil means all of them, which takes a store that is a
	// [TenantLister].
	Tenants iter.Seq2[mailbox.TenantID, error]
	// Workers is how many records are worked on at the same time; 0 means 4.
	Workers int
	// Progress is told how far it is: after every 1,000 records and at the end.
	// It is not called by two goroutines at the same time, and must return soon.
	// nil means nobody wants to know.
	Progress func(RotateReport)
}

// RotateReport tells what [Vault.Rotate] has done. Records that are not rotated
// and have not failed were sealed by the primary key before, or were deleted
// meanwhile.
type RotateReport struct {
	// Done is how many records were looked at.
	Done int
	// Rotated is how many of them were sealed again.
	Rotated int
	// Failed is how many could not be: Unreadable, or refused by the store.
	Failed int
	// Unreadable is how many of them cannot be opened with any key.
	Unreadable int
	// FailedRefs names the first 100 of those that failed.
	FailedRefs []mailbox.Ref
}

const (
	defaultWorkers = 4
	progressEvery  = 1000
	// maxFailed bounds RotateReport.FailedRefs, and how often the store may fail
	// before it is taken to be down.
	maxFailed = 100
)

// Rotate seals every record again that was not sealed by the primary key, while
// the store is in use: a token that is refreshed, replaced or deleted meanwhile
// stays as its writer left it. Old keys can go when it returns no error and every
// process has the new primary key: those that seal with an older one go on
// writing records for it.
//
// Every record is opened, so that those that no key opens are counted and named.
// They are no error and stay as they are. Where the store fails, the others are
// still worked on, up to 100 failures; the first is returned, with
// mailbox.ClassStorage. An AEAD that does not seal fails with mailbox.ClassConfig
// and ends it, and so does a store that cannot name its tenants. It also ends
// with ctx. Safe to repeat: what is done is not done again, if the AEAD is a
// [PrimaryChecker].
func (v *Vault) Rotate(ctx context.Context, o RotateOptions) (RotateReport, error) {
	if err := v.ready(anyRef); err != nil {
		return RotateReport{}, err
	}
	if o.Tenants == nil {
		lister, ok := v.store.(TenantLister)
		if !ok {
			return RotateReport{}, &mailbox.Error{
				Op: "rotate tokens", Class: mailbox.ClassConfig,
				Err: &mailbox.FieldError{Field: "Tenants", Limit: "a list, or a Store that is a TenantLister", Problem: "is neither"},
			}
		}
		o.Tenants = lister.Tenants(ctx)
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &rotation{vault: v, progress: o.Progress, stop: cancel}
	r.current, _ = v.aead.(PrimaryChecker)

	records := make(chan Record)
	var wg sync.WaitGroup
	for range o.Workers {
		wg.Go(func() {
			for rec := range records {
				rotated, err := r.rotate(ctx, rec)
				r.note(ctx, rec.Ref, rotated, err)
			}
		})
	}
	r.list(ctx, o.Tenants, records)
	close(records)
	wg.Wait()
	if r.progress != nil {
		r.progress(r.copied())
	}
	return r.report, r.err
}

// anyRef is one that Vault.ready accepts.
var anyRef = mailbox.Ref{Tenant: "any", Mailbox: "any"}

// rotation is one run of Vault.Rotate.
type rotation struct {
	vault    *Vault
	current  PrimaryChecker // nil: the AEAD cannot tell
	progress func(RotateReport)
	stop     context.CancelFunc

	mu       sync.Mutex
	report   RotateReport
	failures int   // of the store
	err      error // the first, or the one that ended it
}

// list sends every record of the tenants to the workers.
func (r *rotation) list(ctx context.Context, tenants iter.Seq2[mailbox.TenantID, error], to chan<- Record) {
	for tenant, err := range tenants {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			r.fail(storeFailed("list tenants", mailbox.Ref{}, err))
			return
		}
		for rec, err := range r.vault.store.List(ctx, tenant) {
			if err != nil {
				r.fail(storeFailed("list tokens", mailbox.Ref{}, err))
				break // other tenants may do better
			}
			// A record of another tenant is opened as one of this tenant: in vain.
			rec.Tenant = tenant
			select {
			case to <- rec:
			case <-ctx.Done():
				r.fail(storeFailed("rotate tokens", mailbox.Ref{}, ctx.Err()))
				return
			}
		}
	}
}

// rotate seals one record again, and reports whether that was needed. The list
// may have the record from before a write: what is read of it is a hint until
// the store has compared the versions.
func (r *rotation) rotate(ctx context.Context, rec Record) (bool, error) {
	v, ref := r.vault, rec.Ref
	var o opened
	var err error
	if v.seen.of(ref).replayed(sightingOf(rec)) {
		o, err = v.load(ctx, ref)
	} else {
		o, err = v.open(ref, rec)
	}
	for range maxConflicts {
		switch {
		case errors.Is(err, ErrNotFound): // deleted meanwhile
			return false, nil
		case err != nil:
			return false, err
		case r.current != nil && r.current.SealedByPrimary(o.sealed):
			return false, nil
		}
		_, err = v.seal(ctx, ref, o.provider, o.plain, o.version)
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
		o, err = v.load(ctx, ref)
	}
	return false, storeFailed("rotate token", ref, errTooManyConflicts)
}

// note counts one record, unless it was given up because the rotation ends.
func (r *rotation) note(ctx context.Context, ref mailbox.Ref, rotated bool, err error) {
	if err != nil && ctx.Err() != nil {
		r.fail(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Done++
	if rotated {
		r.report.Rotated++
	}
	if err != nil {
		r.report.Failed++
		if len(r.report.FailedRefs) < maxFailed {
			r.report.FailedRefs = append(r.report.FailedRefs, ref)
		}
		if errors.Is(err, ErrSealed) {
			r.report.Unreadable++
		} else {
			r.failed(err)
		}
	}
	if r.progress != nil && r.report.Done%progressEvery == 0 {
		r.progress(r.copied())
	}
}

// fail notes a failure that belongs to no record.
func (r *rotation) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed(err)
}

// failed remembers the first failure, and ends the rotation when there is no use
// in going on.
func (r *rotation) failed(err error) {
	if r.err == nil {
		r.err = err
	}
	r.failures++
	if r.failures >= maxFailed || errors.Is(err, mailbox.ClassConfig) {
		r.stop()
	}
}

// copied returns the report as one that does not change any more.
func (r *rotation) copied() RotateReport {
	c := r.report
	c.FailedRefs = slices.Clone(c.FailedRefs)
	return c
}
