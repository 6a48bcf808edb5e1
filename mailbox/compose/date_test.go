package compose

import (
	"testing"
	"time"
)

// dateTests all name the same moment, unless want says otherwise.
var dateTests = []struct {
	in   string
	want string // RFC 3339; "" is the same moment, "-" cannot be read
}{
	{in: "Fri, 20 Nov 2026 09:05:07 +0100"},
	{in: "20 Nov 2026 09:05:07 +0100"},
	{in: "Fri,20 Nov 2026 09:05:07 +0100 (CET)"},
	{in: "Friday, 20-Nov-26 08:05:07 GMT"},
	{in: "Fri, 20 Nov 26 08:05:07 UT"},
	{in: "Fri, 20 Nov 2026 03:05:07 EST"},
	{in: "Fri, 20 Nov 2026 00:05:07 -0800 (PST)"},
	{in: "Fri Nov 20 08:05:07 2026"},
	{in: "Fri Nov 20 09:05:07 CET 2026"},
	{in: "Fri Nov 20 09:05:07 2026 +0100"},
	{in: "Fri, 20 Nov 2026 9:5:7 +0100"},
	{in: "Fri, 20 Nov 2026 09.05.07 +0100"},
	{in: "Fri, 20 Nov 2026 09:05:07 +01:00"},
	{in: "Fri, 20 Nov 2026 09:05:07 GMT+0100"},
	{in: "Fri, 20 Nov 2026 09:05:07 +100"},
	{in: "Fri, 20 Nov 2026 08:05:07"},
	{in: "Fre, 20 November 2026 09:05:07 +0100"},
	{in: "2026-11-20T08:05:07Z"},
	{in: "2026-11-20 09:05:07 +0100"},
	{in: "2026-11-20T08:05:07.000+00:00"},
	{in: "2026/11/20 08:05:07"},
	{in: "11/20/2026 8:05:07 AM"},
	{in: "20/11/2026 08:05:07"},
	{in: "Nov 20, 2026 08:05:07 AM"},
	{in: "20261120080507Z"},
	{in: "20261120T080507Z"},
	{in: "2026 Nov 20 08:05:07"},
	{in: "2026-Nov-20 08:05:07 UTC"},
	{in: "Fri, 20 Nov 2026 08:05:07 (GMT)"},
	{in: "Fri, 20 Nov 2026 08:05:07 +0000 +0100"},
	{in: "Fri, 20 Nov 2026 09:05:07 +0100 (Mitteleuropäische Zeit)"},
	{in: "Fri, 20 Nov 2026 08:05 +0000", want: "2026-11-20T08:05:00Z"},
	{in: "20 Nov 2026", want: "2026-11-20T00:00:00Z"},
	{in: "Fri, 20 Nov 2026 12:05:07 AM", want: "2026-11-20T00:05:07Z"},
	{in: "Fri, 20 Nov 2026 08:05:07 PM", want: "2026-11-20T20:05:07Z"},
	{in: "Sat, 31 Dec 2016 23:59:60 +0000", want: "2016-12-31T23:59:59Z"},
	{in: "Thu, 1 Jan 98 00:00:00 +0000", want: "1998-01-01T00:00:00Z"},
	{in: "Thu, 1 Jan 102 00:00:00 +0000", want: "2002-01-01T00:00:00Z"},
	{in: "1 Nov 50 0:00 +0000", want: "1950-11-01T00:00:00Z"},
	{in: "1 Nov 00 0:00 +00000", want: "2000-11-01T00:00:00Z"},
	{in: "1 Nov 00 0:00 +0000A0", want: "2000-11-01T00:00:00Z"},
	{in: "1 Nov 00 0:00 +0000+1", want: "2000-11-01T00:00:00Z"},
	{in: "", want: "-"},
	{in: "yesterday", want: "-"},
	{in: "Fri, 31 Feb 2026 08:05:07 +0000", want: "-"},
	{in: "Fri, 20 Nov 2026 25:05:07 +0000", want: "-"},
	{in: "Fri, 20 Nov 2026 08:61:07 +0000", want: "-"},
	{in: "Mon, 20 Nov 0026 08:05:07 +0000", want: "-"},
	{in: "99999999999999999999999999", want: "-"},
	{in: "08:05:07 +0000", want: "-"},
}

func TestDates(t *testing.T) {
	t.Parallel()
	for _, tt := range dateTests {
		got, ok := parseDate(tt.in)
		if tt.want == "-" {
			if ok {
				t.Errorf("%q was read as %v", tt.in, got)
			}
			continue
		}
		want := time.Date(2026, 11, 20, 8, 5, 7, 0, time.UTC)
		if tt.want != "" {
			var err error
			if want, err = time.Parse(time.RFC3339, tt.want); err != nil {
				t.Fatal(err)
			}
		}
		if !ok || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", tt.in, got, ok, want)
		}
	}
	// The zone of the sender is kept.
	got, _ := parseDate("Fri, 20 Nov 2026 09:05:07 +0130")
	if _, offset := got.Zone(); offset != 90*60 {
		t.Errorf("offset %d", offset)
	}
}
