package tokenstore

import (
	"context"
	"errors"

	"github.com/mailtether/mailtether/mailbox"
)

// save stores next over cur, the record it came from. It returns false if
// somebody else's newer token has to be used instead. When it fails, a rotated
// refresh token is kept in memory for the next call.
func (s *Source) save(ctx context.Context, cur current, next Token) (bool, error) {
	v, ref := s.config.Vault, s.config.Ref
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	rotated := next.Refresh != cur.token.Refresh

	err := error(ErrConflict)
	version := cur.version
	for range maxConflicts {
		_, err = v.put(ctx, ref, s.config.Client.Provider.Name(), next, version)
		if !errors.Is(err, ErrConflict) {
			break
		}
		var now opened
		if now, err = v.load(ctx, ref); err != nil && !errors.Is(err, ErrNotFound) {
			break
		}
		// The record was erased, or holds the refresh token of a winner or of a
		// new grant: ours is worth nothing any more. With the same refresh token
		// in it, it was only sealed again, or somebody else has refreshed at a
		// provider that does not rotate.
		if err != nil || now.token.Refresh != cur.token.Refresh || !rotated {
			v.forgetUnsaved(ref)
			return false, nil
		}
		version, err = now.version, errTooManyConflicts
	}
	switch {
	case err == nil:
		v.forgetUnsaved(ref)
		return true, nil
	case !rotated:
		return true, nil // nothing is lost if it is not stored
	default:
		v.keepUnsaved(ref, unsaved{token: next, from: cur.token.Refresh})
		return false, storeFailed("store token", ref, err)
	}
}

// savePending stores a rotated token that the store refused earlier, unless the
// record was written by somebody else since.
func (s *Source) savePending(ctx context.Context, cur current, u unsaved) error {
	if u.from != cur.token.Refresh {
		s.config.Vault.forgetUnsaved(s.config.Ref)
		return nil
	}
	_, err := s.save(ctx, cur, u.token)
	return err
}

// unsaved is a refreshed token that could not be stored yet.
type unsaved struct {
	token Token
	from  Secret // the refresh token that it replaces
}

func (v *Vault) keepUnsaved(ref mailbox.Ref, u unsaved) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unsaved[ref] = u
}

func (v *Vault) unsavedOf(ref mailbox.Ref) (unsaved, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u, ok := v.unsaved[ref]
	return u, ok
}

func (v *Vault) forgetUnsaved(ref mailbox.Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.unsaved, ref)
}
