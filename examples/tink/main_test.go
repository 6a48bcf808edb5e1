package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "sealed again: 1, opened without the old key: true\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
