package quota

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is a [Store] in the memory of one process. What it knows is lost on
// restart, so a host that may restart within a day needs another one to keep its
// caps. It remembers about a day of entries for each mailbox.
type Memory struct {
	mu      sync.Mutex
	logs    map[mailbox.Ref]*sendLog
	sweepAt int   // number of logs at which empty ones are looked for
	latest  int64 // latest time of a decision
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{logs: make(map[mailbox.Ref]*sendLog), sweepAt: minSweep}
}

// Decide implements [Store].
func (m *Memory) Decide(ctx context.Context, a Ask) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := micros(a.At)
	m.latest = max(m.latest, now)
	log := m.log(a.Ref)
	log.forget(now - keep)

	old, had := log.remove(a.Key)
	answer := Answer{Allowed: true, At: timeOf(now), Usage: make([]Usage, len(a.Windows))}
	for i, w := range a.Windows {
		used, notBefore, ok := log.room(w, now, a.Recipients)
		if !ok {
			log.put(old, had)
			return Answer{}, mailbox.Invalid("recipients", "what a window can hold", "are too many")
		}
		answer.Usage[i].Used = used
		if notBefore > now {
			answer.Usage[i].NotBefore = timeOf(notBefore)
			answer.Allowed = false
		}
	}
	if answer.Allowed {
		log.insert(logEntry{key: a.Key, at: now, recipients: a.Recipients})
	} else {
		log.put(old, had)
	}
	return answer, nil
}

// Settle implements [Store].
func (m *Memory) Settle(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := micros(e.At)
	log := m.log(e.Ref)
	entry, had := log.remove(e.Key)
	switch {
	case !had && at < m.latest-keep:
		return nil // seen by a backfill; no window holds it any more
	case !had:
		entry = logEntry{key: e.Key, at: at, recipients: e.Recipients}
	case !entry.settled:
		entry.at = max(entry.at, at)
	}
	entry.settled = true
	log.insert(entry)
	return nil
}

// Remove implements [Store].
func (m *Memory) Remove(ctx context.Context, ref mailbox.Ref, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if log := m.logs[ref]; log != nil {
		log.remove(key)
	}
	return nil
}

// log returns the log of a mailbox.
func (m *Memory) log(ref mailbox.Ref) *sendLog {
	log := m.logs[ref]
	if log == nil {
		if len(m.logs) >= m.sweepAt {
			for r, l := range m.logs {
				if l.forget(m.latest - keep); len(l.entries) == 0 {
					delete(m.logs, r)
				}
			}
			m.sweepAt = max(minSweep, 2*len(m.logs))
		}
		log = &sendLog{at: make(map[string]int64)}
		m.logs[ref] = log
	}
	return log
}

// keep is how long an entry is kept, in microseconds. The hour above the
// longest window is for clocks that disagree.
const keep = int64((Horizon + time.Hour) / time.Microsecond)

// sendLog is the log of one mailbox. Times are microseconds since 1970.
type sendLog struct {
	entries []logEntry       // by time
	at      map[string]int64 // time of each key
}

type logEntry struct {
	key        string
	at         int64
	recipients int
	total      int // recipients of this entry and all before it
	settled    bool
}

// after returns the index of the first entry with a time after t.
func (l *sendLog) after(t int64) int {
	n := len(l.entries)
	if n == 0 || l.entries[0].at > t {
		return 0
	}
	if l.entries[n-1].at <= t {
		return n
	}
	i, _ := slices.BinarySearchFunc(l.entries, t, func(e logEntry, t int64) int {
		if e.at <= t {
			return -1
		}
		return 1
	})
	return i
}

// totalBefore returns the recipients of all entries before index i.
func (l *sendLog) totalBefore(i int) int {
	if i == 0 {
		if len(l.entries) == 0 {
			return 0
		}
		return l.entries[0].total - l.entries[0].recipients
	}
	return l.entries[i-1].total
}

// room tells how full a window is at now and from when on it has room. It is
// not ok if it never will.
func (l *sendLog) room(w Window, now int64, recipients int) (used int, notBefore int64, ok bool) {
	per := w.Per.Microseconds()
	n := len(l.entries)
	first := l.after(now - per)
	if !w.Recipients {
		used = n - first
		if w.Max < 1 {
			return used, 0, false
		}
		if excess := used + 1 - w.Max; excess > 0 { // as many have to leave
			return used, l.entries[first+excess-1].at + per, true
		}
		return used, now, true
	}
	used = l.totalBefore(n) - l.totalBefore(first)
	if w.Max < recipients {
		return used, 0, false
	}
	if excess := used + recipients - w.Max; excess > 0 {
		leave := l.totalBefore(first) + excess
		last, _ := slices.BinarySearchFunc(l.entries, leave, func(e logEntry, t int) int { return e.total - t })
		return used, l.entries[last].at + per, true
	}
	return used, now, true
}

func (l *sendLog) insert(e logEntry) {
	i := l.after(e.at)
	l.entries = slices.Insert(l.entries, i, e)
	l.at[e.key] = e.at
	l.addUp(i)
}

// put is insert if there is something to insert.
func (l *sendLog) put(e logEntry, had bool) {
	if had {
		l.insert(e)
	}
}

func (l *sendLog) remove(key string) (logEntry, bool) {
	at, ok := l.at[key]
	if !ok {
		return logEntry{}, false
	}
	delete(l.at, key)
	i := l.after(at) - 1
	for l.entries[i].key != key { // several may have the same time
		i--
	}
	e := l.entries[i]
	l.entries = slices.Delete(l.entries, i, i+1)
	l.addUp(i)
	return e, true
}

// addUp restores the totals from index i on.
func (l *sendLog) addUp(i int) {
	total := 0
	if i > 0 {
		total = l.entries[i-1].total
	}
	for ; i < len(l.entries); i++ {
		total += l.entries[i].recipients
		l.entries[i].total = total
	}
}

// forget drops the entries up to time t.
func (l *sendLog) forget(t int64) {
	old := l.after(t)
	if old == 0 {
		return
	}
	for i := range old {
		delete(l.at, l.entries[i].key)
	}
	clear(l.entries[:old])
	l.entries = l.entries[old:]
	if len(l.entries) == 0 {
		l.entries = nil
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
