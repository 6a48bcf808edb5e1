package main

import "sort"

// tally counts messages and their recipients by time, in microseconds since
// 1970. It keeps those of the last days only.
type tally struct {
	list []tallied // by time
}

type tallied struct {
	at         int64
	recipients int
	total      int // recipients of this one and all before it
}

// add counts a message.
func (t *tally) add(at int64, recipients int) {
	if old := t.after(at - 2*day); old > 64 && old > len(t.list)/2 {
		t.list = append(t.list[:0], t.list[old:]...)
	}
	i := t.after(at)
	t.list = append(t.list, tallied{})
	copy(t.list[i+1:], t.list[i:])
	t.list[i] = tallied{at: at, recipients: recipients}
	t.addUp(i)
}

// remove takes a message out again; which one of several equal ones does not
// matter.
func (t *tally) remove(at int64, recipients int) {
	for i := t.after(at) - 1; i >= 0 && t.list[i].at == at; i-- {
		if t.list[i].recipients == recipients {
			t.list = append(t.list[:i], t.list[i+1:]...)
			t.addUp(i)
			return
		}
	}
}

// since counts what is later than a time.
func (t *tally) since(at int64) (messages, recipients int) {
	i := t.after(at)
	if i == len(t.list) {
		return 0, 0
	}
	first, last := t.list[i], t.list[len(t.list)-1]
	return len(t.list) - i, last.total - first.total + first.recipients
}

// last returns the time of the newest message that is not later than a time; 0
// if there is none.
func (t *tally) last(at int64) int64 {
	if i := t.after(at); i > 0 {
		return t.list[i-1].at
	}
	return 0
}

// after returns the index of the first message later than a time.
func (t *tally) after(at int64) int {
	return sort.Search(len(t.list), func(i int) bool { return t.list[i].at > at })
}

func (t *tally) addUp(from int) {
	for i := from; i < len(t.list); i++ {
		t.list[i].total = t.list[i].recipients
		if i > 0 {
			t.list[i].total += t.list[i-1].total
		}
	}
}
