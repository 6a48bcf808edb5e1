package compose

import (
	"strings"
	"time"
)

// maxDateLen bounds how much of a Date value is looked at. Comments included,
// real ones stay below 100 bytes.
const maxDateLen = 200

// parseDate reads a Date value: the forms of RFC 5322 (3.3 and 4.3), and what
// mail programs have written in their place, such as the output of C's ctime,
// ISO 8601, two-digit years, single-digit minutes, dots or slashes as
// separators, a missing weekday, second or zone (taken for UTC).
func parseDate(s string) (time.Time, bool) {
	var d dateFields
	if !d.scan(s[:min(len(s), maxDateLen)]) {
		return time.Time{}, false
	}
	return d.time()
}

type dateFields struct {
	numbers  []dateNumber // day and year, or all three of a numeric date
	month    time.Month
	hour     int
	minute   int
	second   int
	hasTime  bool
	pm, am   bool
	offset   int // seconds east of UTC
	hasZone  bool
	numeric  bool // the zone was a number, which is final
	fraction time.Duration
}

type dateNumber struct{ value, digits int }

// scan takes the value apart. Unknown words are passed over: they are names of
// weekdays and zones in other languages.
func (d *dateFields) scan(s string) bool {
	for s != "" {
		c := s[0]
		switch {
		case '0' <= c && c <= '9':
			rest, ok := d.number(s)
			if !ok {
				return false
			}
			s = rest
		case (c == '+' || c == '-') && d.hasTime && len(s) > 1 && isDigit(s[1]):
			rest, ok := d.zone(s)
			if !ok {
				return false
			}
			s = rest
		case isLetter(c):
			n := 1
			for n < len(s) && isLetter(s[n]) {
				n++
			}
			d.word(strings.ToLower(s[:n]))
			s = s[n:]
		case c == '(': // a comment, which repeats the zone
			_, rest, ok := strings.Cut(s, ")")
			if !ok || d.hasZone || !d.hasTime {
				s = rest
				continue
			}
			s = s[1:]
		default:
			s = s[1:]
		}
	}
	return true
}

// number reads a number, or a time of day if a colon (or a dot, behind the
// date) follows it.
func (d *dateFields) number(s string) (rest string, ok bool) {
	v, n := leadingInt(s)
	next := byte(0)
	if n < len(s) {
		next = s[n]
	}
	isClock := next == ':' || next == '.' && d.complete()
	switch {
	case !d.hasTime && n <= 2 && isClock && n+1 < len(s) && isDigit(s[n+1]):
		return d.clock(s)
	case n == 14 && len(d.numbers) == 0: // 20060102150405
		d.numbers = []dateNumber{{v / 1e10, 4}, {v / 1e8 % 100, 2}, {v / 1e6 % 100, 2}}
		d.hour, d.minute, d.second, d.hasTime = v/1e4%100, v/100%100, v%100, true
	case n == 8 && len(d.numbers) == 0: // 20060102
		d.numbers = []dateNumber{{v / 1e4, 4}, {v / 100 % 100, 2}, {v % 100, 2}}
	case n == 6 && d.complete() && !d.hasTime: // T150405
		d.hour, d.minute, d.second, d.hasTime = v/1e4, v/100%100, v%100, true
	case d.complete() && d.hasTime: // whatever it is, it is not the date
	case n > 4 || len(d.numbers) >= 3:
		return "", false
	default:
		d.numbers = append(d.numbers, dateNumber{v, n})
	}
	return s[n:], true
}

// complete reports whether the date itself is known, so that a number must be
// the time.
func (d *dateFields) complete() bool {
	return len(d.numbers) == 3 || len(d.numbers) == 2 && d.month != 0
}

// clock reads hh:mm or hh:mm:ss, with single digits, dots and fractions.
func (d *dateFields) clock(s string) (rest string, ok bool) {
	var parts [3]int
	i := 0
	for ; i < 3; i++ {
		v, n := leadingInt(s)
		if n == 0 || n > 2 {
			break
		}
		parts[i] = v
		s = s[n:]
		if s == "" || s[0] != ':' && s[0] != '.' || len(s) < 2 || !isDigit(s[1]) || i == 2 {
			i++
			break
		}
		s = s[1:]
	}
	if i < 2 {
		return "", false
	}
	if len(s) > 1 && (s[0] == '.' || s[0] == ',') && isDigit(s[1]) {
		v, n := leadingInt(s[1:])
		if n <= 9 {
			d.fraction = time.Duration(v)
			for range 9 - n {
				d.fraction *= 10
			}
		}
		s = s[1+n:]
	}
	d.hour, d.minute, d.second, d.hasTime = parts[0], parts[1], parts[2], true
	return s, true
}

// zone reads +hhmm, +hh:mm, +hmm or +hh.
func (d *dateFields) zone(s string) (rest string, ok bool) {
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	v, n := leadingInt(s[1:min(len(s), 5)])
	s = strings.TrimLeft(s[1+n:], "0123456789")
	if n <= 2 {
		v *= 100
		if len(s) > 2 && s[0] == ':' && isDigit(s[1]) && isDigit(s[2]) {
			m, _ := leadingInt(s[1:3])
			v += m
			s = s[3:]
		}
	}
	if d.numeric || d.offset != 0 || v/100 > 15 {
		return s, true
	}
	d.offset = sign * (v/100*3600 + v%100*60)
	d.hasZone, d.numeric = true, true
	return s, true
}

func (d *dateFields) word(w string) {
	switch w {
	case "am":
		d.am = true
		return
	case "pm":
		d.pm = true
		return
	}
	if offset, ok := namedZones[w]; ok && d.hasTime && !d.hasZone {
		d.offset, d.hasZone = offset*60, true
		return
	}
	if len(w) >= 3 && d.month == 0 {
		if i := strings.Index("jan feb mar apr may jun jul aug sep oct nov dec", w[:3]); i >= 0 && i%4 == 0 {
			d.month = time.Month(i/4 + 1)
		}
	}
}

// namedZones are the zones of RFC 5322 (4.3), and others that are in use and
// mean one thing only, in minutes east of UTC.
var namedZones = map[string]int{
	"ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0,
	"est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
	"cet": 60, "met": 60, "mez": 60, "bst": 60, "west": 60, "cest": 120, "mest": 120, "mesz": 120, "eet": 120,
	"eest": 180, "msk": 180, "msd": 240, "jst": 540, "kst": 540, "hkt": 480, "aest": 600, "aedt": 660,
	"akst": -540, "akdt": -480, "hst": -600, "nzst": 720, "nzdt": 780,
}

// time puts the pieces together and refuses what is not a date.
func (d *dateFields) time() (time.Time, bool) {
	year, month, day, ok := d.date()
	if !ok {
		return time.Time{}, false
	}
	switch {
	case d.pm && d.hour < 12:
		d.hour += 12
	case d.am && d.hour == 12:
		d.hour = 0
	}
	if d.hour > 24 || d.minute > 59 || d.second > 60 {
		return time.Time{}, false
	}
	location := time.UTC
	if d.offset != 0 {
		location = time.FixedZone("", d.offset)
	}
	t := time.Date(year, month, day, d.hour, d.minute, min(d.second, 59), int(d.fraction), location)
	if y, m, dd := t.Date(); d.hour < 24 && (y != year || m != month || dd != day) {
		return time.Time{}, false // 31 February
	}
	return t, true
}

func (d *dateFields) date() (year int, month time.Month, day int, ok bool) {
	ns := d.numbers
	switch {
	case d.month != 0 && len(ns) == 2 && ns[0].digits <= 2: // 2 Jan 2006, Jan 2 2006
		year, month, day = fullYear(ns[1]), d.month, ns[0].value
	case d.month != 0 && len(ns) == 2 && ns[1].digits <= 2: // 2006 Jan 2
		year, month, day = fullYear(ns[0]), d.month, ns[1].value
	case len(ns) == 3 && ns[0].digits == 4: // 2006-01-02
		year, month, day = ns[0].value, time.Month(ns[1].value), ns[2].value
	case len(ns) == 3 && ns[0].value > 12: // 31/01/2006
		year, month, day = fullYear(ns[2]), time.Month(ns[1].value), ns[0].value
	case len(ns) == 3: // 01/31/2006: American order, unless it cannot be
		year, month, day = fullYear(ns[2]), time.Month(ns[0].value), ns[1].value
	}
	ok = year >= 1900 && month >= 1 && month <= 12 && day >= 1 && day <= 31
	return year, month, day, ok
}

// fullYear completes years of two and three digits (RFC 5322, 4.3).
func fullYear(n dateNumber) int {
	switch {
	case n.digits <= 2 && n.value < 50:
		return 2000 + n.value
	case n.digits <= 3:
		return 1900 + n.value
	default:
		return n.value
	}
}

func leadingInt(s string) (v, n int) {
	for n < len(s) && isDigit(s[n]) {
		if n < 18 {
			v = v*10 + int(s[n]-'0')
		}
		n++
	}
	return v, n
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
