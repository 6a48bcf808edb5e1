package quota

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Clock is a time of day on the wall, in minutes since midnight: 0 to 24*60.
type Clock int

// At returns the time of day of an hour and a minute.
func At(hour, minute int) Clock { return Clock(60*hour + minute) }

// String returns the time of day as "15:04".
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// Hours is a sending window: the same hours on some days of the week.
type Hours struct {
	// Days are the days of the week.
	Days []time.Weekday
	// From and Until are on the wall of the mailbox's zone, Until after From and
	// at most 24:00; for hours over midnight take two. When clocks change,
	// an hour that is skipped is not there, one that comes twice is open twice,
	// and a window that begins in a skipped hour begins after it.
	From, Until Clock
}

// Weekdays are Monday to Friday, from one time of day to another.
func Weekdays(from, until Clock) Hours {
	return Hours{Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}, From: from, Until: until}
}

// schedule is when a mailbox may send: the windows of each day of the week. The
// zero value is always.
type schedule struct {
	week   [7][]Hours
	closed bool // there are windows at all
}

// newSchedule checks windows. Errors name the field.
func newSchedule(field string, windows []Hours) (schedule, error) {
	var s schedule
	for i, h := range windows {
		name := fmt.Sprintf("%s[%d]", field, i)
		if len(h.Days) == 0 {
			return s, mailbox.Invalid(name+".days", "at least one day of the week", "is empty")
		}
		if h.From < 0 || h.Until > 24*60 || h.From >= h.Until {
			return s, mailbox.Invalid(name+".until", "after from, at most 24:00", "leaves no time")
		}
		for _, day := range h.Days {
			if day < time.Sunday || day > time.Saturday {
				return s, mailbox.Invalid(name+".days", "Sunday (0) to Saturday (6)", "holds an unknown day")
			}
			s.week[day] = append(s.week[day], h)
			s.closed = true
		}
	}
	return s, nil
}

// next returns the first moment that is not before t at which a window is open.
func (s *schedule) next(t time.Time, zone *time.Location) time.Time {
	if !s.closed {
		return t
	}
	local := t.In(zone)
	// Where a date is skipped or clocks change, a week may not be enough.
	for d := range 16 {
		y, m, day := local.Date()
		begins := startOfDay(y, m, day+d, zone)
		ends := startOfDay(y, m, day+d+1, zone)
		if !ends.After(begins) {
			continue
		}
		if at, ok := s.open(later(t, begins), begins, ends, zone); ok {
			return at
		}
	}
	return t.Add(forever) // not reached: every week has a window
}

// open returns the first moment from t on, within a day that begins and ends at
// the given moments, at which one of the day's windows is open.
func (s *schedule) open(t, begins, ends time.Time, zone *time.Location) (first time.Time, ok bool) {
	for _, h := range s.week[begins.In(zone).Weekday()] {
		// The day in spans without a change of clocks.
		for from := t; from.Before(ends); {
			_, until := from.In(zone).ZoneBounds()
			if until.IsZero() || until.After(ends) {
				until = ends
			}
			_, offset := from.In(zone).Zone()
			midnight := midnightWithOffset(begins.In(zone), offset)
			opens := later(from, midnight.Add(time.Duration(h.From)*time.Minute))
			closes := midnight.Add(time.Duration(h.Until) * time.Minute)
			if opens.Before(closes) && opens.Before(until) {
				if !ok || opens.Before(first) {
					first, ok = opens, true
				}
				break
			}
			from = until
		}
	}
	return first, ok
}

// midnightWithOffset is when 00:00 of a local date is, or would be, where clocks
// are offset seconds ahead of UTC.
func midnightWithOffset(local time.Time, offset int) time.Time {
	y, m, d := local.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(-time.Duration(offset) * time.Second)
}

// startOfDay returns the first moment of a date in a zone. A date that the zone
// skipped begins when the next one does.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	want := time.Date(year, month, day, 0, 0, 0, 0, time.UTC) // normalises the date
	y, m, d := want.Date()
	// Before any midnight of that date, whatever the zone.
	t := want.Add(-36 * time.Hour).In(zone)
	for {
		_, offset := t.Zone()
		midnight := want.Add(-time.Duration(offset) * time.Second)
		_, until := t.ZoneBounds()
		if until.IsZero() || midnight.Before(until) {
			if midnight.After(t) {
				return midnight
			}
			return t.UTC()
		}
		t = until
		if ty, tm, td := t.Date(); ty > y || ty == y && (tm > m || tm == m && td >= d) {
			return t.UTC() // midnight was skipped
		}
	}
}

// date is a local date as a number of days, one more than that of the day
// before.
func date(t time.Time, zone *time.Location) int {
	y, m, d := t.In(zone).Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// calendar is a time zone with the days around a moment.
type calendar struct {
	zone *time.Location
	days atomic.Pointer[[]time.Time]
}

// around returns the beginnings of the local days around t: yesterday, today,
// tomorrow, and two more.
func (c *calendar) around(t time.Time) []time.Time {
	if known := c.days.Load(); known != nil && !t.Before((*known)[1]) && t.Before((*known)[2]) {
		return *known
	}
	y, m, d := t.In(c.zone).Date()
	list := make([]time.Time, 0, 5)
	for i := -1; i <= 3; i++ {
		if at := startOfDay(y, m, d+i, c.zone); len(list) == 0 || at.After(list[len(list)-1]) {
			list = append(list, at)
		}
	}
	c.days.Store(&list)
	return list
}

// calendars keeps time zones by name: loading one reads files.
type calendars struct{ byName sync.Map } // string to *calendar

func (c *calendars) get(field, name string) (*calendar, error) {
	if known, ok := c.byName.Load(name); ok {
		return known.(*calendar), nil
	}
	zone, err := time.LoadLocation(name) // "" is UTC
	if err != nil || name == "Local" {
		return nil, mailbox.Invalid(field, "a name of the IANA time zone database, such as Europe/Vienna", "is not known")
	}
	known, _ := c.byName.LoadOrStore(name, &calendar{zone: zone})
	return known.(*calendar), nil
}
