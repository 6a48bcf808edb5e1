package sqlstore

type sendStatements struct {
	open, lock, use, enter, prune, idle, drop, settle, remove, entries, state, create, update string
	nthMessage, nthRecipient                                                                  string
}

func sendSQL(d Dialect) sendStatements {
	most := "MAX"
	if d == PostgreSQL {
		most = "GREATEST"
	}
	const log = ofLog
	lock := d.sql(`UPDATE mailtether_logs SET version = version WHERE ` + log + `
		RETURNING version, CASE WHEN version = $4 THEN NULL ELSE document END, used_at, {now}`)
	if d == PostgreSQL {
		// Those who wait for the row stand in line, and the clock is read when it is
		// their turn.
		lock = d.sql(`SELECT version, CASE WHEN version = $4 THEN NULL ELSE document END, used_at, {now} FROM (
			SELECT version, document, used_at FROM mailtether_logs WHERE ` + log + ` FOR UPDATE) AS locked`)
	}
	return sendStatements{
		open: d.sql(`INSERT INTO mailtether_logs (tenant, kind, name, version, used_at) VALUES ($1, $2, $3, 0, {now})
			ON CONFLICT (tenant, kind, name) DO NOTHING`),
		lock: lock,
		use:  d.sql(`UPDATE mailtether_logs SET used_at = {now} WHERE ` + log),
		enter: d.sql(`INSERT INTO mailtether_log_entries (tenant, kind, name, key, at, recipients, settled)
			VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT (tenant, kind, name, key) DO UPDATE SET at = excluded.at, recipients = excluded.recipients, settled = 0`),
		// The time is there twice: an entry may move to a later one meanwhile.
		prune: d.sql(`DELETE FROM mailtether_log_entries WHERE ` + log + ` AND at < $4 AND key IN (
			SELECT key FROM mailtether_log_entries WHERE ` + log + ` AND at < $4 ORDER BY at LIMIT $5)`),
		idle: d.sql(`SELECT tenant, kind, name FROM mailtether_logs
			WHERE used_at < (SELECT {now} - $1) ORDER BY used_at LIMIT $2`),
		drop: d.sql(`DELETE FROM mailtether_logs WHERE ` + log + ` AND version = 0 AND NOT EXISTS (
			SELECT 1 FROM mailtether_log_entries WHERE ` + log + `)`),
		settle: d.sql(`INSERT INTO mailtether_log_entries AS e (tenant, kind, name, key, at, recipients, settled)
			VALUES ($1, $2, $3, $4, COALESCE($5, {now}), $6, 1)
			ON CONFLICT (tenant, kind, name, key) DO UPDATE
			SET at = ` + most + `(e.at, excluded.at), settled = 1
			WHERE e.settled = 0`),
		remove: d.sql(`DELETE FROM mailtether_log_entries WHERE ` + log + ` AND key = $4`),
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
	}
}

// ofLog is the condition of every statement about a log.
const ofLog = `tenant = $1 AND kind = $2 AND name = $3`
