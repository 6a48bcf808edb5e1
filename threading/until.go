package threading

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func splitFolded(list string) []string {
	all := strings.Split(list, "|")
	for i, item := range all {
		all[i] = fold(item)
	}
	return all
}

// maxUntil bounds how much of a text is searched for dates, in bytes: notes of
// absence are short.
const maxUntil = 2 << 10

// until returns the stated end of an absence, or zero: from the text if it is
// known, otherwise from the subject.
func (s *signs) until() time.Time {
	today := s.m.Date
	if at := s.m.ReceivedAt; today.IsZero() || !at.IsZero() && at.Sub(today).Abs() > 48*time.Hour {
		today = at
	}
	if !today.IsZero() {
		today = time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC)
	}
	w := s.readWords()
	if t := endOfAbsence(w.own, w.lang(), today); !t.IsZero() {
		return t
	}
	if !strings.ContainsAny(s.folded, "0123456789") {
		return time.Time{}
	}
	return endOfAbsence(s.folded, "", today)
}

// endOfAbsence looks for a date that the words around it call the end of an
// absence or the day of return. Two that lie further apart than a long weekend
// contradict each other: then there is none.
func endOfAbsence(text, lang string, today time.Time) time.Time {
	text = text[:min(len(text), maxUntil)]
	dayFirst := lang != "" && lang != "en" && lang != "ja" && lang != "ko" && lang != "zh" && lang != "hu"
	monthFirst := lang == "ja" || lang == "ko" || lang == "zh" || lang == "hu" || hasEastAsian(text)
	ts := tokens(text)
	var end time.Time
	last, lastWeekday := 0, false // where the date before ended, and whether it was a weekday alone
	for i := 0; i < len(ts); i++ {
		left := before(text, ts[i].start, last)
		d, size := readDate(ts[i:])
		var t time.Time
		weekdayAlone := false
		if size > 0 {
			t = d.resolve(today, dayFirst, monthFirst)
		} else if wd, used := readWeekday(ts[i:]); used > 0 && !dateFollows(ts[i+used:]) {
			t, size, weekdayAlone = nextWeekday(today, wd, left), used, true
		} else if day, used := readDay(ts, i); used > 0 {
			t, size = nextDay(today, day), used
		}
		if size == 0 {
			continue
		}
		stop := ts[min(i+size, len(ts))-1].end
		// The second date of a range stands in the clause of the first one.
		ranged := last > 0 && len(left) == ts[i].start-last || afterNumber(text[max(last, ts[i].start-12):ts[i].start])
		ends := callsEnd(left, after(text, stop), ranged, slavic(lang))
		if weekdayAlone && lastWeekday && rangesOn(text[last:ts[i].start]) {
			ends = false // "Monday to Friday, 9 to 5": when somebody works
		}
		i += size - 1
		last, lastWeekday = stop, weekdayAlone
		if t.IsZero() || !ends {
			continue
		}
		if end.IsZero() {
			end = t
		} else if t.Sub(end).Abs() > 4*24*time.Hour {
			return time.Time{}
		}
	}
	return end
}

// rangesOn reports whether what stands between two weekdays makes a range of
// them: no more than hours besides a dash or a word for "until".
func rangesOn(between string) bool {
	if len(between) > 24 {
		return false
	}
	if strings.Trim(between, " -~") == "" {
		return true
	}
	for _, w := range untilSet() {
		if hasWord(between, w) {
			return true
		}
	}
	return false
}

// readDay reads a day of a month that is not named, and returns how many tokens it
// takes, 0 if there is none: "the 14th", "bis zum 14.", "hasta el 14". What goes on
// behind it must not make something else of it, as "the 4th quarter".
func readDay(ts []token, at int) (day, used int) {
	day, used = ts[at].number, 1
	if day < 1 {
		return 0, 0
	}
	rest := ts[at+1:]
	ordinal := len(rest) > 0 && isOrdinal(rest[0].text)
	if !ordinal && (at == 0 || !isDayArticle(ts[at-1].text)) {
		return 0, 0
	}
	if ordinal || len(rest) > 0 && rest[0].text == "." {
		rest, used = rest[1:], 2
	}
	if len(rest) > 0 && !goesOnAfterDay(rest[0].text) {
		return 0, 0
	}
	return day, used
}

func isOrdinal(w string) bool {
	switch w {
	case "st", "nd", "rd", "th", "e", "er", "º":
		return true
	}
	return false
}

// isDayArticle: what stands before a day of the month, and not before an hour.
func isDayArticle(w string) bool {
	switch w {
	case "dem", "den", "zum", "au", "jusqu'au", "al", "el", "dia", "giorno":
		return true
	}
	return false
}

// goesOnAfterDay: what may stand behind a day of the month.
func goesOnAfterDay(w string) bool {
	switch w {
	case ".", ",", "!", ")", "(", "\n", "and", "at", "with", "inclusive", "included", "if", "for", "when",
		"und", "wieder", "nicht", "ausser", "im", "abwesend", "et", "inclus", "y", "e", "en", "incluso", "compreso", "i", "terug", "weer", "igen":
		return true
	}
	return false
}

// nextDay is the next such day of a month after today.
func nextDay(today time.Time, day int) time.Time {
	if today.IsZero() || day == today.Day() {
		return time.Time{}
	}
	month := today.Month()
	if day < today.Day() {
		month++
	}
	t := time.Date(today.Year(), month, day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day { // 31 June, 45
		return time.Time{}
	}
	return t
}

// dateFollows: a weekday is only the companion of a date.
func dateFollows(ts []token) bool {
	for i := range min(4, len(ts)) {
		if _, used := readDate(ts[i:]); used > 0 {
			return true
		}
		if ts[i].text == "." && i > 0 {
			return false
		}
	}
	return false
}

// nextWeekday is the next such day after today. "Next Friday" on a Tuesday may
// be either of two: then there is none.
func nextWeekday(today time.Time, day int, clause string) time.Time {
	ahead := (day - int(today.Weekday()) + 7) % 7
	if today.IsZero() || ahead == 0 {
		return time.Time{}
	}
	if containsAny(clause, []string{"next", "nachste", "prochain", "prossim", "proxim", "volgende", "nasta"}) && (day+6)%7 > (int(today.Weekday())+6)%7 {
		return time.Time{}
	}
	return today.AddDate(0, 0, ahead)
}

// before returns the part of the clause before a place, back to the date
// before.
func before(text string, at, last int) string {
	clause := text[max(last, at-80):at]
	if last == 0 && at > 80 {
		clause = strings.ToValidUTF8(clause, "")
	}
	if i := strings.LastIndexAny(clause, "!?\n;"); i >= 0 {
		clause = clause[i+1:]
	}
	if i := strings.LastIndex(clause, ". "); i >= 0 && i+2 < len(clause) {
		clause = clause[i+2:]
	}
	return clause
}

// after returns the words behind a date, to the end of the clause or the next
// number.
func after(text string, at int) string {
	clause := text[at:min(len(text), at+48)]
	if i := strings.IndexAny(clause, ".!?\n;0123456789"); i >= 0 {
		clause = clause[:i]
	}
	return clause
}

// callsEnd reports whether the words around a date call it an end or a return.
// Behind a beginning (ranged) short words are enough.
func callsEnd(left, right string, ranged, slavic bool) bool {
	near := lastWords(left)
	if ranged && strings.TrimSpace(left) != "" && strings.Trim(left, " -~") == "" || dashed(left) {
		return true // the second date of "1 March - 5 March", "1 - 5 March"
	}
	for _, w := range untilSet() {
		short := len(w) <= 3 && isASCII(w)
		if short && !ranged && !longUntil(w) && !(slavic && w == "do") {
			continue // "to", "a", "al" mean an end only behind a beginning
		}
		if hasWord(near, w) {
			return true
		}
	}
	for _, w := range backSet() {
		if hasBeginning(left, w) {
			return true
		}
	}
	for _, w := range afterSet() {
		if strings.HasPrefix(strings.TrimLeft(right, " )月火水木金土日("), w) || hasBeginning(right, w) && len(right) > 0 && w != "ig " && w != "-ig" {
			return true
		}
	}
	return false
}

// dashed reports whether a clause ends with a day and a dash.
func dashed(clause string) bool {
	rest := strings.TrimRight(clause, " ")
	left := strings.TrimRight(strings.TrimRight(rest, "-~"), " .")
	number := left[len(strings.TrimRight(left, "0123456789")):]
	return len(left) < len(rest) && (len(number) == 1 || len(number) == 2)
}

// slavic: languages in which "do" means until.
func slavic(lang string) bool {
	switch lang {
	case "pl", "cs", "sk", "hr", "sr", "sl":
		return true
	}
	return false
}

// afterNumber reports whether a number and a single word or dash stand before a
// date, as in "1 to 15 March".
func afterNumber(left string) bool {
	words := strings.Fields(left)
	if len(words) < 2 {
		return strings.Trim(left, "0123456789. ") == "-"
	}
	number := strings.TrimRight(words[len(words)-2], ".erstndh")
	return number != "" && strings.Trim(number, "0123456789") == "" && len(number) <= 2
}

// longUntil: short words that mean an end by themselves.
func longUntil(w string) bool {
	switch w {
	case "bis", "til", "tot", "ate", "t/m", "iki":
		return true
	}
	return false
}

// lastWords is the tail of a clause in which a preposition may stand: an
// article and a weekday may come between.
func lastWords(clause string) string {
	return strings.ToValidUTF8(clause[max(0, len(clause)-36):], "")
}

// hasWord reports whether text holds w between two ends of words.
func hasWord(text, w string) bool {
	return hasBeginningWhere(text, w, func(rest string) bool { return wordEnds(w, rest) })
}

// hasBeginning reports whether a word in text begins with w.
func hasBeginning(text, w string) bool {
	return hasBeginningWhere(text, w, func(string) bool { return true })
}

func hasBeginningWhere(text, w string, ends func(rest string) bool) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], w)
		if i < 0 {
			return false
		}
		i += from
		from = i + len(w)
		if startsWord(text, i) && ends(text[from:]) {
			return true
		}
	}
}

func startsWord(text string, at int) bool {
	previous, _ := utf8.DecodeLastRuneInString(text[:at])
	return at == 0 || previous >= 0x2e80 || !unicode.IsLetter(previous)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func hasEastAsian(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
	})
}
