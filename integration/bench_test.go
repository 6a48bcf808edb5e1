package integration

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/tokenstore"
)

// The databases of the benchmarks do not sync to disk: what is measured is the
// way there, not the disk.
func benchAll(b *testing.B, bench func(b *testing.B, store *sqlstore.Store, d database)) {
	for _, backend := range []struct {
		name string
		make func(testing.TB) database
	}{{"SQLite", sqliteFile}, {"PostgreSQL", postgres}} {
		b.Run(backend.name, func(b *testing.B) {
			d := backend.make(b)
			store, _ := migrated(b, d)
			b.ReportAllocs()
			bench(b, store, d)
		})
	}
}

// benchToken has the size of Microsoft's.
func benchToken() tokenstore.Token {
	now := time.Now()
	return tokenstore.Token{
		Access: mailbox.AccessToken(strings.Repeat("a", 2000)), Refresh: tokenstore.Secret(strings.Repeat("r", 1200)),
		IssuedAt: now, Expiry: now.Add(time.Hour), Scopes: []string{"Mail.Send", "Mail.Read", "offline_access"},
	}
}

// Encrypt, store, load and decrypt.
func BenchmarkVaultRoundTrip(b *testing.B) {
	benchAll(b, func(b *testing.B, store *sqlstore.Store, _ database) {
		vault, err := fleetVault(store.Tokens())
		if err != nil {
			b.Fatal(err)
		}
		version := int64(0)
		for b.Loop() {
			if version, err = vault.Put(b.Context(), fleetRef, mailbox.Outlook, benchToken(), version); err != nil {
				b.Fatal(err)
			}
			if _, _, err = vault.Get(b.Context(), fleetRef); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLock(b *testing.B) {
	benchAll(b, func(b *testing.B, store *sqlstore.Store, _ database) {
		for b.Loop() {
			lease, err := store.Tokens().Lock(b.Context(), fleetRef)
			if err != nil {
				b.Fatal(err)
			}
			lease.Release()
		}
	})
}

func BenchmarkAccountPut(b *testing.B) {
	benchAll(b, func(b *testing.B, store *sqlstore.Store, _ database) {
		a := account(fleetRef)
		for b.Loop() {
			var err error
			if a, err = store.Accounts().Put(b.Context(), a); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRotate1000(b *testing.B)   { benchRotate(b, 1000) }
func BenchmarkRotate100000(b *testing.B) { benchRotate(b, 100_000) }

// benchRotate changes the key of n records, in tenants of 1,000.
func benchRotate(b *testing.B, n int) {
	benchAll(b, func(b *testing.B, store *sqlstore.Store, d database) {
		keys := []tokenstore.Key{
			{ID: "even", Secret: bytes.Repeat([]byte{2}, 32)},
			{ID: "odd", Secret: bytes.Repeat([]byte{1}, 32)},
		}
		var vaults []*tokenstore.Vault // each seals with the key that the other one replaces
		for i := range keys {
			ring, err := tokenstore.NewKeyring(keys[i], keys[1-i])
			if err != nil {
				b.Fatal(err)
			}
			vaults = append(vaults, tokenstore.NewVault(store.Tokens(), ring))
		}
		fill(b, d, keys[1], n)
		i := 0
		for b.Loop() {
			steps := 0
			report, err := vaults[i%2].Rotate(b.Context(), tokenstore.RotateOptions{
				Progress: func(tokenstore.RotateReport) { steps++ },
			})
			if err != nil || report.Rotated != n || steps < n/1000 {
				b.Fatalf("%d of %d records rotated in %d steps, error %v", report.Rotated, n, steps, err)
			}
			i++
		}
		b.ReportMetric(float64(n)*float64(i)/b.Elapsed().Seconds(), "records/s")
	})
}

// fill writes n records without going through the store, which would take longer
// than what is measured.
func fill(b *testing.B, d database, key tokenstore.Key, n int) {
	b.Helper()
	ring, err := tokenstore.NewKeyring(key)
	if err != nil {
		b.Fatal(err)
	}
	db := openDB(b, d)
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	for tenant := range (n + 999) / 1000 {
		memory := tokenstore.NewMemory()
		vault := tokenstore.NewVault(memory, ring)
		name := mailbox.TenantID(fmt.Sprint("tenant ", tenant))
		for i := range min(1000, n) {
			ref := mailbox.Ref{Tenant: name, Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
			if err := vault.Replace(b.Context(), ref, mailbox.Outlook, benchToken()); err != nil {
				b.Fatal(err)
			}
		}
		var rows []string
		var args []any
		for rec, err := range memory.List(b.Context(), name) {
			if err != nil {
				b.Fatal(err)
			}
			at := len(args)
			rows = append(rows, fmt.Sprintf("($%d, $%d, 1, 'outlook', $%d, 0)", at+1, at+2, at+3))
			args = append(args, string(rec.Tenant), string(rec.Mailbox), rec.Sealed)
		}
		_, err := tx.ExecContext(b.Context(),
			"INSERT INTO mailtether_tokens (tenant, mailbox, version, provider, sealed, updated_at) VALUES "+strings.Join(rows, ", "), args...)
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// The time of both does not grow with the mailbox.
func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("sent=%d", n), func(b *testing.B) {
			benchAll(b, func(b *testing.B, store *sqlstore.Store, d database) {
				db := openDB(b, d)
				fillIndex(b, store, db, d, fleetRef, n)
				if _, err := db.ExecContext(b.Context(), "ANALYZE"); err != nil {
					b.Fatal(err)
				}
				index := store.Index()
				b.Run("Find", func(b *testing.B) {
					b.ReportAllocs()
					id := threading.IDTerm(sentMessage(fleetRef, 0).IDs[0])
					for b.Loop() {
						if err := finds(b.Context(), index, 1, id); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run("Add", func(b *testing.B) {
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						i++
						if err := index.Add(b.Context(), sentMessage(fleetRef, i)); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		})
	}
}

// A decision about one more message, with as many sent in the last 24 hours, of
// one mailbox or of many, by one caller or by eight.
func BenchmarkDecide(b *testing.B) {
	benchAll(b, func(b *testing.B, store *sqlstore.Store, d database) {
		db, err := d.open()
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		for i, sent := range []int{0, 100, 2_000, 300_000} {
			log := quota.Log{Tenant: "tenant", Kind: quota.LogTenant, Name: fmt.Sprint(i)}
			fillLog(b, db, d, log, sent, time.Now())
			if _, err := db.ExecContext(b.Context(), "ANALYZE"); err != nil {
				b.Fatal(err)
			}
			decide := func(l quota.Log) error {
				a, err := store.Sends().Decide(b.Context(), quota.Ask{
					Entry: quota.Entry{Log: l, Key: "again", Recipients: 1},
					Windows: []quota.Window{
						{Per: quota.Horizon, Max: 1_000_000},
						{Per: quota.Horizon, Max: 1_000_000, Recipients: true},
						{Per: time.Minute, Max: 1_000_000},
					},
				})
				if err == nil && !a.Allowed {
					err = fmt.Errorf("refused: %+v", a)
				}
				return err
			}
			b.Run(fmt.Sprintf("%d-sent", sent), func(b *testing.B) {
				for b.Loop() {
					if err := decide(log); err != nil {
						b.Fatal(err)
					}
				}
			})
			if sent > 0 {
				continue
			}
			for _, mailboxes := range []int{1, 1000} {
				b.Run(fmt.Sprintf("8-callers-%d-mailboxes", mailboxes), func(b *testing.B) {
					b.SetParallelism(4) // two processors
					var n atomic.Int64
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							if err := decide(limitsLog(int(n.Add(1)) % mailboxes)); err != nil {
								b.Error(err)
							}
						}
					})
				})
			}
		}
	})
}
