package corpustest

import (
	"fmt"
	"testing"
)

// Share is a proportion with its counts.
type Share struct{ Hit, Of int }

// Count adds one to the whole, and to the hits if it is one.
func (s *Share) Count(hit bool) {
	s.Of++
	if hit {
		s.Hit++
	}
}

// Value is the proportion, 0 of nothing.
func (s Share) Value() float64 { return float64(s.Hit) / float64(max(s.Of, 1)) }

// String returns the percentage with its counts.
func (s Share) String() string {
	return fmt.Sprintf("%7.3f %%  n = %d (%d)", 100*s.Value(), s.Of, s.Hit)
}

// Row prints a row of the table.
func Row(t testing.TB, name string, value any) {
	t.Helper()
	fmt.Fprintf(t.Output(), "%-60s %v\n", name, value)
}

// Floor prints a row of the table, and fails the test if the share is below
// least or of nothing.
func (s Share) Floor(t testing.TB, name string, least float64) {
	t.Helper()
	Row(t, name, fmt.Sprintf("%v  at least %.3f", s, 100*least))
	if s.Of == 0 || s.Value() < least {
		t.Errorf("%s: %v, want at least %.3f %%", name, s, 100*least)
	}
}

// Ceiling prints a row of the table, and fails the test if the share is above
// most or of nothing.
func (s Share) Ceiling(t testing.TB, name string, most float64) {
	t.Helper()
	Row(t, name, fmt.Sprintf("%v  at most %.3f", s, 100*most))
	if s.Of == 0 || s.Value() > most {
		t.Errorf("%s: %v, want at most %.3f %%", name, s, 100*most)
	}
}
