package quotatest

import (
	"fmt"
	"math/rand"
	"slices"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// model is a store in its plainest form: a list that is looked through from the
// beginning each time.
type model []modelEntry

type modelEntry struct {
	quota.Entry
	settled bool
}

func (m *model) find(key string) int {
	return slices.IndexFunc(*m, func(e modelEntry) bool { return e.Key == key })
}

// since is when a window begins.
func since(w quota.Window, at time.Time) time.Time {
	if w.Per > 0 {
		return at.Add(-w.Per + time.Microsecond)
	}
	return w.Days[dayOf(w, at)]
}

func dayOf(w quota.Window, at time.Time) int {
	return slices.IndexFunc(w.Days, func(d time.Time) bool { return d.After(at) }) - 1
}

// used is what a window holds at a time, without the entry of a key.
func (m *model) used(w quota.Window, at time.Time, key string) int {
	used := 0
	for _, e := range *m {
		if e.Key == key || e.At.Before(since(w, at)) {
			continue
		}
		if w.Recipients {
			used += e.Recipients
		} else {
			used++
		}
	}
	return used
}

func (m *model) decide(a quota.Ask) quota.Answer {
	answer := quota.Answer{Allowed: true, Known: m.find(a.Key) >= 0, At: a.At}
	for _, w := range a.Windows {
		need := 1
		if w.Recipients {
			need = a.Recipients
		}
		u := quota.Usage{Used: m.used(w, a.At, a.Key)}
		if u.Used+need > w.Max {
			answer.Allowed = answer.Allowed && w.Advisory
			u.NotBefore = m.notBefore(w, a, need)
		}
		answer.Usage = append(answer.Usage, u)
	}
	if answer.Allowed && !a.DryRun {
		m.remove(a.Key)
		*m = append(*m, modelEntry{Entry: a.Entry})
	}
	return answer
}

// notBefore is the first of the moments at which room may come that brings it.
func (m *model) notBefore(w quota.Window, a quota.Ask, need int) time.Time {
	var moments []time.Time
	if w.Per > 0 {
		for _, e := range *m {
			if at := e.At.Add(w.Per); at.After(a.At) {
				moments = append(moments, at)
			}
		}
		slices.SortFunc(moments, time.Time.Compare)
	} else {
		moments = w.Days[dayOf(w, a.At)+1 : len(w.Days)-1]
	}
	for _, at := range moments {
		if m.used(w, at, a.Key)+need <= w.Max {
			return at
		}
	}
	return w.Days[len(w.Days)-1]
}

func (m *model) settle(e quota.Entry) {
	i := m.find(e.Key)
	if i < 0 {
		*m = append(*m, modelEntry{e, true})
		return
	}
	x := &(*m)[i]
	if !x.settled && e.At.After(x.At) {
		x.At = e.At
	}
	x.settled = true
}

func (m *model) remove(key string) {
	if i := m.find(key); i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
}

// randomScripts compares the store with the model over random scripts, each on a
// mailbox of its own and later than the one before.
func (b *bench) randomScripts() {
	script := *b
	for seed := range int64(20) {
		script.log.Name = fmt.Sprint("mailbox-", seed)
		script.start = script.random(rand.New(rand.NewSource(seed)))
		if b.Failed() {
			b.Logf("script %d", seed)
			return
		}
	}
}

// random runs a script and returns when it ended. Time goes on, with entries up
// to half an hour late and small steps back of the clock. After most refusals the clock moves to the time
// that was named: a microsecond before it the store has to refuse again, at it
// the store has to allow.
func (b *bench) random(r *rand.Rand) time.Time {
	var m model
	now := b.start
	windows := []quota.Window{
		messages(5+r.Intn(20), quota.Horizon),
		recipients(20+r.Intn(60), quota.Horizon),
		messages(1+r.Intn(4), time.Minute),
		messages(1, time.Duration(1+r.Intn(20_000_000))*time.Microsecond),
		recipients(20+r.Intn(10), time.Hour),
	}
	windows = windows[:1+r.Intn(len(windows))]
	// Calendar days of 23 and 25 hours by turns, in a zone that is seven hours
	// ahead.
	day := quota.Window{Max: 20 + r.Intn(30), Recipients: r.Intn(2) == 0}
	midnight := b.start.Truncate(24 * time.Hour).Add(-7 * time.Hour)
	setDays := func() {
		today := int(now.Sub(midnight) / (24 * time.Hour))
		day.Days = nil
		for d := today - 2; d <= today+3; d++ {
			day.Days = append(day.Days, midnight.Add(time.Duration(24*d+d&1)*time.Hour))
		}
	}
	dropOld := func(key string) {
		if i := m.find(key); i >= 0 && !m[i].At.After(now.Add(-quota.Horizon)) {
			m.remove(key) // the store may have forgotten it, or not
			b.remove(key)
		}
	}
	decide := func(e quota.Entry) quota.Answer {
		b.Helper()
		dropOld(e.Key)
		setDays()
		early := windows[0] // what it will be later
		early.Max, early.Advisory = early.Max+3, true
		ask := quota.Ask{Entry: e, Windows: append([]quota.Window{day, early}, windows...), DryRun: r.Intn(8) == 0}
		want := m.decide(ask)
		got, err := b.Store.Decide(b.Context(), ask)
		if err != nil {
			b.Fatal(err)
		}
		if ask.DryRun && got.Allowed {
			ask.DryRun = false
			want = m.decide(ask)
			if got, err = b.Store.Decide(b.Context(), ask); err != nil {
				b.Fatal(err)
			}
		}
		if !equal(got, want) {
			b.Fatalf("Decide(%q at %v, %d recipients):\n got %+v\nwant %+v", e.Key, e.At, e.Recipients, got, want)
		}
		return got
	}
	for range 300 {
		now = now.Add(time.Duration(r.Int63n(int64([]time.Duration{time.Second, time.Minute, 2 * time.Hour}[r.Intn(3)]))))
		now = now.Truncate(time.Microsecond)
		e := b.entry(fmt.Sprint(r.Intn(60)), now, 1+r.Intn(10))
		dropOld(e.Key)
		switch r.Intn(10) {
		case 0:
			if i := m.find(e.Key); i >= 0 && !m[i].At.After(now.Add(-quota.Retention+time.Hour)) {
				m.remove(e.Key) // the store may have forgotten it
				b.remove(e.Key)
			}
			e.At = now.Add(-time.Duration(r.Intn(1800)) * time.Second)
			m.settle(e)
			b.settle(e)
		case 1:
			m.remove(e.Key)
			b.remove(e.Key)
		case 2:
			e.At = now.Add(-time.Duration(r.Intn(60)) * time.Second) // the clock steps back
			decide(e)
		default:
			a := decide(e)
			if a.Allowed || r.Intn(4) == 0 {
				continue
			}
			for i, u := range a.Usage {
				if i != 1 && u.NotBefore.After(now) { // the second is advisory
					now = u.NotBefore
				}
			}
			e.At = now.Add(-time.Microsecond)
			if a := decide(e); a.Allowed {
				b.Fatalf("not before %v, but allowed a microsecond earlier", now)
			}
			e.At = now
			if a := decide(e); !a.Allowed {
				b.Fatalf("not before %v, but refused then: %+v", now, a)
			}
		}
	}
	return now
}
