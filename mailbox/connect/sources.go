package connect

import (
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// maxSources bounds how many token sources a Connector keeps, to some 20 MB:
// each holds one access token, of at most 2 KB at Google (developers.google.com,
// "Using OAuth 2.0 to Access Google APIs", 2026-09) and seldom more than 4 KB at
// Microsoft.
const maxSources = 4096

// sources are the token sources of mailboxes that were opened lately. They make
// an Open of the same mailbox go on with the access token, and with the waiting
// time that a token endpoint asked for. Use newSources.
type sources struct {
	max int

	mu   sync.Mutex
	kept map[mailbox.Ref]keptSource
}

type keptSource struct {
	version int64
	source  mailbox.TokenSource
}

func newSources(limit int) *sources {
	return &sources{max: limit, kept: make(map[mailbox.Ref]keptSource)}
}

// get returns the kept source, or that of create. A source that was kept with
// another version is replaced: what it knows may be out of date. Nothing is kept
// for version 0, an account that is not stored yet.
func (s *sources) get(ref mailbox.Ref, version int64, create func() mailbox.TokenSource) mailbox.TokenSource {
	if version == 0 {
		return create()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.kept[ref]
	if ok && kept.version == version {
		return kept.source
	}
	if !ok && len(s.kept) >= s.max {
		for other := range s.kept { // any: the next Open of it only reads the store
			delete(s.kept, other)
			break
		}
	}
	kept = keptSource{version: version, source: create()}
	s.kept[ref] = kept
	return kept.source
}

// drop forgets a source, so that its token leaves the memory with the last
// mailbox that is open.
func (s *sources) drop(ref mailbox.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ref)
}
