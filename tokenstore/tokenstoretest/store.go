// Package tokenstoretest holds the rules of a [tokenstore.Store] as a test
// suite, for hosts that keep tokens in a database of their own.
package tokenstoretest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// TestStore checks that a store keeps the rules of [tokenstore.Store], and those
// of [tokenstore.TenantLister] and [tokenstore.Locker] if it is one. open is
// called once for each rule and returns a store that holds nothing of earlier
// calls; it may register a clean-up on its t. A Locker is also tested by
// [TestLeases], with leases that are shorter than those of TestStore.
func TestStore(t *testing.T, open func(t *testing.T) tokenstore.Store) {
	t.Helper()
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.check(t, open(t))
		})
	}
}

var rules = []struct {
	name  string
	check func(t *testing.T, s tokenstore.Store)
}{
	{"a missing record is ErrNotFound", missing},
	{"what was put comes back unchanged", roundTrip},
	{"sealed bytes are kept byte for byte", sealedBytes},
	{"the caller's bytes are copied", noAliasing},
	{"creating twice is a conflict", createTwice},
	{"every write gives a higher version", versionsGrow},
	{"a stale version is a conflict", staleVersion},
	{"an update of a missing record is a conflict", updateMissing},
	{"a deleted record is gone, deleting again is no error", deleteTwice},
	{"versions do not repeat after a delete", versionsNeverRepeat},
	{"identifiers are compared byte for byte", identifiers},
	{"tenants do not see each other", tenants},
	{"a list has every record of the tenant once", list},
	{"a list can be stopped and ranged over again", listAgain},
	{"sealed bytes of up to 1 MiB are kept", largeSealed},
	{"a version that was never given is a conflict", oddVersions},
	{"tenants are named once each", listTenants},
	{"a tenant without records is not named", tenantWithoutRecords},
	{"a list of tenants can be stopped and ranged over again", listTenantsAgain},
	{"of many creators one wins", concurrentCreate},
	{"concurrent updates are never lost", concurrentUpdate},
	{"a cancelled context fails", cancelled},
	{"a lock excludes others", lockExcludes},
	{"waiting for a lock ends with the context", lockCancelled},
	{"a lease ends in the future", leaseInFuture},
	{"a lock has nothing to do with the record", lockIsNoRecord},
}

var testRef = mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}

func record(ref mailbox.Ref, sealed string) tokenstore.Record {
	return tokenstore.Record{
		Ref:       ref,
		Provider:  mailbox.Outlook,
		Sealed:    []byte(sealed),
		UpdatedAt: time.Date(2026, 11, 20, 23, 59, 59, 123456000, time.UTC),
	}
}

func mustPut(t *testing.T, s tokenstore.Store, rec tokenstore.Record) tokenstore.Record {
	t.Helper()
	got, err := s.Put(t.Context(), rec)
	if err != nil {
		t.Fatalf("Put with version %d: %v", rec.Version, err)
	}
	if got.Version == 0 {
		t.Fatal("Put returned version 0, which means \"create\"")
	}
	return got
}

// wantStored checks that the store holds rec.
func wantStored(t *testing.T, s tokenstore.Store, rec tokenstore.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), rec.Ref)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if diff := cmp.Diff(rec, got); diff != "" {
		t.Errorf("stored record differs (-want +got):\n%s", diff)
	}
}

func wantNotFound(t *testing.T, s tokenstore.Store, ref mailbox.Ref) {
	t.Helper()
	rec, err := s.Get(t.Context(), ref)
	if !errors.Is(err, tokenstore.ErrNotFound) || !errors.Is(err, mailbox.ClassNotFound) {
		t.Errorf("Get of a record that is not there: error %v, want ErrNotFound", err)
	}
	if len(rec.Sealed) != 0 {
		t.Error("Get of a record that is not there returned data")
	}
}

func wantConflict(t *testing.T, s tokenstore.Store, rec tokenstore.Record) {
	t.Helper()
	if _, err := s.Put(t.Context(), rec); !errors.Is(err, tokenstore.ErrConflict) || !errors.Is(err, mailbox.ClassConflict) {
		t.Errorf("Put with version %d: error %v, want ErrConflict", rec.Version, err)
	}
}
