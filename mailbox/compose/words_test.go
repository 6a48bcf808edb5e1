package compose

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

func TestDecodeHeader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, hint string
		want     string
		code     mailbox.WarningCode
	}{
		{in: "plain", want: "plain"},
		{in: "a\tb", want: "a b"},
		{in: "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", want: "Grüße"},
		{in: "=?UTF-8*de?Q?Gr=C3=BC=C3=9Fe_an_alle?=", want: "Grüße an alle"},
		{in: "=?utf-8?B?R3LDvMOfZQ==?=", want: "Grüße"},
		{in: "a =?utf-8?q?b?= c", want: "a b c"},
		{in: "=?utf-8?q?a?= \t =?utf-8?q?b?=", want: "ab"},
		{in: "=?utf-8?q?a?==?utf-8?b?Yg==?=", want: "ab"},
		{in: "(=?iso-8859-1?q?=E4?=)", want: "(ä)"},
		{in: "=?iso-8859-1?q?=93x=94?=", want: "“x”"},
		{in: "=?koi8-r?b?8NLJ18XU?=", want: "Привет"},
		{in: "=?gb2312?B?xOO6ww==?=", want: "你好"},
		{in: "=?utf-8?q?one_?= =?koi8-r?b?8NLJ?=", want: "one При"},

		// A character split over two words, in both encodings.
		{in: "=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=", want: "Grüße"},
		{in: "=?utf-8?b?R3LD?= =?UTF-8?b?vMOfZQ==?=", want: "Grüße"},
		{in: "=?utf-8?b?R3L?= =?utf-8?b?DvMOfZQ==?=", want: "Grüße"},
		{in: "=?utf-8?b?R3LDvMOfZQ?=", want: "Grüße"},
		{in: "=?utf-8?b?R3LDvMOfZQ==?= =?utf-8?b?IQ==?=", want: "Grüße!"},

		// Damage.
		{in: "=?utf-8?q?a b?=", want: "a b", code: mailbox.WarnEncoding},
		{in: "=?utf-8?q?open", want: "open", code: mailbox.WarnEncoding},
		{in: "=?utf-8?q?open =?utf-8?q?closed?=", want: "openclosed", code: mailbox.WarnEncoding},
		{in: "=?utf-8?q?=ZZ?=", want: "=ZZ", code: mailbox.WarnEncoding},
		{in: "=?utf-8?b?R3L*DvMOfZQ==?=", want: "Grüße", code: mailbox.WarnEncoding},
		{in: "=?x-martian?q?Gr=C3=BC=C3=9Fe?=", want: "Grüße", code: mailbox.WarnCharset},
		{in: "=?x-martian?q?Gr=FC=DFe?=", want: "Grüße", code: mailbox.WarnCharset},
		{in: "=?utf-8?q?a=00b?=", want: "ab", code: mailbox.WarnEncoding},
		{in: "=?utf-8?q?a=0D=0Ab?=", want: "a  b", code: mailbox.WarnEncoding},
		{in: "a\x01b", want: "a b", code: mailbox.WarnEncoding},

		// Not encoded words at all.
		{in: "what =? that", want: "what =? that"},
		{in: "=?utf-8?x?abc?=", want: "=?utf-8?x?abc?="},
		{in: "=??q?abc?=", want: "=??q?abc?="},
		{in: "=?a b c?q?abc?=", want: "=?a b c?q?abc?="},

		// Raw 8-bit text.
		{in: "Grüße", want: "Grüße"},
		{in: "Gr\xfc\xdfe", want: "Grüße", code: mailbox.WarnCharset},
		{in: "\xf0\xd2\xc9", hint: "koi8-r", want: "При", code: mailbox.WarnCharset},
		{in: "\x1b$B%F%9%H\x1b(B", want: "テスト", code: mailbox.WarnCharset},
	}
	for _, tt := range tests {
		got, code := decodeHeader(tt.in, tt.hint)
		if got != tt.want || code != tt.code {
			t.Errorf("%q: got %q, %q; want %q, %q", tt.in, got, code, tt.want, tt.code)
		}
	}
}

// TestEncodeWords encodes texts of every length around the limits of a word.
func TestEncodeWords(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"a", "ä", "北", "🙂", "a ", " ", "=?_", "aä北🙂"} {
		for n := 1; n < 60; n++ {
			s := strings.Repeat(unit, n)
			for _, encode := range []func(string) string{encodeQ, encodeB} {
				encoded := encode(s)
				for word := range strings.SplitSeq(encoded, " ") {
					if len(word) > maxToken {
						t.Fatalf("%q: a word of %d characters", s, len(word))
					}
					if text, code := decodeHeader(word, ""); code != "" || !utf8.ValidString(text) || strings.Contains(text, replacement) {
						t.Fatalf("%q: the word %q cannot be read alone", s, word)
					}
				}
				if got, code := decodeHeader(encoded, ""); got != s || code != "" {
					t.Fatalf("%q: came back as %q, %q", s, got, code)
				}
			}
		}
	}
}
