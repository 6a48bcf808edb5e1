package quota

import (
	"encoding/binary"
	"errors"
)

// stateVersion is the first byte of an encoded CallState.
const stateVersion = 1

// maxStateBytes bounds an encoded CallState. One of valid asks stays far below.
const maxStateBytes = 1 << 20

// AppendBinary implements [encoding.BinaryAppender].
func (s *CallState) AppendBinary(p []byte) ([]byte, error) {
	p = append(p, stateVersion)
	p = binary.AppendUvarint(p, uint64(s.until))
	p = binary.AppendUvarint(p, uint64(s.sends))
	p = binary.AppendUvarint(p, uint64(len(s.budgets)))
	for _, b := range s.budgets {
		p = appendString(p, b.name)
		p = binary.AppendUvarint(p, uint64(b.full))
		p = binary.AppendUvarint(p, uint64(len(b.steps)))
		for _, st := range b.steps {
			p = binary.AppendUvarint(p, uint64(st.ends))
			p = binary.AppendUvarint(p, uint64(st.units))
		}
	}
	p = binary.AppendUvarint(p, uint64(len(s.slots)))
	for _, sl := range s.slots {
		p = appendString(p, sl.id)
		p = binary.AppendUvarint(p, uint64(sl.slots))
		p = binary.AppendUvarint(p, uint64(sl.expires))
	}
	return p, nil
}

// MarshalBinary implements [encoding.BinaryMarshaler]. It never fails.
func (s *CallState) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

func appendString(p []byte, s string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(s))), s...)
}

var errDamagedState = errors.New("quota: the state of a mailbox's calls is damaged")

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. Of damaged data it
// returns an error and leaves s as it is. No data is a new state.
func (s *CallState) UnmarshalBinary(data []byte) error {
	if len(data) == 0 {
		*s = CallState{}
		return nil
	}
	if len(data) > maxStateBytes || data[0] != stateVersion {
		return errDamagedState
	}
	r := stateReader{rest: data[1:]}
	n := CallState{until: r.number(), sends: r.number()}
	for range r.count() {
		b := budgetState{name: r.string(), full: r.number()}
		if k := len(n.budgets); k > 0 && n.budgets[k-1].name >= b.name {
			return errDamagedState
		}
		for range r.count() {
			st := unitStep{r.number(), r.number()}
			if k := len(b.steps); k == maxUnitSteps || k > 0 && b.steps[k-1].ends >= st.ends {
				return errDamagedState
			}
			b.steps = append(b.steps, st)
		}
		n.budgets = append(n.budgets, b)
	}
	for range r.count() {
		sl := slotState{r.string(), r.number(), r.number()}
		if k := len(n.slots); sl.slots > maxSlots || k > 0 && n.slots[k-1].id >= sl.id {
			return errDamagedState
		}
		n.slots = append(n.slots, sl)
	}
	if r.damaged || len(r.rest) > 0 {
		return errDamagedState
	}
	*s = n
	return nil
}

// stateReader reads an encoded CallState. After the end it reads zeros.
type stateReader struct {
	rest    []byte
	damaged bool
}

func (r *stateReader) number() int64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > maxMicros {
		r.rest, r.damaged = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

// count reads how many things follow: no more than there are bytes.
func (r *stateReader) count() int {
	v := r.number()
	if v > int64(len(r.rest)) {
		r.rest, r.damaged = nil, true
		return 0
	}
	return int(v)
}

func (r *stateReader) string() string {
	n := r.count()
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
