package main

import "time"

// localDay is a day on the calendar of a mailbox's owner.
type localDay struct {
	date         int   // days since 1970
	begins, ends int64 // the first moment, and that of the next day
}

func localDayOf(at int64, zone *time.Location) localDay {
	y, m, d := time.UnixMicro(at).In(zone).Date()
	return localDay{
		date:   dateNumber(y, m, d),
		begins: firstMoment(y, m, d, zone),
		ends:   firstMoment(y, m, d+1, zone),
	}
}

func dateNumber(y int, m time.Month, d int) int {
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

// firstMoment is when a date begins. It is looked for by walking through the
// night, since midnight may be skipped, or come twice.
func firstMoment(y int, m time.Month, d int, zone *time.Location) int64 {
	want := dateNumber(y, m, d)
	t := time.Date(y, m, d, 0, 0, 0, 0, zone).Add(-2 * time.Hour)
	for dateNumber(t.In(zone).Date()) < want {
		t = t.Add(15 * time.Minute)
	}
	return t.UnixMicro()
}

// dayOf returns the owner's day at a moment. The last one asked for is kept.
func (r *referee) dayOf(at int64) localDay {
	if at >= r.today.begins && at < r.today.ends {
		return r.today
	}
	found := localDayOf(at, r.resident.zone)
	if found.begins > r.today.begins {
		r.today = found
	}
	return found
}

func (r *referee) dateOf(at int64) int { return r.dayOf(at).date }
