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
	last := 0 // where the date before ended
	for i := 0; i < len(ts); i++ {
		d, used := readDate(ts[i:])
		var t time.Time
		size := used
		if used > 0 {
			t = d.resolve(today, dayFirst, monthFirst)
		} else if wd := weekday(ts[i].text); wd >= 0 && !dateFollows(ts[i+1:]) {
			t, size = nextWeekday(today, wd, before(text, ts[i].start, last)), 1
		}
		if size == 0 {
			continue
		}
		stop := ts[min(i+size, len(ts))-1].end
		ends := callsEnd(before(text, ts[i].start, last), after(text, stop), last > 0 || afterNumber(text[max(last, ts[i].start-12):ts[i].start]), slavic(lang))
		i += size - 1
		last = stop
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
	if ranged && strings.TrimSpace(left) != "" && strings.Trim(left, " -~") == "" {
		return true // the second date of "1 - 5 March"
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
