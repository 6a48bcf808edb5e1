package threading

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// token is a number, a word or a mark of a folded text, with its place.
type token struct {
	text       string
	start, end int
	number     int // -1 for what is none
}

// tokens splits a folded text. White space is dropped.
func tokens(text string) []token {
	var all []token
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		switch {
		case r == ' ':
			i = end
			continue
		case '0' <= r && r <= '9':
			n := 0
			for end = i; end < len(text) && '0' <= text[end] && text[end] <= '9'; end++ {
				n = min(n*10+int(text[end]-'0'), 1e6)
			}
			all = append(all, token{text[i:end], i, end, n})
			i = end
			continue
		case unicode.IsLetter(r) && r < 0x2e80:
			for end < len(text) {
				r, size := utf8.DecodeRuneInString(text[end:])
				if !unicode.IsLetter(r) && r != '\'' || r >= 0x2e80 {
					break
				}
				end += size
			}
		}
		all = append(all, token{text[i:end], i, end, -1})
		i = end
	}
	return all
}

// foundDate is a date as it stands in a text. A year of 0 was not named;
// other is the second reading of 3/4/2026.
type foundDate struct {
	year, month, day     int
	otherMonth, otherDay int
}

// readDate reads a date that begins at a token, and returns how many tokens it
// takes; 0 when there is none.
func readDate(ts []token) (d foundDate, used int) {
	at := func(i int) token {
		if i < len(ts) {
			return ts[i]
		}
		return token{number: -1}
	}
	mark := func(i int, marks string) bool { t := at(i).text; return len(t) > 0 && strings.Contains(marks, t) }
	year := func(i int) (int, bool) { n := at(i).number; return n, n >= 1990 && n <= 2100 }
	first := at(0)
	if y, ok := year(0); ok {
		// 2026-03-05, 2026. 3. 5., 2026年3月5日
		if mark(1, "-./年년") && at(2).number > 0 && mark(3, "-./月월") && at(4).number > 0 {
			used = 5
			if mark(5, "日일.") {
				used++
			}
			return foundDate{year: y, month: at(2).number, day: at(4).number}, used
		}
		// 2026. március 5., 2026 m. kovo 5 d., 2026. gada 5. martā
		i := 1
		for i < 4 && (mark(i, ".,") || at(i).text == "m" || at(i).text == "gada") {
			i++
		}
		if rest, n := readDate(ts[min(i, len(ts)):]); n > 0 && i > 1 && rest.year == 0 {
			rest.year = y
			return rest, i + n
		}
		return d, 0
	}
	if n := first.number; n >= 1 && n <= 31 && len(first.text) <= 2 {
		// 3月5日
		if mark(1, "月월") && at(2).number > 0 && mark(3, "日일") {
			return foundDate{month: n, day: at(2).number}, 4
		}
		// 5 tháng 3
		if at(1).text == "thang" && at(2).number > 0 {
			d, used = foundDate{day: n, month: at(2).number}, 3
			if at(3).text == "nam" || mark(3, "/") {
				if y, ok := year(4); ok {
					return foundDate{year: y, day: n, month: d.month}, 5
				}
			}
			return d, used
		}
		// 5.3.2026, 5/3/26, 5.3.
		if mark(1, "./-") && at(2).number >= 1 && len(at(2).text) <= 2 {
			sep := at(1).text
			m := at(2).number
			if mark(3, sep) {
				y, ok := year(4)
				if !ok && len(at(4).text) == 2 && at(4).number >= 0 {
					y, ok = 2000+at(4).number, true
				}
				if ok {
					return numeric(n, m, y, sep), 5
				}
			}
			if sep == "." && mark(3, ".") || sep == "/" {
				used = 3
				if sep == "." {
					used = 4
				}
				return numeric(n, m, 0, sep), used
			}
		}
		// 5. März 2026, 5th of March, 5 de março de 2026, 1er août
		i := 1
		for i < 4 && (mark(i, ".-º") || isDayLink(at(i).text)) {
			i++
		}
		if m := month(at(i).text); m > 0 {
			d, used = foundDate{month: m, day: n}, i+1
			for j := i + 1; j < i+4; j++ {
				if y, ok := year(j); ok {
					d.year = y
					return d, j + 1
				}
				if !mark(j, ".,") && !isDayLink(at(j).text) {
					break
				}
			}
			return d, used
		}
		return d, 0
	}
	// Ende Juli, end of July, fin juillet
	if isEnd(first.text) {
		i := 1
		for i < 3 && isDayLink(at(i).text) {
			i++
		}
		if m := month(at(i).text); m > 0 {
			d = foundDate{month: m, day: time.Date(2001, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()}
			if y, ok := year(i + 1); ok {
				d.year = y
				return d, i + 2
			}
			return d, i + 1
		}
		return d, 0
	}
	// March 3rd, 2026
	if m := month(first.text); m > 0 {
		i := 1
		if mark(i, ".") {
			i++
		}
		if n := at(i).number; n >= 1 && n <= 31 && len(at(i).text) <= 2 {
			used = i + 1
			for used < i+3 && (isDayLink(at(used).text) || mark(used, ",.")) {
				used++
			}
			if y, ok := year(used); ok {
				return foundDate{year: y, month: m, day: n}, used + 1
			}
			if month(at(i+1).text) > 0 { // "mar 3 giugno": a weekday, not a month
				return d, 0
			}
			return foundDate{month: m, day: n}, i + 1
		}
	}
	return d, 0
}

// isEnd: "the end of", before a month.
func isEnd(w string) bool {
	switch w {
	case "ende", "end", "fin", "fine", "finales", "final", "eind", "slutet", "konca", "konce", "fim":
		return true
	}
	return false
}

// isDayLink: what stands between a day, a month and a year.
func isDayLink(w string) bool {
	switch w {
	case "st", "nd", "rd", "th", "er", "de", "of", "del", "a", "e", "den", "ta", "n", "r", "g":
		return true
	}
	return false
}

// numeric reads two numbers. Behind a dot the day comes first; otherwise both
// readings are kept while both are possible.
func numeric(a, b, year int, sep string) foundDate {
	d := foundDate{year: year, day: a, month: b}
	if sep == "." || b > 12 && a > 12 {
		return d
	}
	if b > 12 {
		d.day, d.month = b, a
		return d
	}
	if a <= 12 && a != b {
		d.otherDay, d.otherMonth = b, a
	}
	return d
}

// month returns the month that a word names, or 0. Short names must be the
// whole word; longer ones may go on with an ending. "Listopad" is left out: it
// is October in Croatian and November in Polish and Czech.
func month(word string) int {
	if len(word) < 2 {
		return 0
	}
	for i, names := range monthAbbreviations() {
		for _, n := range names {
			if word == n {
				return i + 1
			}
		}
	}
	word, _, _ = strings.Cut(word, "'")
	best, length := 0, 0
	for i, names := range monthNames() {
		for _, n := range names {
			if len(n) > length && strings.HasPrefix(word, n) && (word == n || len(word) <= len(n)+8 && !(len(n) <= 4 && isASCII(n))) {
				best, length = i+1, len(n)
			}
		}
	}
	if rest, ok := strings.CutPrefix(word, "ב"); ok && best == 0 { // Hebrew: "in"
		return month(rest)
	}
	return best
}

// weekday returns the day that a word names, or -1.
func weekday(word string) int {
	if len(word) < 4 {
		return -1
	}
	for i, names := range weekdayNames() {
		for _, n := range names {
			if strings.HasPrefix(word, n) && len(word) <= len(n)+6 {
				return i
			}
		}
	}
	return -1
}

// readWeekday reads the name of a day, and returns how many tokens it takes; 0 if
// it is none. In Portuguese most are numbers, which "feira" makes days.
func readWeekday(ts []token) (day, used int) {
	if day := weekday(ts[0].text); day >= 0 {
		return day, 1
	}
	ordinal := slices.Index([]string{"segunda", "terca", "quarta", "quinta", "sexta"}, ts[0].text)
	if ordinal < 0 {
		return -1, 0
	}
	used = 1
	if used < len(ts) && ts[used].text == "-" {
		used++
	}
	if used < len(ts) && ts[used].text == "feira" {
		return ordinal + 1, used + 1
	}
	return -1, 0
}

// resolve finds the day that is meant, relative to the day of the message:
// not before the day before it and no more than 400 days later. Zero when it
// cannot be told.
func (d foundDate) resolve(today time.Time, dayFirst, monthFirst bool) time.Time {
	a := pick(d.year, d.month, d.day, today)
	if d.otherMonth == 0 {
		return a
	}
	b := pick(d.year, d.otherMonth, d.otherDay, today)
	switch {
	case dayFirst:
		return a
	case monthFirst:
		return b
	case a.IsZero():
		return b
	case b.IsZero():
		return a
	}
	// Absences are short: a near reading wins over one that lies far off.
	near, far := a, b
	if b.Before(a) {
		near, far = b, a
	}
	if near.Sub(today) <= 31*24*time.Hour && far.Sub(today) > 60*24*time.Hour {
		return near
	}
	return time.Time{}
}

func pick(year, month, day int, today time.Time) time.Time {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}
	}
	if year == 0 {
		if today.IsZero() {
			return time.Time{}
		}
		year = today.Year()
		half := 183 * 24 * time.Hour
		switch off := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Sub(today); {
		case off > half:
			year--
		case off < -half:
			year++
		}
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day || !today.IsZero() && (t.Before(today.AddDate(0, 0, -1)) || t.After(today.AddDate(0, 0, 400))) {
		return time.Time{}
	}
	return t
}
