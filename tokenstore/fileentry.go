package tokenstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// entry is the content of a file: a record, or what is left of a deleted one.
type entry struct {
	Record
	Deleted bool // only Ref, Version and UpdatedAt are there
}

// The form of a file is
//
//	mailtether token 1 <SHA-256 of what follows the line, in hex>
//	<JSON>
//
// The checksum finds damage; forgery is found when the record is opened, or, in
// a version, by [Vault].
const (
	entryMark = "mailtether token 1 "
	entryHead = len(entryMark) + 2*sha256.Size + 1
	// maxEntry is more than a record of maxSealed bytes takes in base64, with the
	// longest identifiers in JSON.
	maxEntry = 2 << 20
)

// entryJSON is the JSON of a file. The names are stored: they never change.
type entryJSON struct {
	Tenant    mailbox.TenantID     `json:"tenant"`
	Mailbox   mailbox.MailboxID    `json:"mailbox"`
	Provider  mailbox.ProviderName `json:"provider,omitempty"`
	Version   int64                `json:"version"`
	Deleted   bool                 `json:"deleted,omitempty"`
	UpdatedAt time.Time            `json:"updated_at"`
	Sealed    []byte               `json:"sealed,omitempty"`
}

// checkRecord refuses what would not come back as it was.
func checkRecord(rec Record) error {
	if err := rec.Validate(); err != nil {
		return err
	}
	switch {
	case !utf8.ValidString(string(rec.Provider)) || len(rec.Provider) > 255:
		return mailbox.Invalid("provider", "up to 255 bytes of UTF-8", "is not that")
	case len(rec.Sealed) > maxSealed:
		return mailbox.Invalid("token", "up to 1 MiB when sealed", "is too long")
	}
	return nil
}

func (e entry) encode() ([]byte, error) {
	body, err := json.Marshal(entryJSON{
		Tenant:    e.Tenant,
		Mailbox:   e.Mailbox,
		Provider:  e.Provider,
		Version:   e.Version,
		Deleted:   e.Deleted,
		UpdatedAt: e.UpdatedAt.UTC(),
		Sealed:    e.Sealed,
	})
	if err != nil { // a time does not marshal
		return nil, mailbox.Invalid("UpdatedAt", "times up to the year 9999", "is out of range")
	}
	b := make([]byte, 0, entryHead+len(body)+1)
	b = append(b, entryMark...)
	b = append(b, hexSum(body)...)
	b = append(b, '\n')
	b = append(b, body...)
	return append(b, '\n'), nil
}

func hexSum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// parseEntry reads a file. The only error is ErrDamaged.
func parseEntry(b []byte) (entry, error) {
	if len(b) < entryHead || !bytes.HasPrefix(b, []byte(entryMark)) || b[entryHead-1] != '\n' {
		return entry{}, ErrDamaged
	}
	body, ok := bytes.CutSuffix(b[entryHead:], []byte("\n"))
	if !ok || string(b[len(entryMark):entryHead-1]) != hexSum(body) {
		return entry{}, ErrDamaged
	}
	var j entryJSON
	if err := json.Unmarshal(body, &j); err != nil {
		return entry{}, ErrDamaged
	}
	e := entry{
		Deleted: j.Deleted,
		Record: Record{
			Ref:      mailbox.Ref{Tenant: j.Tenant, Mailbox: j.Mailbox},
			Provider: j.Provider, Version: j.Version, Sealed: j.Sealed, UpdatedAt: j.UpdatedAt,
		},
	}
	if e.Version <= 0 || checkRecord(e.Record) != nil || e.Deleted && len(e.Sealed) > 0 {
		return entry{}, ErrDamaged
	}
	return e, nil
}
