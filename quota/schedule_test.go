package quota

import (
	"fmt"
	"testing"
	"time"
)

// clockChanges are zones with the years in which their clocks did something
// worth a look.
var clockChanges = []struct {
	zone  string
	first int // year
	years int
}{
	{"UTC", 2023, 2},
	{"Europe/Vienna", 2023, 2},
	{"America/New_York", 2024, 2},
	{"America/Sao_Paulo", 2017, 2},   // midnight is skipped
	{"Asia/Beirut", 2023, 2},         // midnight is skipped; two decisions about it in one week
	{"Africa/Cairo", 2014, 2},        // four changes in a year, one skips midnight
	{"Africa/Cairo", 2023, 2},        // the day before has 23:00 twice
	{"America/Havana", 2023, 2},      // 00:00 comes twice
	{"Australia/Lord_Howe", 2023, 2}, // half an hour
	{"Pacific/Apia", 2011, 2},        // 2011-12-30 is skipped
	{"Pacific/Kwajalein", 1993, 1},   // 1993-08-21 is skipped
	{"Asia/Kathmandu", 1985, 2},      // a quarter of an hour, for good
	{"Africa/Casablanca", 2024, 2},   // out of summer time for Ramadan
}

var (
	everyDay  = []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	schedules = map[string][]Hours{
		"office":          {Weekdays(At(9, 0), At(17, 30))},
		"whole days":      {Weekdays(0, At(24, 0))},
		"always":          {{Days: everyDay, From: 0, Until: At(24, 0)}},
		"over midnight":   {{Days: everyDay, From: At(22, 15), Until: At(24, 0)}, {Days: everyDay, From: 0, Until: At(1, 45)}},
		"first minute":    {{Days: everyDay, From: 0, Until: 1}},
		"last minute":     {{Days: everyDay, From: At(23, 59), Until: At(24, 0)}},
		"skipped hours":   {{Days: everyDay, From: At(2, 10), Until: At(2, 50)}, {Days: everyDay, From: At(0, 20), Until: At(0, 40)}},
		"begin in a skip": {{Days: everyDay, From: At(2, 30), Until: At(3, 30)}, {Days: everyDay, From: At(0, 30), Until: At(1, 30)}},
		"overlapping":     {{Days: everyDay, From: At(8, 0), Until: At(12, 0)}, {Days: everyDay, From: At(11, 0), Until: At(13, 0)}, {Days: everyDay, From: At(13, 0), Until: At(14, 0)}},
		"out of order":    {{Days: everyDay, From: At(18, 0), Until: At(19, 0)}, {Days: everyDay, From: At(6, 0), Until: At(7, 0)}},
		"Fridays":         {{Days: []time.Weekday{time.Friday}, From: At(9, 0), Until: At(10, 0)}},
		"Sunday nights":   {{Days: []time.Weekday{time.Sunday}, From: At(1, 0), Until: At(3, 0)}},
	}
)

// wall tells for each minute that a clock on the wall can show in a week whether
// a window is open.
type wall struct {
	open    [7][24 * 60]bool
	changes []time.Time // of a walk: closed at first, then open, ...
}

func newWall(windows []Hours) *wall {
	var w wall
	for _, h := range windows {
		for _, day := range h.Days {
			for minute := h.From; minute < h.Until; minute++ {
				w.open[day][minute] = true
			}
		}
	}
	return &w
}

// What next says is compared with a walk through years, minute by minute, that
// reads the clock on the wall: when a window opens, when it closes, and what is
// in between.
func TestNextAgreesWithTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	for _, c := range clockChanges {
		t.Run(fmt.Sprint(c.zone, " ", c.first), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Date(c.first, 1, 1, 0, 0, 0, 0, time.UTC)
			end := begin.AddDate(c.years, 0, 20)
			walls := make(map[string]*wall)
			var all []*wall
			for name, windows := range schedules {
				walls[name] = newWall(windows)
				all = append(all, walls[name])
			}
			for at := begin; at.Before(end); at = at.Add(time.Minute) {
				local := at.In(zone)
				hour, minute, _ := local.Clock()
				day := local.Weekday()
				for _, w := range all {
					if isOpen := len(w.changes)%2 == 1; w.open[day][60*hour+minute] != isOpen {
						w.changes = append(w.changes, at)
					}
				}
			}
			for name, windows := range schedules {
				s, err := newSchedule("hours", windows)
				if err != nil {
					t.Fatal(err)
				}
				at := walls[name].changes
				// The last days only say what comes next.
				for i := 0; i+1 < len(at) && at[i].Before(end.AddDate(0, 0, -20)); i++ {
					before, between := at[i].Add(-time.Microsecond), at[i].Add(at[i+1].Sub(at[i])/2)
					want := map[time.Time]time.Time{before: before, at[i]: at[i+1], between: at[i+1]} // it closes
					if i%2 == 0 {
						want = map[time.Time]time.Time{before: at[i], at[i]: at[i], between: between} // it opens
					}
					for asked, want := range want {
						if got := s.next(asked, zone); asked.After(begin) && !got.Equal(want) {
							t.Errorf("%s: next(%v) = %v, want %v", name, asked.In(zone), got.In(zone), want.In(zone))
						}
					}
				}
			}
		})
	}
}

// Days begin with the first minute that has their date on the wall; one that is
// skipped begins with the next.
func TestDaysBeginWithTheirFirstMinute(t *testing.T) {
	t.Parallel()
	for _, c := range clockChanges {
		t.Run(fmt.Sprint(c.zone, " ", c.first), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			var zones calendars
			cal, err := zones.get("zone", c.zone)
			if err != nil {
				t.Fatal(err)
			}
			first := make(map[[3]int]time.Time)
			begin := time.Date(c.first, 1, 1, 0, 0, 0, 0, time.UTC)
			end := begin.AddDate(c.years, 0, 3)
			for at := begin.AddDate(0, 0, -3); at.Before(end); at = at.Add(time.Minute) {
				y, m, d := at.In(zone).Date()
				if k := [3]int{y, int(m), d}; first[k].IsZero() {
					first[k] = at
				}
			}
			begins := func(day time.Time) time.Time {
				for {
					y, m, d := day.Date()
					if at := first[[3]int{y, int(m), d}]; !at.IsZero() {
						return at
					}
					day = day.AddDate(0, 0, 1)
				}
			}
			for day := begin; day.Before(end.AddDate(0, 0, -4)); day = day.AddDate(0, 0, 1) {
				y, m, d := day.Date()
				want := begins(day)
				if got := startOfDay(y, m, d, zone); !got.Equal(want) {
					t.Errorf("%v begins at %v, want %v", day.Format(time.DateOnly), got.In(zone), want.In(zone))
				}
				next := begins(day.AddDate(0, 0, 1))
				if !next.After(want) {
					continue // skipped
				}
				for _, at := range []time.Time{want, want.Add(12 * time.Hour), next.Add(-time.Microsecond)} {
					if got := date(at, zone); got != int(day.Unix()/(24*60*60)) {
						t.Errorf("%v is day %d", at.In(zone), got)
					}
					list := cal.around(at)
					held := false
					for i := range list {
						held = held || list[i].Equal(want) && i+1 < len(list) && list[i+1].Equal(next)
						if i > 0 && !list[i-1].Before(list[i]) {
							t.Fatalf("around(%v) = %v: out of order", at.In(zone), list)
						}
					}
					if !held || !list[len(list)-1].After(at.Add(Horizon)) || !list[0].Before(at) && !list[0].Equal(want) {
						t.Errorf("around(%v) = %v, want a day from %v to %v in it", at.In(zone), list, want, next)
					}
				}
			}
		})
	}
}

func TestClockAndHoursInWords(t *testing.T) {
	t.Parallel()
	for c, want := range map[Clock]string{0: "00:00", At(9, 5): "09:05", At(24, 0): "24:00"} {
		if c.String() != want {
			t.Errorf("%d is %s, want %s", int(c), c, want)
		}
	}
	if h := Weekdays(At(9, 0), At(17, 0)); len(h.Days) != 5 || h.Days[0] != time.Monday || h.Days[4] != time.Friday {
		t.Errorf("weekdays are %v", h.Days)
	}
}
