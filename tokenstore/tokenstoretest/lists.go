package tokenstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

func collect(t *testing.T, s tokenstore.Store, tenant mailbox.TenantID) []tokenstore.Record {
	t.Helper()
	var records []tokenstore.Record
	for rec, err := range s.List(t.Context(), tenant) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		records = append(records, rec)
	}
	slices.SortFunc(records, func(a, b tokenstore.Record) int {
		return strings.Compare(string(a.Mailbox), string(b.Mailbox))
	})
	return records
}

func list(t *testing.T, s tokenstore.Store) {
	if got := collect(t, s, testRef.Tenant); len(got) != 0 {
		t.Errorf("the list of an empty store has %d records", len(got))
	}
	var want []tokenstore.Record
	for i := range 250 { // more than a page of any likely size
		ref := mailbox.Ref{Tenant: testRef.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprintf("%03d", i))}
		want = append(want, mustPut(t, s, record(ref, fmt.Sprint(i))))
	}
	if diff := cmp.Diff(want, collect(t, s, testRef.Tenant)); diff != "" {
		t.Errorf("list differs (-want +got):\n%s", diff)
	}
}

func listAgain(t *testing.T, s tokenstore.Store) {
	for i := range 5 {
		mustPut(t, s, record(mailbox.Ref{Tenant: testRef.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprint(i))}, "sealed"))
	}
	seq := s.List(t.Context(), testRef.Tenant)
	for range 3 {
		for rec, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			// Writing while ranging must not block, as key rotation does it.
			mustPut(t, s, rec)
			break
		}
	}
	n := 0
	for rec, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, s, rec)
		n++
	}
	if n != 5 {
		t.Errorf("ranging again gave %d records, want 5", n)
	}
}

func lister(t *testing.T, s tokenstore.Store) tokenstore.TenantLister {
	t.Helper()
	l, ok := s.(tokenstore.TenantLister)
	if !ok {
		t.Skip("the store is no tokenstore.TenantLister, which is optional")
	}
	return l
}

func collectTenants(t *testing.T, l tokenstore.TenantLister) []mailbox.TenantID {
	t.Helper()
	var names []mailbox.TenantID
	for tenant, err := range l.Tenants(t.Context()) {
		if err != nil {
			t.Fatalf("Tenants: %v", err)
		}
		names = append(names, tenant)
	}
	slices.Sort(names)
	return names
}

func listTenants(t *testing.T, s tokenstore.Store) {
	l := lister(t, s)
	if got := collectTenants(t, l); len(got) != 0 {
		t.Errorf("an empty store names %d tenants", len(got))
	}
	var want []mailbox.TenantID
	for i := range 120 { // more than a page of any likely size
		tenant := mailbox.TenantID(fmt.Sprintf("%03d", i))
		want = append(want, tenant)
		for _, id := range []mailbox.MailboxID{"a", "b", "c"} {
			mustPut(t, s, record(mailbox.Ref{Tenant: tenant, Mailbox: id}, "sealed"))
		}
	}
	for _, tenant := range []mailbox.TenantID{"A", "a", "a ", "\u00e9", "e\u0301", "%"} {
		want = append(want, tenant)
		mustPut(t, s, record(mailbox.Ref{Tenant: tenant, Mailbox: "m"}, "sealed"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, collectTenants(t, l)); diff != "" {
		t.Errorf("tenants differ (-want +got):\n%s", diff)
	}
}

func tenantWithoutRecords(t *testing.T, s tokenstore.Store) {
	l := lister(t, s)
	other := mailbox.Ref{Tenant: "other", Mailbox: "m"}
	mustPut(t, s, record(testRef, "sealed"))
	mustPut(t, s, record(other, "sealed"))
	if err := s.Delete(t.Context(), testRef); err != nil {
		t.Fatal(err)
	}
	if got := collectTenants(t, l); !slices.Equal(got, []mailbox.TenantID{other.Tenant}) {
		t.Errorf("tenants %q, want only that which still has a record", got)
	}
}

func listTenantsAgain(t *testing.T, s tokenstore.Store) {
	l := lister(t, s)
	for i := range 5 {
		mustPut(t, s, record(mailbox.Ref{Tenant: mailbox.TenantID(fmt.Sprint(i)), Mailbox: "m"}, "sealed"))
	}
	seq := l.Tenants(t.Context())
	for range 3 {
		for tenant, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			// Reading and writing while ranging must not block.
			for _, rec := range collect(t, s, tenant) {
				mustPut(t, s, rec)
			}
			break
		}
	}
	if got := collectTenants(t, l); len(got) != 5 {
		t.Errorf("ranging again gave %d tenants, want 5", len(got))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var err error
	for _, err = range l.Tenants(ctx) {
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Tenants under a cancelled context: %v, want context.Canceled", err)
	}
}
