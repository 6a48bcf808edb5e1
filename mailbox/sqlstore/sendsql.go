package sqlstore

type sendStatements struct {
	open, hold, use, entry, put, remove, count, uncount, prune, pruneSpans, entries string
	nthMessage, nthRecipient, nthMessageSpan, nthRecipientSpan                      string
	idle, drop, dropSpans                                                           string
	state, create, update                                                           string
}

func sendSQL(d Dialect) sendStatements {
	const log = ofLog
	// What the state is need not be read by who has its version already.
	const held = `version, CASE WHEN version <> $4 THEN document END, used_at, {now}`
	hold := d.sql(`UPDATE mailtether_logs SET version = version WHERE ` + log + ` RETURNING ` + held)
	if d == PostgreSQL {
		// Those who wait for the row stand in line, and the clock is read when it is
		// their turn.
		hold = d.sql(`SELECT ` + held + ` FROM (
			SELECT version, document, used_at FROM mailtether_logs WHERE ` + log + ` FOR UPDATE) AS held`)
	}
	// The span of the n-th message or recipient ($10) after a time ($5), and how many
	// are before it. Of the span that the time is in ($6, ends at $7) the entries
	// after it count; the entry of a key ($4, its span is $8) does not, with its $9.
	nthSpan := func(column, ofEntries string) string {
		return d.sql(`SELECT span, total - n FROM (
				SELECT span, n, SUM(n) OVER (ORDER BY span) AS total FROM (
					SELECT CAST($6 AS BIGINT) AS span, COALESCE(` + ofEntries + `, 0) AS n FROM mailtether_log_entries
						WHERE ` + log + ` AND at > $5 AND at < $7 AND key <> $4
					UNION ALL
					SELECT span, ` + column + ` - CASE WHEN span = $8 THEN CAST($9 AS BIGINT) ELSE 0 END FROM mailtether_log_spans
						WHERE ` + log + ` AND span > $6) AS spans) AS sums
			WHERE total >= $10 ORDER BY span LIMIT 1`)
	}
	return sendStatements{
		open: d.sql(`INSERT INTO mailtether_logs (tenant, kind, name, version, used_at) VALUES ($1, $2, $3, 0, {now})
			ON CONFLICT (tenant, kind, name) DO NOTHING`),
		hold:  hold,
		use:   d.sql(`UPDATE mailtether_logs SET used_at = {now} WHERE ` + log),
		entry: d.sql(`SELECT at, recipients, settled = 1 FROM mailtether_log_entries WHERE ` + log + ` AND key = $4`),
		put: d.sql(`INSERT INTO mailtether_log_entries (tenant, kind, name, key, at, recipients, settled)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, kind, name, key) DO UPDATE SET at = excluded.at, recipients = excluded.recipients, settled = excluded.settled`),
		remove: d.sql(`DELETE FROM mailtether_log_entries WHERE ` + log + ` AND key = $4`),
		count: d.sql(`INSERT INTO mailtether_log_spans AS s (tenant, kind, name, span, messages, recipients)
			VALUES ($1, $2, $3, $4, 1, $5)
			ON CONFLICT (tenant, kind, name, span) DO UPDATE SET messages = s.messages + 1, recipients = s.recipients + excluded.recipients
			RETURNING messages`),
		uncount: d.sql(`UPDATE mailtether_log_spans SET messages = messages - 1, recipients = recipients - $5 WHERE ` + log + ` AND span = $4`),
		prune: d.sql(`DELETE FROM mailtether_log_entries WHERE ` + log + ` AND key IN (
			SELECT key FROM mailtether_log_entries WHERE ` + log + ` AND at < $4 ORDER BY at LIMIT $5)`),
		pruneSpans: d.sql(`DELETE FROM mailtether_log_spans WHERE ` + log + ` AND span < $4`),
		idle: d.sql(`SELECT tenant, kind, name FROM mailtether_logs
			WHERE used_at < (SELECT {now} - $1) ORDER BY used_at LIMIT $2`),
		drop: d.sql(`DELETE FROM mailtether_logs WHERE ` + log + ` AND version = 0 AND NOT EXISTS (
			SELECT 1 FROM mailtether_log_entries WHERE ` + log + `)`),
		dropSpans: d.sql(`DELETE FROM mailtether_log_spans WHERE ` + log),
		entries: d.sql(`SELECT key, at, recipients FROM mailtether_log_entries
			WHERE ` + log + ` AND at > $4 ORDER BY at, key`),
		state: d.sql(`SELECT version, document FROM mailtether_logs WHERE ` + log),
		create: d.sql(`INSERT INTO mailtether_logs AS l (tenant, kind, name, version, document, used_at)
			VALUES ($1, $2, $3, 1, $4, {now})
			ON CONFLICT (tenant, kind, name) DO UPDATE SET version = 1, document = excluded.document
			WHERE l.version = 0`),
		update: d.sql(`UPDATE mailtether_logs SET version = version + 1, document = $4 WHERE ` + log + ` AND version = $5`),

		nthMessage: d.sql(`SELECT at FROM mailtether_log_entries WHERE ` + log + ` AND at > $5 AND key <> $4
			ORDER BY at LIMIT 1 OFFSET $6 - 1`),
		// As each entry has a recipient at least, it is one of the first $6.
		nthRecipient: d.sql(`SELECT at FROM (
				SELECT at, SUM(recipients) OVER (ORDER BY at) AS total FROM (
					SELECT at, recipients FROM mailtether_log_entries WHERE ` + log + ` AND at > $5 AND key <> $4
					ORDER BY at LIMIT $6) AS first) AS sums
			WHERE total >= $6 ORDER BY at LIMIT 1`),
		nthMessageSpan:   nthSpan("messages", "COUNT(*)"),
		nthRecipientSpan: nthSpan("recipients", "SUM(recipients)"),
	}
}

// ofLog is the condition of every statement about a log.
const ofLog = `tenant = $1 AND kind = $2 AND name = $3`
