package threading_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	many := []string{"Message-ID: <a@x>"}
	for i := range 100 {
		many = append(many, fmt.Sprintf("X-Google-Original-Message-ID: <%d@x>", i))
	}
	tests := []struct {
		name  string
		lines []string
		want  []mailbox.RFCMessageID
	}{
		{"none", []string{"Subject: x"}, nil},
		{"one", []string{"Message-ID: <a@x>"}, []mailbox.RFCMessageID{"a@x"}},
		{"bare", []string{"Message-Id: a@x"}, []mailbox.RFCMessageID{"a@x"}},
		{
			"replaced twice",
			[]string{"Message-ID: <new@provider.example>", "X-Microsoft-Original-Message-ID:", " <old@x>", "X-Google-Original-Message-ID: <older@x>", "X-Microsoft-Original-Message-ID: <old@x>"},
			[]mailbox.RFCMessageID{"new@provider.example", "old@x", "older@x"},
		},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, threading.MessageIDs(header(tt.lines...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if n := len(threading.MessageIDs(header(many...))); n != 16 {
		t.Errorf("%d ids of a hundred", n)
	}
}
