package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

var dialects = []Dialect{PostgreSQL, SQLite}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		db      *sql.DB
		dialect Dialect
		options Options
		field   string // at fault
	}{
		{"defaults", new(sql.DB), PostgreSQL, Options{}, ""},
		{"no database", nil, SQLite, Options{}, "db"},
		{"no dialect", new(sql.DB), "", Options{}, "dialect"},
		{"short lease", new(sql.DB), SQLite, Options{LeaseTTL: time.Millisecond}, "Options.LeaseTTL"},
		{"long lease", new(sql.DB), SQLite, Options{LeaseTTL: 25 * time.Hour}, "Options.LeaseTTL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(test.db, test.dialect, test.options)
			if test.field == "" {
				if err != nil {
					t.Errorf("New: %v", err)
				}
				return
			}
			f, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || f.Field != test.field || !errors.Is(err, mailbox.ClassInvalid) {
				t.Errorf("New: %v, want mailbox.ClassInvalid that names %s", err, test.field)
			}
		})
	}
}

// unreachable is a database that nobody reaches.
type unreachable struct{}

var errUnreachable = errors.New("unreachable")

func (unreachable) Connect(context.Context) (driver.Conn, error) { return nil, errUnreachable }
func (unreachable) Driver() driver.Driver                        { return nil }

// In SQLite a transaction waits for the one before it, until its context ends;
// PostgreSQL has rows to wait for.
func TestTransactionsStandInLine(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, ends := range []bool{false, true} { // the context, or the one before
			synctest.Test(t, func(t *testing.T) {
				db := sql.OpenDB(unreachable{})
				defer db.Close()
				store, err := New(db, d, Options{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				store.writer <- struct{}{}
				done := make(chan error, 1)
				go func() { done <- store.atomic(ctx, func(*sql.Conn) error { return nil }) }()
				synctest.Wait()
				if waits := len(done) == 0; waits != (d == SQLite) {
					t.Errorf("%s: waits for the one before: %v", d, waits)
				}
				want := errUnreachable
				if ends && d == SQLite {
					cancel()
					want = context.Canceled
				} else {
					<-store.writer
				}
				if err := <-done; !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", d, err, want)
				}
			})
		}
	}
}

// Every statement on the records of mailboxes names the tenant. Those that do
// not are listed here, each with its reason.
func TestStatementsNameTheTenant(t *testing.T) {
	t.Parallel()
	exceptions := map[string]string{
		"inUse":   "counts in all tenants, see connect.AccountStore",
		"linked":  "a link is unique in all tenants; tells only that there is one",
		"tenants": "lists the tenants",
		"sweep":   "removes what has expired, in all tenants",
	}
	named := regexp.MustCompile(`WHERE tenant = [$?]1 AND mailbox|^INSERT INTO \w+ (AS \w+ )?\(tenant, mailbox,|^INSERT INTO mailtether_accounts\s+\(tenant, mailbox,`)
	for _, d := range dialects {
		for _, statements := range []any{accountSQL(d), tokenSQL(d)} {
			v := reflect.ValueOf(statements)
			for i := range v.NumField() {
				name := v.Type().Field(i).Name
				if _, ok := exceptions[name]; !ok && !named.MatchString(v.Field(i).String()) {
					t.Errorf("%s, %s does not name the tenant: %s", d, name, v.Field(i))
				}
			}
		}
	}
}

// Those of the index name tenant and mailbox for every table.
func TestIndexStatementsNameTheMailbox(t *testing.T) {
	t.Parallel()
	table := regexp.MustCompile(`mailtether_\w+`)
	named := regexp.MustCompile(`(\w+\.)?tenant = [$?]1 AND (\w+\.)?mailbox = [$?]2|INTO mailtether_\w+( AS t)? \(tenant, mailbox, key, `)
	for _, d := range dialects {
		index := indexSQL(d)
		for _, statement := range slices.Concat([]string{index.get, index.find}, index.create, index.update, index.forget) {
			if tables, names := table.FindAllString(statement, -1), named.FindAllString(statement, -1); len(tables) != len(names) {
				t.Errorf("%s: %q names %d tables and %d mailboxes", d, statement, len(tables), len(names))
			}
		}
	}
}

// Those of the limits name a log or a state of calls for every table.
func TestLimitsStatementsNameTheTenant(t *testing.T) {
	t.Parallel()
	table := regexp.MustCompile(`(FROM|INTO|UPDATE) mailtether_\w+`)
	named := regexp.MustCompile(`WHERE (tenant = [$?]1 AND kind = [$?]2 AND name = [$?]3|provider = [$?]1 AND app = [$?]2 AND tenant = [$?]3 AND mailbox = [$?]4)` +
		`|INTO \w+ (AS \w+ )?\((tenant, kind, name|provider, app, tenant, mailbox), `)
	for _, d := range dialects {
		for _, statements := range []any{sendSQL(d), callSQL(d)} {
			v := reflect.ValueOf(statements)
			for i := range v.NumField() {
				statement := v.Field(i).String()
				if name := v.Type().Field(i).Name; name == "sweep" || name == "idle" {
					continue // finds what is as good as new or not in use, in all tenants
				}
				if tables, names := len(table.FindAllString(statement, -1)), len(named.FindAllString(statement, -1)); tables == 0 || tables != names {
					t.Errorf("%s: %q names %d tables and %d logs", d, statement, tables, names)
				}
			}
		}
	}
}

func TestStatementsAreInTheDialect(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		var all []string
		for _, statements := range []any{accountSQL(d), tokenSQL(d), stateSQL(d), sendSQL(d), callSQL(d)} {
			for v, i := reflect.ValueOf(statements), 0; i < v.NumField(); i++ {
				all = append(all, v.Field(i).String())
			}
		}
		index := indexSQL(d)
		all = append(all, index.get, index.find)
		all = slices.Concat(all, index.create, index.update, index.forget)
		list, err := migrations(d)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range list {
			if m.version != int64(i+1) || m.name == "" || len(m.statements) == 0 {
				t.Errorf("migration %d is %+v", i+1, m)
			}
			all = append(all, m.statements...)
		}
		for _, statement := range all {
			if statement == "" || strings.ContainsAny(statement, "{}") || strings.Contains(statement, ";") ||
				strings.Contains(statement, "$") && d == SQLite || strings.Contains(statement, "?") && d == PostgreSQL {
				t.Errorf("%s: %q", d, statement)
			}
		}
	}
}

// mapText knows all text of an account, also fields that are added later.
func TestMapTextIsComplete(t *testing.T) {
	t.Parallel()
	var a, want mailbox.Account
	var fill func(v reflect.Value, text string)
	fill = func(v reflect.Value, text string) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(text)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				fill(v.Index(i), text)
			}
		case reflect.Struct:
			if _, ok := v.Interface().(time.Time); ok {
				return
			}
			for i := range v.NumField() {
				fill(v.Field(i), text)
			}
		case reflect.Int64, reflect.Uint32: // versions and capabilities
		default:
			t.Errorf("an account has a %s: mapText and this test do not know what that holds", v.Kind())
		}
	}
	fill(reflect.ValueOf(&a).Elem(), "x")
	fill(reflect.ValueOf(&want).Elem(), "yx")
	got, ok := mapText(a, func(s string) (string, bool) { return "y" + s, true })
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("mapText misses text (-want +got), ok %v:\n%s", ok, diff)
	}
	if a.Aliases[0] != "x" {
		t.Error("mapText changed what it was given")
	}
}

// A column holds anything, and different text differs in it.
func TestColumn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxColumn)
	texts := []string{
		"", "plain", "Zoë", "\x00", "\xff", "\xff\x00", "\ufffd", "base64:", "base64:x",
		long, long + "x", long + "y", column(long + "x"), "base64:AA", strings.Repeat("\xff", 800),
	}
	seen := map[string]string{}
	for _, text := range texts {
		c := column(text)
		if other, ok := seen[c]; ok {
			t.Errorf("%.20q and %.20q are both %.20q", text, other, c)
		}
		seen[c] = text
		if len(c) > maxColumn || strings.ContainsRune(c, 0) || c != strings.ToValidUTF8(c, "") {
			t.Errorf("%.20q becomes %q, which not every database can hold", text, c)
		}
	}
	if slices.Contains([]string{column("plain"), column("Zoë"), column(long)}, "") || column("Zoë") != "Zoë" || column(long) != long {
		t.Error("plain text does not stay as it is")
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00", "\xff", "base64:", "base64:AA", "base64:sha256:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := decodeText(encodeText(s))
		if !ok || got != s {
			t.Errorf("%q came back as %q, %v", s, got, ok)
		}
		decodeText(s) // must not panic
	})
}

// Whatever stands in the database, decodeAccount gives an account of the mailbox
// that was asked for, which can be written again, or an error.
func FuzzDecodeAccount(f *testing.F) {
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	good, err := encodeAccount(mailbox.Account{Ref: ref, Provider: mailbox.Gmail, Name: "\xff", Aliases: []string{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, document := range []string{string(good), "", "null", "{}", "[]", `{"tenant":"t","mailbox":"m","aliases":["base64:!"]}`} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		a, err := decodeAccount(document, ref, 7)
		if err != nil {
			if !errors.Is(err, errDocument) || !reflect.DeepEqual(a, mailbox.Account{}) {
				t.Fatalf("error %v with %+v", err, a)
			}
			return
		}
		if a.Ref != ref || a.Version != 7 {
			t.Fatalf("the account is of %v, version %d", a.Ref, a.Version)
		}
		again, err := encodeAccount(a)
		if err != nil {
			return // a time that JSON can read and not write
		}
		b, err := decodeAccount(again, ref, 7)
		if err != nil || !json.Valid(again) {
			t.Fatalf("what was written again cannot be read: %v", err)
		}
		if diff := cmp.Diff(a, b, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the account changed (-want +got):\n%s", diff)
		}
	})
}

// The document of a sent message has all its fields, also those that are added
// later.
func TestSentDocumentIsComplete(t *testing.T) {
	t.Parallel()
	var want threading.SentMessage
	v := reflect.ValueOf(&want).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *mailbox.Ref:
			*f = mailbox.Ref{Tenant: "t", Mailbox: "m"}
		case *time.Time:
			*f = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		case *[]mailbox.RFCMessageID:
			*f = []mailbox.RFCMessageID{"a\x00", "b"}
		case *[]string:
			*f = []string{"a\xff", "b"}
		case *[]uint64:
			*f = []uint64{1, 1<<64 - 1}
		default:
			if v.Field(i).Kind() != reflect.String {
				t.Fatalf("a sent message has a %T: this test does not know what that holds", f)
			}
			v.Field(i).SetString("\x00\xff" + v.Type().Field(i).Name)
		}
	}
	document, err := encodeSent(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeSent(document, want.Ref, []byte(want.Key))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, the document misses something (-want +got):\n%s", err, diff)
	}
	for _, other := range []mailbox.Ref{{Tenant: "t", Mailbox: "other"}, {Tenant: "other", Mailbox: "m"}} {
		if _, err := decodeSent(document, other, []byte(want.Key)); !errors.Is(err, errDocument) {
			t.Errorf("as one of %v: %v", other, err)
		}
	}
	if _, err := decodeSent(document, want.Ref, []byte("other")); !errors.Is(err, errDocument) {
		t.Errorf("under another key: %v", err)
	}
	want.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := encodeSent(want); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("a time in the year 10000: %v", err)
	}
}

// Whatever stands in the database, decodeSent gives a message of the row, or an
// error.
func FuzzDecodeSent(f *testing.F) {
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	good, err := encodeSent(threading.SentMessage{Ref: ref, Key: "k", IDs: []mailbox.RFCMessageID{"\xff"}, Phrases: []uint64{1}})
	if err != nil {
		f.Fatal(err)
	}
	for _, document := range []string{string(good), "", "null", "{}", "[]", `{"tenant":"t","mailbox":"m","key":"k","phrases":"AAAA"}`} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := decodeSent(document, ref, []byte("k"))
		if err != nil && (!errors.Is(err, errDocument) || !reflect.DeepEqual(m, threading.SentMessage{})) {
			t.Fatalf("error %v with %+v", err, m)
		}
		if err == nil && (m.Ref != ref || m.Key != "k") {
			t.Fatalf("the message is %q of %v", m.Key, m.Ref)
		}
	})
}
