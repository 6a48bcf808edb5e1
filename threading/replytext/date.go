package replytext

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// token is a word or a number of a line.
type token struct {
	start, end int
	word       string // lower case; empty for a number
	num        int    // value of a number, of at most four digits
	digits     int    // how many digits, 0 for a word
}

// tokens splits a line into words and numbers; what is between them are gaps.
func tokens(s string) []token {
	all := make([]token, 0, 32)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case digit(r) >= 0:
			t := token{start: i}
			for i < len(s) {
				r, size = utf8.DecodeRuneInString(s[i:])
				d := digit(r)
				if d < 0 {
					break
				}
				if t.digits++; t.digits <= 4 {
					t.num = t.num*10 + d
				}
				i += size
			}
			t.end = i
			all = append(all, t)
		case letter(r):
			t := token{start: i}
			for i += size; i < len(s); i += size {
				r, size = utf8.DecodeRuneInString(s[i:])
				if !letter(r) && !(r == '.' && thai(s[:i]) && i+1 < len(s) && s[i+1] == 0xE0) {
					break
				}
			}
			t.end = i
			t.word = strings.ToLower(s[t.start:t.end])
			all = append(all, t)
		default:
			i += size
		}
	}
	return all
}

// thai reports whether the text ends in a Thai letter: the names of Thai months
// are shortened with a full stop within.
func thai(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r >= 0x0E00 && r < 0x0E80
}

func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r))
}

// digit returns the value of a decimal digit, also an Arabic, Persian or
// full-width one, or -1.
func digit(r rune) int {
	switch {
	case r >= '0' && r <= '9':
		return int(r - '0')
	case r >= 0x0660 && r <= 0x0669:
		return int(r - 0x0660)
	case r >= 0x06F0 && r <= 0x06F9:
		return int(r - 0x06F0)
	case r >= 0xFF10 && r <= 0xFF19:
		return int(r - 0xFF10)
	}
	return -1
}

// stamp is a date that stands in a line.
type stamp struct {
	found      bool // a date stands there, understood or not
	at         time.Time
	timed      bool // it has a time of day
	zoned      bool
	start, end int // where it stands, weekday and zone included
	first      int // its first token
}

// calendarDate is a day as it is written, with the tokens it takes.
type calendarDate struct {
	year        int
	month       time.Month
	day         int
	ambiguous   bool // day and month may be exchanged, or the year is unclear
	first, last int  // tokens, inclusive
}

// reader looks for a date in a line.
type reader struct {
	s    string
	toks []token
	lang string // language of the line, if known
}

// findStamp finds the date and the time of day in a line.
func findStamp(s string, toks []token, lang string) stamp {
	r := reader{s, toks, lang}
	d, ok := r.date()
	if !ok {
		return stamp{}
	}
	st := stamp{found: true, first: d.first, start: toks[d.first].start, end: toks[d.last].end}
	weekday, named := r.weekday(&d, &st)
	if d.ambiguous {
		d = settle(d, weekday, named)
	}
	c := r.clock(d)
	if c.found {
		st.timed = true
		st.start, st.end = min(st.start, c.start), max(st.end, c.end)
		st.first = min(st.first, c.first)
	}
	if d.ambiguous || !valid(d) {
		return st
	}
	zone := time.UTC
	if c.zoned {
		st.zoned = true
		zone = time.FixedZone("", c.offset)
	}
	st.at = time.Date(d.year, d.month, d.day, c.hour, c.minute, c.second, 0, zone).UTC()
	return st
}

func valid(d calendarDate) bool {
	t := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
	return d.year >= 1970 && d.year < 2100 && t.Month() == d.month && t.Day() == d.day
}

// settle decides by the day of the week which number is the day.
func settle(d calendarDate, weekday time.Weekday, named bool) calendarDate {
	if !named || d.month == 0 || d.day > 12 {
		return d
	}
	fits := func(month, day int) bool {
		return time.Date(d.year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Weekday() == weekday
	}
	asIs, exchanged := fits(int(d.month), d.day), fits(d.day, int(d.month))
	switch {
	case asIs && !exchanged:
		d.ambiguous = false
	case exchanged && !asIs:
		d.month, d.day, d.ambiguous = time.Month(d.day), int(d.month), false
	}
	return d
}

// weekday finds the day of the week beside a date and widens the place of the
// date by it.
func (r *reader) weekday(d *calendarDate, st *stamp) (day time.Weekday, named bool) {
	for i := d.first - 1; i >= max(0, d.first-3); i-- {
		if w, ok := weekdays[r.toks[i].word]; ok {
			st.start, st.first = r.toks[i].start, i
			return w, true
		}
	}
	for i := d.last + 1; i < min(len(r.toks), d.last+3); i++ {
		if w, ok := weekdays[r.toks[i].word]; ok {
			st.end = r.toks[i].end
			return w, true
		}
	}
	return 0, false
}

// date finds the first day of the calendar.
func (r *reader) date() (calendarDate, bool) {
	for k, t := range r.toks {
		if t.digits == 0 {
			continue
		}
		var d calendarDate
		ok := false
		switch {
		case t.digits == 4:
			d, ok = r.yearFirst(k)
		case t.digits <= 2 && t.num >= 1 && t.num <= 31:
			if d, ok = r.numeric(k); !ok {
				if d, ok = r.dayMonth(k); !ok {
					d, ok = r.monthDay(k)
				}
			}
		}
		if ok {
			return d, true
		}
	}
	return calendarDate{}, false
}

// gap is what stands after a token, without white space.
func (r *reader) gap(k int) string {
	if k < 0 || k+1 >= len(r.toks) {
		return ""
	}
	return strings.TrimSpace(r.s[r.toks[k].end:r.toks[k+1].start])
}

func (r *reader) at(k int) token {
	if k < 0 || k >= len(r.toks) {
		return token{}
	}
	return r.toks[k]
}

// year returns the value of a token that is a year of four digits; years of the
// Buddhist era are translated.
func (r *reader) year(k int) (int, bool) {
	t := r.at(k)
	switch {
	case t.digits != 4:
		return 0, false
	case t.num >= 1970 && t.num < 2100:
		return t.num, true
	case t.num >= 2513 && t.num < 2643:
		return t.num - 543, true
	}
	return 0, false
}

// day returns the value of a token that is a day of a month.
func (r *reader) day(k int) (int, bool) {
	t := r.at(k)
	return t.num, t.digits > 0 && t.digits <= 2 && t.num >= 1 && t.num <= 31
}

// yearFirst reads 2026-03-03, 2026/3/3, 2026. 3. 3., 2026年3月3日, 2026년 3월 3일,
// 2026. márc. 3. and 2026. gada 3. marts.
func (r *reader) yearFirst(k int) (calendarDate, bool) {
	year, ok := r.year(k)
	if !ok {
		return calendarDate{}, false
	}
	one, two := r.at(k+1), r.at(k+2)
	if day, ok := r.day(k + 2); ok && one.digits > 0 && one.digits <= 2 && one.num >= 1 && one.num <= 12 {
		if sep := r.gap(k); sep == r.gap(k+1) && (sep == "-" || sep == "/" || sep == ".") {
			return calendarDate{year: year, month: time.Month(one.num), day: day, first: k, last: k + 2}, true
		}
	}
	if strings.HasPrefix(one.word, "年") || strings.HasPrefix(one.word, "년") {
		day, ok := r.day(k + 4)
		unit := r.at(k + 3).word
		if ok && two.num >= 1 && two.num <= 12 && (unit == "月" || unit == "월") {
			return calendarDate{year: year, month: time.Month(two.num), day: day, first: k, last: k + 5}.clip(r), true
		}
		return calendarDate{}, false
	}
	for j := k + 1; j <= k+2; j++ {
		if m, ok := month(r.at(j).word, r.lang); ok {
			if day, ok := r.day(j + 1); ok && !strings.Contains(r.gap(j+1), ":") {
				return calendarDate{year: year, month: m, day: day, first: k, last: j + 1}, true
			}
		}
		if m, ok := month(r.at(j+1).word, r.lang); ok {
			if day, ok := r.day(j); ok {
				return calendarDate{year: year, month: m, day: day, first: k, last: j + 1}, true
			}
		}
	}
	return calendarDate{}, false
}

func (d calendarDate) clip(r *reader) calendarDate {
	d.last = min(d.last, len(r.toks)-1)
	return d
}

// numeric reads 3.3.2026, 03/03/2026, 3-3-2026 and the same with a year of two
// digits. Full stops mean day first everywhere; for the others the language
// decides, or a number above twelve.
func (r *reader) numeric(k int) (calendarDate, bool) {
	a, b, y := r.at(k), r.at(k+1), r.at(k+2)
	sep := r.gap(k)
	if sep != r.gap(k+1) || sep != "." && sep != "/" && sep != "-" {
		return calendarDate{}, false
	}
	if b.digits == 0 || b.digits > 2 || b.num < 1 || b.num > 31 || a.num > 12 && b.num > 12 {
		return calendarDate{}, false
	}
	year, ok := r.year(k + 2)
	if !ok {
		if y.digits != 2 {
			return calendarDate{}, false
		}
		year = 2000 + y.num
		if y.num >= 70 {
			year = 1900 + y.num
		}
	}
	d := calendarDate{year: year, month: time.Month(b.num), day: a.num, first: k, last: k + 2}
	switch {
	case a.num > 12 && sep != ".": // day first
	case b.num > 12:
		d.month, d.day = time.Month(a.num), b.num
	case a.num == b.num, sep == ".", dayFirst[r.lang]:
	default:
		d.ambiguous = true
	}
	if y.digits == 2 && !dayFirst[r.lang] && sep != "/" {
		d.month = 0 // the year may come first: not understood
	}
	return d, true
}

// between are words and endings that stand between day, month and year.
var between = index(map[bool]string{
	true: `de del of d den st nd rd th er º ª a o г год года р року m gada do ngày เดือน dne ο`,
})

// skip passes over words that may stand between the parts of a date.
func (r *reader) skip(k int) int {
	for n := 0; n < 2 && between[r.at(k).word]; n++ {
		k++
	}
	return k
}

// dayMonth reads 3 March 2026, 3. März 2026, 3 de marzo de 2026, 3-Mar-2026 and
// 3 tháng 3, 2026.
func (r *reader) dayMonth(k int) (calendarDate, bool) {
	d := calendarDate{day: r.toks[k].num, first: k}
	j := r.skip(k + 1)
	switch w := r.at(j).word; {
	case w == "tháng" || w == "thg":
		j++
		if t := r.at(j); t.digits > 0 && t.num >= 1 && t.num <= 12 {
			d.month = time.Month(t.num)
		}
	case w != "":
		d.month, _ = month(w, r.lang)
	}
	if d.month == 0 {
		return d, false
	}
	d.last = r.skip(j + 1)
	year, ok := r.year(d.last)
	if !ok {
		y := r.at(d.last)
		if gap := r.gap(d.last - 1); y.digits != 2 || !strings.HasSuffix(gap, "'") && gap != "-" {
			return d, false
		}
		year = 2000 + y.num
	}
	d.year = year
	return d, true
}

// monthDay reads March 3, 2026, Mar 3rd 2026 and Mar 3 16:05:00 2026.
func (r *reader) monthDay(k int) (calendarDate, bool) {
	m, ok := month(r.at(k-1).word, r.lang)
	if !ok {
		return calendarDate{}, false
	}
	for j := k + 1; j < min(len(r.toks), k+7); j++ {
		if year, ok := r.year(j); ok {
			return calendarDate{year: year, month: m, day: r.toks[k].num, first: k - 1, last: j}, true
		}
		if t := r.toks[j]; t.digits == 0 && zones[t.word] == 0 && !between[t.word] && t.word != "gmt" && t.word != "utc" {
			break
		}
	}
	return calendarDate{}, false
}
