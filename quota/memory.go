package quota

import (
	"bytes"
	"context"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is a [Store] in the memory of one process. What it knows is lost on
// restart, so a host that may restart within a day needs another one to keep its
// caps, and to remember how far a mailbox is warmed up. It remembers about a day
// of entries for each log, 24 bytes each, and states as long as it lives.
//
// It tells keys apart by a hash of 64 bits with a secret of its own: of a mailbox
// that sends 2,000 messages a day, two get one place once in ten billion years.
type Memory struct {
	seed    maphash.Seed
	mu      sync.Mutex
	logs    map[Log]*sendLog
	sweepAt int   // number of logs at which empty ones are looked for
	latest  int64 // latest time of a decision
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{seed: maphash.MakeSeed(), logs: make(map[Log]*sendLog), sweepAt: minSweep}
}

// Decide implements [Store].
func (m *Memory) Decide(ctx context.Context, a Ask) (answer Answer, err error) {
	if err := a.Validate(); err != nil {
		return Answer{}, err
	}
	err = m.decide(ctx, &a, &answer)
	return answer, err
}

// decide is Decide for an Ask that is valid, without copies of it and of the
// answer: a good part of a decision's time would be theirs.
func (m *Memory) decide(ctx context.Context, a *Ask, answer *Answer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.log(a.Log)
	if log.state.Version != a.Version {
		*answer = Answer{Stale: true, State: log.state.clone()}
		return nil
	}
	now := micros(a.At)
	for i := range a.Windows {
		if !a.Windows[i].covers(now) {
			return outsideDays(i)
		}
	}
	if !a.DryRun {
		m.latest = max(m.latest, now)
		log.forget(now - keep)
	}

	key := maphash.String(m.seed, a.Key)
	old, had := log.remove(key)
	*answer = Answer{Allowed: true, Known: had, At: timeOf(now), Usage: a.Usage[:0]}
	for i := range a.Windows {
		w := &a.Windows[i]
		used, notBefore := log.room(w, now, a.Recipients)
		u := Usage{Used: used}
		if notBefore > now {
			u.NotBefore = timeOf(notBefore)
			answer.Allowed = answer.Allowed && w.Advisory
		}
		answer.Usage = append(answer.Usage, u)
	}
	switch {
	case answer.Allowed && !a.DryRun:
		log.insert(logEntry{at: now, key: key, recipients: uint32(a.Recipients)})
	case had:
		log.insert(old)
	}
	return nil
}

// Settle implements [Store].
func (m *Memory) Settle(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := micros(e.At)
	key := maphash.String(m.seed, e.Key)
	log := m.log(e.Log)
	entry, had := log.remove(key)
	switch {
	case !had && at < m.latest-keep:
		return nil // seen by a backfill; no window holds it any more
	case !had:
		entry = logEntry{at: at, key: key, recipients: uint32(e.Recipients)}
	case !entry.settled():
		entry.at = max(entry.at, at)
	}
	entry.recipients |= settledBit
	log.insert(entry)
	return nil
}

// Remove implements [Store].
func (m *Memory) Remove(ctx context.Context, l Log, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if log := m.logs[l]; log != nil {
		log.remove(maphash.String(m.seed, key))
	}
	return nil
}

// Entries implements [Store]. It does not return the keys themselves, but short
// stand-ins that differ.
func (m *Memory) Entries(ctx context.Context, l Log, after time.Time) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.logs[l]
	if log == nil {
		return nil, nil
	}
	var entries []Entry
	for _, e := range log.entries[log.after(after.UnixMicro()):] {
		entries = append(entries, Entry{Log: l, Key: strconv.FormatUint(e.key, 36), Recipients: e.count(), At: timeOf(e.at)})
	}
	return entries, nil
}

// State implements [Store].
func (m *Memory) State(ctx context.Context, l Log) (State, error) {
	if err := ctx.Err(); err != nil {
		return State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if log := m.logs[l]; log != nil {
		return log.state.clone(), nil
	}
	return State{}, nil
}

// SetState implements [Store].
func (m *Memory) SetState(ctx context.Context, l Log, s State) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := s.Validate(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.log(l)
	if log.state.Version != s.Version {
		return false, nil
	}
	log.state = s.clone()
	log.state.Version++
	return true, nil
}

func (s State) clone() State {
	s.Document = bytes.Clone(s.Document)
	return s
}

// log returns a log.
func (m *Memory) log(l Log) *sendLog {
	log := m.logs[l]
	if log == nil {
		if len(m.logs) >= m.sweepAt {
			for id, log := range m.logs {
				if log.forget(m.latest - keep); len(log.entries) == 0 && log.state.Version == 0 {
					delete(m.logs, id)
				}
			}
			m.sweepAt = max(minSweep, 2*len(m.logs))
		}
		log = new(sendLog)
		m.logs[l] = log
	}
	return log
}

// keep is how long an entry is kept, in microseconds.
const keep = int64(Retention / time.Microsecond)

// sendLog is one log. Times are microseconds since 1970.
type sendLog struct {
	entries []logEntry // by time; the first head ones are forgotten
	head    int
	places  map[uint64]int64 // time of each key; nil while there are few
	state   State
}

type logEntry struct {
	at         int64
	key        uint64
	recipients uint32 // and settledBit
	total      uint32 // recipients of this entry and all before it, modulo 2^32
}

const settledBit = 1 << 31

func (e *logEntry) settled() bool { return e.recipients&settledBit != 0 }
func (e *logEntry) count() int    { return int(e.recipients &^ settledBit) }

// after returns the index of the first entry with a time after t.
func (l *sendLog) after(t int64) int {
	n := len(l.entries)
	if n == l.head || l.entries[l.head].at > t {
		return l.head
	}
	if l.entries[n-1].at <= t {
		return n
	}
	low, high := l.head, n-1 // the one at high is after t
	for low < high {
		if mid := int(uint(low+high) / 2); l.entries[mid].at <= t {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// totalBefore returns the recipients of all entries before index i.
func (l *sendLog) totalBefore(i int) uint32 {
	if i > l.head {
		return l.entries[i-1].total
	}
	if i == len(l.entries) {
		return 0
	}
	return l.entries[i].total - uint32(l.entries[i].count())
}

// room tells how full a window is at now, and from when on it has room.
func (l *sendLog) room(w *Window, now int64, recipients int) (used int, notBefore int64) {
	need := 1
	if w.Recipients {
		need = recipients
	}
	if w.Per > 0 {
		per := w.Per.Microseconds()
		first := l.after(now - per)
		used = l.used(w, first)
		if excess := used + need - w.Max; excess > 0 { // as much has to leave
			return used, l.entries[l.leaves(w, first, excess)].at + per
		}
		return used, now
	}
	day := 0
	for w.Days[day+1].UnixMicro() <= now {
		day++
	}
	used = l.used(w, l.after(w.Days[day].UnixMicro()-1))
	if used+need <= w.Max {
		return used, now
	}
	for day++; day < len(w.Days)-1; day++ {
		if l.used(w, l.after(w.Days[day].UnixMicro()-1))+need <= w.Max {
			break
		}
	}
	return used, w.Days[day].UnixMicro()
}

// used counts the entries from index first on.
func (l *sendLog) used(w *Window, first int) int {
	if !w.Recipients {
		return len(l.entries) - first
	}
	return int(l.totalBefore(len(l.entries)) - l.totalBefore(first))
}

// leaves returns the index of the entry with which excess have left, counted
// from index first on.
func (l *sendLog) leaves(w *Window, first, excess int) int {
	if !w.Recipients {
		return first + excess - 1
	}
	before := l.totalBefore(first)
	low, high := first, len(l.entries)-1
	for low < high {
		if mid := int(uint(low+high) / 2); int(l.entries[mid].total-before) < excess {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// manyPlaces is the number of entries above which keys are looked up in a map.
const manyPlaces = 64

func (l *sendLog) insert(e logEntry) {
	i := l.after(e.at)
	if n := len(l.entries); n == cap(l.entries) { // by an eighth: most of the memory is here
		l.entries = append(make([]logEntry, 0, n+n/8+4), l.entries...)
	}
	l.entries = slices.Insert(l.entries, i, e)
	l.addUp(i)
	switch {
	case l.places != nil:
		l.places[e.key] = e.at
	case len(l.entries)-l.head > manyPlaces:
		l.places = make(map[uint64]int64, 2*manyPlaces)
		for _, e := range l.entries[l.head:] {
			l.places[e.key] = e.at
		}
	}
}

func (l *sendLog) remove(key uint64) (logEntry, bool) {
	end := len(l.entries)
	if l.places != nil {
		at, ok := l.places[key]
		if !ok {
			return logEntry{}, false
		}
		delete(l.places, key)
		end = l.after(at) // several may have the same time
	}
	i := lastOf(l.entries[l.head:end], key)
	if i < 0 {
		return logEntry{}, false
	}
	i += l.head
	e := l.entries[i]
	l.entries = slices.Delete(l.entries, i, i+1)
	l.addUp(i)
	return e, true
}

// lastOf returns the index of the last entry of a key, or -1.
func lastOf(entries []logEntry, key uint64) int {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].key == key {
			return i
		}
	}
	return -1
}

// addUp restores the totals from index i on.
func (l *sendLog) addUp(i int) {
	if i == len(l.entries) {
		return
	}
	total := uint32(0)
	if i > l.head {
		total = l.entries[i-1].total
	}
	for ; i < len(l.entries); i++ {
		total += uint32(l.entries[i].count())
		l.entries[i].total = total
	}
}

// forget drops the entries up to time t.
func (l *sendLog) forget(t int64) {
	first := l.after(t)
	if first == l.head {
		return
	}
	if l.places != nil {
		for _, e := range l.entries[l.head:first] {
			if l.places[e.key] == e.at {
				delete(l.places, e.key)
			}
		}
	}
	switch l.head = first; {
	case l.head == len(l.entries):
		l.entries, l.head, l.places = nil, 0, nil
	case l.head > len(l.entries)/2: // move what is left to the front, for as many new ones
		l.entries = slices.Delete(l.entries, 0, l.head)
		l.head = 0
	}
}

// micros returns t, or now if it is zero, in microseconds.
func micros(t time.Time) int64 {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UnixMicro()
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func outsideDays(window int) error {
	return mailbox.Invalid("windows["+strconv.Itoa(window)+"].days", "the time of the decision", "are of another time: the clocks differ by more than a day")
}
