package main

import "container/heap"

// agenda is virtual time: a clock that jumps from one event to the next.
type agenda struct {
	now    int64 // microseconds since 1970
	events queue
	seq    uint64
}

// at plans an event.
func (g *agenda) at(t int64, run func()) {
	g.seq++
	heap.Push(&g.events, event{at: t, seq: g.seq, run: run})
}

// until lets time pass until a moment, as long as on says so.
func (g *agenda) until(end int64, on func() bool) {
	for len(g.events) > 0 && g.events[0].at < end && on() {
		e := heap.Pop(&g.events).(event)
		g.now = e.at
		e.run()
	}
	g.now = end
}

// event is something that happens at a time.
type event struct {
	at  int64
	seq uint64 // of those at the same time the older one comes first
	run func()
}

// queue implements heap.Interface.
type queue []event

// Len implements heap.Interface.
func (q queue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

// Swap implements heap.Interface.
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}
