package replytext

import (
	"strings"
	"unicode/utf8"
)

// clockTime is a time of day in a line.
type clockTime struct {
	found                bool
	hour, minute, second int
	zoned                bool
	offset               int // seconds east of UTC
	start, end           int
	first                int // token
}

// clock finds the time of day that belongs to a date.
func (r *reader) clock(d calendarDate) clockTime {
	for k := range r.toks {
		if c, ok := r.clockAt(k, d); ok {
			return c
		}
	}
	return clockTime{}
}

func (r *reader) clockAt(k int, d calendarDate) (clockTime, bool) {
	t := r.toks[k]
	if t.digits == 0 || t.digits > 2 || t.num > 23 || k == d.first || k+1 >= len(r.toks) {
		return clockTime{}, false
	}
	c := clockTime{found: true, hour: t.num, start: t.start, first: k}
	sep := r.s[t.end:r.toks[k+1].start]
	last := k + 1
	switch w := r.toks[k+1].word; {
	case w == "" && (sep == ":" || sep == "." && k > d.last):
	case w == "h" || w == "時" || w == "时" || w == "点" || w == "點" || w == "시":
		last++
	default:
		return clockTime{}, false
	}
	m := r.at(last)
	if m.digits != 2 || m.num > 59 {
		return clockTime{}, false
	}
	c.minute, c.end = m.num, m.end
	if s := r.at(last + 1); s.digits == 2 && s.num <= 60 && r.s[m.end:s.start] == sep {
		last++
		c.second, c.end = min(s.num, 59), s.end
	}
	if w := r.at(last + 1).word; strings.HasPrefix(w, "分") || w == "분" {
		last++
		c.end = r.toks[last].end
	}
	last = r.half(&c, k, last)
	r.zone(&c, last)
	return c, true
}

// half reads which half of the day is meant, and returns the last token used.
func (r *reader) half(c *clockTime, k, last int) int {
	before, one, two := r.at(k-1), r.at(last+1).word, r.at(last+2).word
	am, pm := false, false
	switch {
	case one == "am", one == "a" && two == "m", one == "π" && two == "μ", one == "πμ", one == "ص",
		r.lang == "vi" && one == "sa":
		am = true
	case one == "pm", one == "p" && two == "m", one == "μ" && two == "μ", one == "μμ", one == "م",
		r.lang == "vi" && one == "ch":
		pm = true
	}
	if am || pm {
		last++
		if utf8.RuneCountInString(one) == 1 && two != "" && utf8.RuneCountInString(two) == 1 {
			last++
		}
		c.end = r.toks[last].end
	} else if before.word != "" {
		am = hasSuffix(before.word, "午前", "上午", "오전", "凌晨", "早上")
		pm = hasSuffix(before.word, "午後", "下午", "오후", "晚上", "中午")
		if am || pm {
			c.start, c.first = before.start, k-1
		}
	}
	switch {
	case am && c.hour == 12:
		c.hour = 0
	case pm && c.hour < 12:
		c.hour += 12
	}
	return last
}

func hasSuffix(s string, suffixes ...string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}

// zone reads the zone after a time of day: +0100, -05:00, UTC, GMT+1, CET.
func (r *reader) zone(c *clockTime, last int) {
	next := r.at(last + 1)
	sign := strings.Trim(r.s[c.end:max(c.end, next.start)], " (,")
	if offset, ok := zones[next.word]; ok && (sign == "" || sign == "." && next.word != "z") {
		c.zoned, c.offset, c.end = true, offset, next.end
		if offset != 0 || next.word == "z" {
			return
		}
		last++
		next = r.at(last + 1)
		sign = r.s[c.end:max(c.end, next.start)]
	}
	if sign != "+" && sign != "-" && sign != "−" || next.digits == 0 {
		return
	}
	offset, end := 0, next.end
	switch minutes := r.at(last + 2); {
	case next.digits == 4:
		offset = next.num/100*3600 + next.num%100*60
	case next.digits <= 2:
		offset = next.num * 3600
		if minutes.digits == 2 && r.s[next.end:minutes.start] == ":" {
			offset += minutes.num * 60
			end = minutes.end
		} else if !c.zoned {
			return // a bare "-5" may be anything
		}
	default:
		return
	}
	if offset > 15*3600 {
		return
	}
	if sign != "+" {
		offset = -offset
	}
	c.zoned, c.offset, c.end = true, offset, end
}
