// Package sqlstore keeps what mailtether has to remember in the host's own
// database: PostgreSQL (from 12) or SQLite (from 3.42), by database/sql and a
// driver of the host's choice.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	…
//	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
//	…
//	err = store.Migrate(ctx)
//	…
//	stores := mailtether.Stores{
//		Accounts: store.Accounts(), States: store.States(), Tokens: store.Tokens(),
//		Index: store.Index(), Sends: store.Sends(), Calls: store.Calls(),
//	}
//
// Every operation is one statement (a write that is refused is followed by a
// query for the reason), so that nothing holds a lock for longer than that, no
// two operations can deadlock, and any number of processes can share a database.
// There are three exceptions. What changes a log of [Sends], and the steps of
// [Calls], are short transactions, which hold the row of the log or the state; in
// SQLite those of a process stand in line. [Index.Add] of a message that is there
// already reads it and writes the union, and does so again if somebody else was
// faster. And in SQLite, which has no statement that changes two tables, each write
// of an Index is a transaction of two or three statements.
//
// # Schema
//
// [Store.Migrate] creates and upgrades the tables; until then every operation
// fails with a [SchemaError]. They live where the connection creates tables: in
// PostgreSQL in the first schema of the search_path. The schema is the same in
// both databases. Hosts may read the tables; only this package writes them.
//
//	mailtether_schema     version, name, applied_at: the migrations that were applied
//	mailtether_accounts   tenant, mailbox (key), version, provider, app, owner, subject, address,
//	                      state, parent, link (unique unless empty), document, updated_at
//	mailtether_states     id (key), data, expires
//	mailtether_tokens     tenant, mailbox (key), version, provider, sealed, updated_at
//	mailtether_leases     tenant, mailbox (key), holder, expires
//	mailtether_sent       tenant, mailbox, key (key), version, at, document
//	mailtether_sent_terms tenant, mailbox, key, term (key), at
//	mailtether_logs       tenant, kind, name (key), version, document, used_at
//	mailtether_log_entries tenant, kind, name, key (key), at, recipients, settled
//	mailtether_log_spans  tenant, kind, name, span (key), messages, recipients
//	mailtether_calls      provider, app, tenant, mailbox (key), document, idle_at
//
// Times are whole microseconds since 1970 in UTC. Text is compared byte for
// byte. An account is its document, [mailbox.Account] as JSON; the other columns
// are copies to search by. A sent message is its document, too, and has a row in
// mailtether_sent_terms for each [threading.Term] that it is found by; its key is
// in bytes, its version is a number that every write draws at random. A span is 2^26
// microseconds; its row holds how many entries of the log, and how many recipients,
// have their time in it.
//
// Text that a database cannot hold (NUL, or not UTF-8) is written as "base64:" and
// its bytes, in columns and in the document alike; in a column, text of more than
// 1,000 bytes is "base64:sha256:" and its hash.
//
// A token that was deleted leaves a row with sealed NULL, which holds no more than
// the identifiers and the version: versions never repeat, so a late writer cannot
// take a new token for the one it read.
//
// # Locks
//
// The lock of a mailbox ([tokenstore.Locker]) is a row with an expiry by the
// database's clock, so that the clocks of the processes do not matter, and with
// a random name of the holder, so that nobody releases a lease but its own. A
// holder that died blocks the others until then, for [Options.LeaseTTL] at most.
// A holder that only slept too long cannot overwrite what the next one has
// stored: that is kept by the version of the token, which every write compares.
//
// # PostgreSQL
//
// Isolation is the default, READ COMMITTED. The transactions of [Sends] and
// [Calls] ask for it, so that no other default lets them pass a limit. Connections
// may be pooled by transaction (PgBouncer).
//
// # SQLite
//
// Recommended with modernc.org/sqlite, for a file that several processes share:
//
//	file:mail.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_txlock=immediate
//
// A statement that meets a locked database is tried again for 10 seconds, or
// until its context ends. busy_timeout makes SQLite itself wait before that, also
// for the host's own statements; with other drivers than this one a context may
// not interrupt it, and a short one is better. synchronous(FULL) is what keeps a
// committed token over a power failure. A database in memory belongs to one
// connection: call db.SetMaxOpenConns(1). All processes have to run on one
// machine, as SQLite demands.
package sqlstore
