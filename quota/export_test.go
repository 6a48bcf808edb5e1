package quota

// MailboxesInMemory returns how many mailboxes have state.
func (l *Limiter) MailboxesInMemory() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.mailboxes)
}

// Load returns the calls that wait and those in flight.
func (l *Limiter) Load() (waiting, inflight int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, mb := range l.mailboxes {
		waiting += mb.waiting()
		inflight += mb.gate.inflight
	}
	for _, app := range l.apps {
		waiting += len(app.blocked)
		inflight += app.gate.inflight
	}
	return waiting, inflight
}

// Size returns how many mailboxes and entries the store holds.
func (m *Memory) Size() (mailboxes, entries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.logs {
		entries += len(l.entries)
	}
	return len(m.logs), entries
}

// Size returns how many states the store holds.
func (m *CallMemory) Size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.states)
}

// InOneMoment takes steps until all were taken within a moment.
func InOneMoment(steps ...func() error) error { return inOneMoment(steps...) }
