package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
)

func TestDecodeText(t *testing.T) {
	t.Parallel()
	charset := mailbox.WarnCharset
	tests := []struct {
		name        string
		contentType string
		in          string
		want        string
		warning     mailbox.WarningCode
	}{
		{"nothing", "", "", "", ""},
		{"ASCII", "", "plain", "plain", ""},
		{"8-bit without a charset, UTF-8", "text/plain", "Grüße", "Grüße", charset},
		{"8-bit without a charset", "text/plain", "Gr\xfc\xdfe", "Grüße", charset},
		{"ASCII that is not", "text/plain; charset=us-ascii", "Gr\xfc\xdfe", "Grüße", charset},
		{"UTF-8", `text/plain; charset="UTF-8"`, "Grüße", "Grüße", ""},
		{"byte order mark", "text/plain; charset=windows-1252", "\xef\xbb\xbfGrüße", "Grüße", ""},
		{"UTF-8 with one wrong byte", "text/plain; charset=utf-8", "ü \xfc €", "ü ü €", charset},
		{"ISO-8859-1 is Windows-1252", "text/plain; charset=iso-8859-1", "\x93x\x94 \x80", "“x” €", ""},
		{"ISO-8859-15", "text/plain; charset=ISO-8859-15", "\xa4", "€", ""},
		{"KOI8-R", "text/plain; charset=koi8-r", "\xf0\xd2\xc9", "При", ""},
		{"Windows-1251 misspelt", "text/plain; charset=cp1251", "\xcf\xf0\xe8", "При", ""},
		{"Windows-1251 misspelt again", "text/plain; charset=windows1251", "\xcf\xf0\xe8", "При", ""},
		{"ISO-8859-2 misspelt", "text/plain; charset=iso8859_2", "\xb1", "ą", ""},
		{"IBM850", "text/plain; charset=cp-850", "\x81", "ü", ""},
		{"GB2312 is GBK", "text/plain; charset=gb2312", "\xc4\xe3\xba\xc3 \x90\xe9", "你好 愰", ""},
		{"HZ", "text/plain; charset=hz-gb-2312", "~{<:Ky2;~}", "己所不", ""},
		{"Big5", "text/plain; charset=big5", "\xa7A\xa6n", "你好", ""},
		{"Shift JIS", "text/plain; charset=shift_jis", "\x83e\x83X\x83g", "テスト", ""},
		{"cp932", "text/plain; charset=cp932", "\x83e\x83X\x83g", "テスト", ""},
		{"EUC-KR", "text/plain; charset=ks_c_5601-1987", "\xbe\xc8", "안", ""},
		{"ISO-2022-JP", "text/plain; charset=iso-2022-jp", "\x1b$B%F%9%H\x1b(B!", "テスト!", ""},
		{"ISO-2022-JP without a label", "text/plain", "\x1b$B%F%9%H\x1b(B!", "テスト!", charset},
		{"UTF-16 with its mark", "text/plain", "\xff\xfeG\x00r\x00\xfc\x00", "Grü", ""},
		{"UTF-16 by label", "text/plain; charset=utf-16be", "\x00G\x00\xfc", "Gü", ""},
		{"UTF-7", "text/plain; charset=unicode-1-1-utf-7", "Hi Mom -+Jjo--! 1 +- 1 +2D3cBA", "Hi Mom -☺-! 1 + 1 \U0001f404", ""},
		{"UTF-7 damaged", "text/plain; charset=utf-7", "+A! \xfc", "! ü", charset},
		{"unknown, UTF-8", "text/plain; charset=x-martian", "Grüße", "Grüße", charset},
		{"unknown, 8-bit", "text/plain; charset=x-martian", "Gr\xfc\xdfe", "Grüße", charset},
		{"unknown, ASCII", "text/plain; charset=x-martian", "plain", "plain", ""},
		{"wrong: is UTF-8", "text/plain; charset=euc-kr", "日本語テスト€", "日本語テスト€", charset},
		{"no sense in it", "text/plain; charset=utf-16le; x=\"", "\x00\xd8a", "\ufffd\ufffd", charset},
		{"charset in HTML", "text/html", `<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">` + "\xf0", `<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">П`, ""},
		{"charset in HTML is second", "text/html; charset=utf-8", `<meta charset="koi8-r">ü`, `<meta charset="koi8-r">ü`, ""},
		{"HTML without charset", "text/html", "<p>\xfc", "<p>ü", charset},
		{"line ends", "text/plain", "a\r\nb\rc\nd\r\r\ne\r\r\rf", "a\nb\nc\nd\ne\n\n\nf", ""},
		{"NULs", "text/plain", "a\x00b\x00", "ab", mailbox.WarnEncoding},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ws := DecodeText(tt.contentType, []byte(tt.in))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var want, codes []mailbox.WarningCode
			if tt.warning != "" {
				want = append(want, tt.warning)
			}
			for _, w := range ws {
				codes = append(codes, w.Code)
			}
			if diff := cmp.Diff(want, codes, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
