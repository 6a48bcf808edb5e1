package tokenstore

import (
	"crypto/sha256"
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// maxSightings bounds the memory of a Vault, to some 50 MB. Beyond that it
// forgets mailboxes at random.
const maxSightings = 1 << 18

// sightings are the newest records that a Vault has seen, by which it tells that
// an older one was put back. Use newSightings.
type sightings struct {
	max int

	mu   sync.Mutex
	last map[mailbox.Ref]sighting
}

// sighting is what is remembered of a record. The zero sighting is that of a
// mailbox that was not seen yet.
type sighting struct {
	version int64
	sum     [16]byte // of the sealed bytes
	// gone tells that the record was deleted: not even the version itself may
	// come back.
	gone bool
}

func sightingOf(rec Record) sighting {
	sum := sha256.Sum256(rec.Sealed)
	return sighting{version: rec.Version, sum: [16]byte(sum[:])}
}

func newSightings(max int) sightings {
	return sightings{max: max, last: make(map[mailbox.Ref]sighting)}
}

// of returns the newest sighting. It is asked for before the store is, since a
// store answers with what was written last when it was asked.
func (s *sightings) of(ref mailbox.Ref) sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[ref]
}

// replayed reports whether a record that was read later cannot follow old.
func (old sighting) replayed(now sighting) bool {
	return now.version < old.version || now.version == old.version && (old.gone || now.sum != old.sum)
}

// note remembers a record that was read or written. old is the sighting from
// before that: a version that is not above it was given by a store that was set
// back, and counts all the same if this process wrote it.
func (s *sightings) note(ref mailbox.Ref, old, now sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.last[ref]
	if ok && last.version >= now.version && last != old {
		return // somebody else has seen a newer one meanwhile
	}
	if !ok && len(s.last) >= s.max {
		for other := range s.last {
			delete(s.last, other)
			break
		}
	}
	s.last[ref] = now
}

// forget remembers that the record was deleted, unless a newer one than old was
// seen meanwhile.
func (s *sightings) forget(ref mailbox.Ref, old sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[ref]; ok && last == old {
		last.gone = true
		s.last[ref] = last
	}
}
