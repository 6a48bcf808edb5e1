package threading

import "testing"

func TestBaseSubject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		subject, base string
		prefixed      bool
	}{
		{"", "", false},
		{"Offer", "offer", false},
		{"Re: Offer", "offer", true},
		{" Re:  Über \t Holz\u00a0", "über holz", true},
		{"RE:Offer", "offer", true},
		{"re : Offer", "offer", true},
		{"Re[2]: Offer", "offer", true},
		{"Re (2): Offer", "offer", true},
		{"Re^2: Offer", "offer", true},
		{"Re: R: R: I: Offer", "offer", true},
		{"AW: WG: Angebot", "angebot", true},
		{"Réf : Devis", "devis", true},
		{"SV: VB: Tilbud", "tilbud", true},
		{"回复：报价", "报价", true},
		{"Ответ: Предложение", "предложение", true},
		{"[EXTERNAL] Re: [EXTERNAL] Offer", "offer", true},
		{"[Garden] Slugs", "slugs", false},
		{"Re: [Garden] Re: Slugs", "slugs", true},
		{"  Re:\t Two   words ", "two words", true},
		{"Re:", "re:", false},
		{"[tag]", "[tag]", false},
		{"[open Offer", "[open offer", false},
		{"Auto: Reifen", "auto: reifen", false},
		{"Re-organisation: plan", "re-organisation: plan", false},
		{"Re[x]: Offer", "re[x]: offer", false},
		{"Resume: Ann", "resume: ann", false},
		{"12:30 lunch", "12:30 lunch", false},
	}
	for _, tt := range tests {
		base, prefixed := BaseSubject(tt.subject)
		if base != tt.base || prefixed != tt.prefixed {
			t.Errorf("BaseSubject(%q) = %q, %v; want %q, %v", tt.subject, base, prefixed, tt.base, tt.prefixed)
		}
	}
}

func TestParameter(t *testing.T) {
	t.Parallel()
	tests := []struct{ contentType, name, want string }{
		{`multipart/report; report-type=delivery-status; boundary="a b"`, "report-type", "delivery-status"},
		{`multipart/report; report-type=delivery-status; boundary="a b"`, "boundary", "a b"},
		{`multipart/report;boundary=a;report-type="x"`, "Report-Type", "x"},
		{`multipart/report; boundary = "a\"b;c" ; report-type = x `, "boundary", `a"b;c`},
		{`multipart/report; boundary = "a\"b;c" ; report-type = x `, "report-type", "x"},
		{`multipart/report; broken; report-type=x`, "report-type", "x"},
		{`multipart/report; a=1; a=2`, "a", "1"},
		{`multipart/report; boundary="never closed`, "boundary", "never closed"},
		{`multipart/report; boundary=a (comment)`, "boundary", "a"},
		{`multipart/report`, "boundary", ""},
		{``, "boundary", ""},
		{`;;;===`, "boundary", ""},
	}
	for _, tt := range tests {
		if got := parameter(tt.contentType, tt.name); got != tt.want {
			t.Errorf("parameter(%q, %q) = %q, want %q", tt.contentType, tt.name, got, tt.want)
		}
	}
}

func TestCanonicalAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b string }{
		{"Ann.Example@gmail.com", "annexample@googlemail.com"},
		{"a.n.n+list@gmail.com", "ann@gmail.com"},
		{"Ann+Offer@Example.com", "ann@example.com"},
		{" ann@example.com ", "ANN@EXAMPLE.COM"},
	} {
		if a, b := CanonicalAddress(tt.a), CanonicalAddress(tt.b); a != b {
			t.Errorf("%q is %q and %q is %q, want the same", tt.a, a, tt.b, b)
		}
	}
	for _, tt := range []struct{ a, b string }{
		{"ann.example@example.com", "annexample@example.com"}, // dots count outside of gmail.com
		{"ann@example.com", "ann@example.org"},
		{"ann@example.com", "ben@example.com"},
		{"+ann@example.com", "+ben@example.com"},
		{"ann", "ben"},
		{"", "ann@example.com"},
	} {
		if a, b := CanonicalAddress(tt.a), CanonicalAddress(tt.b); a == b {
			t.Errorf("%q and %q are both %q", tt.a, tt.b, a)
		}
	}
}
