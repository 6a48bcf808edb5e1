package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

// addressTests are pairs of name and address, and whether the list had to be
// repaired.
var addressTests = []struct {
	in      string
	want    []mailbox.Address
	damaged bool
}{
	{in: "", want: nil},
	{in: "anna@example.com", want: []mailbox.Address{{Address: "anna@example.com"}}},
	{in: " <anna@example.com> ,, ", want: []mailbox.Address{{Address: "anna@example.com"}}},
	{in: "Anna Lee <anna@example.com>, ben@example.org", want: []mailbox.Address{{Name: "Anna Lee", Address: "anna@example.com"}, {Address: "ben@example.org"}}},
	{in: `"Lee, Anna \"A\"" <anna@example.com>`, want: []mailbox.Address{{Name: `Lee, Anna "A"`, Address: "anna@example.com"}}},
	{in: "anna@example.com (Anna (A.) Lee)", want: []mailbox.Address{{Name: "Anna (A.) Lee", Address: "anna@example.com"}}},
	{in: "Anna <anna@example.com> (comment)", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}},
	{in: "=?utf-8?q?J=C3=B6rg?= =?utf-8?q?_M?= <j@example.com>", want: []mailbox.Address{{Name: "Jörg M", Address: "j@example.com"}}},
	{in: `"=?utf-8?q?J=C3=B6rg?=" <j@example.com>`, want: []mailbox.Address{{Name: "Jörg", Address: "j@example.com"}}},
	{in: "=?utf-8?q?Doe,_J?= <j@example.com>", want: []mailbox.Address{{Name: "Doe, J", Address: "j@example.com"}}},
	{in: "undisclosed-recipients:;", want: nil},
	{in: "Team: a@example.com, B <b@example.com>; c@example.com", want: []mailbox.Address{{Address: "a@example.com"}, {Name: "B", Address: "b@example.com"}, {Address: "c@example.com"}}},
	{in: `"a b"@example.com`, want: []mailbox.Address{{Address: `"a b"@example.com`}}},
	{in: `A <"a b"@example.com>`, want: []mailbox.Address{{Name: "A", Address: `"a b"@example.com`}}},
	{in: "a@[127.0.0.1], b@[IPv6:::1]", want: []mailbox.Address{{Address: "a@[127.0.0.1]"}, {Address: "b@[IPv6:::1]"}}},
	{in: "<@relay.example,@b.example:anna@example.com>", want: []mailbox.Address{{Address: "anna@example.com"}}},
	{in: "<>", want: nil},

	{in: "Doe, John <john@example.com>", want: []mailbox.Address{{Name: "Doe, John", Address: "john@example.com"}}, damaged: true},
	{in: "a@example.com; b@example.com", want: []mailbox.Address{{Address: "a@example.com"}, {Address: "b@example.com"}}},
	{in: "John Doe john@example.com", want: []mailbox.Address{{Name: "John Doe", Address: "john@example.com"}}, damaged: true},
	{in: "john @ example.com", want: []mailbox.Address{{Address: "john@example.com"}}},
	{in: "Anna <anna@example.com", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}, damaged: true},
	{in: "Anna <anna@example.com, <ben@example.com>", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}, {Address: "ben@example.com"}}, damaged: true},
	{in: "Anna <<anna@example.com>>", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}, damaged: true},
	{in: "Anna <mailto:anna@example.com>", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}, damaged: true},
	{in: "'anna@example.com'", want: []mailbox.Address{{Address: "anna@example.com"}}, damaged: true},
	{in: `"anna@example.com"`, want: []mailbox.Address{{Address: "anna@example.com"}}, damaged: true},
	{in: `"Anna <anna@example.com>, ben@example.com`, want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}, {Address: "ben@example.com"}}, damaged: true},
	{in: "Anna (never closed <anna@example.com>", want: []mailbox.Address{{Name: "Anna never closed", Address: "anna@example.com"}}, damaged: true},
	{in: "=?utf-8?q?Anna_=3Canna=40example.com=3E?=", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}, damaged: true},
	{in: "Mail Delivery Subsystem <MAILER-DAEMON>", want: []mailbox.Address{{Name: "Mail Delivery Subsystem", Address: "MAILER-DAEMON"}}, damaged: true},
	{in: "MAILER-DAEMON (Mail Delivery System)", want: []mailbox.Address{{Address: "MAILER-DAEMON"}}, damaged: true},
	{in: "Mail Delivery System <>", want: []mailbox.Address{{Name: "Mail Delivery System"}}, damaged: true},
	{in: "postmaster, anna@example.com", want: []mailbox.Address{{Address: "postmaster"}, {Address: "anna@example.com"}}, damaged: true},
	{in: "J\xf6rg <j@example.com>", want: []mailbox.Address{{Name: "Jörg", Address: "j@example.com"}}},
	{in: "Anna <anna@example.com(work)>", want: []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}},
	{in: "(at @ and @)", want: nil},
	{in: "a b <c d@example.com>", want: []mailbox.Address{{Name: "a b", Address: "cd@example.com"}}, damaged: true},
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range addressTests {
		p := addressParser{s: tt.in}
		got := p.parse()
		if diff := cmp.Diff(tt.want, got); diff != "" || p.damaged != tt.damaged {
			t.Errorf("%q: damaged %v, want %v\n%s", tt.in, p.damaged, tt.damaged, diff)
		}
	}
}
