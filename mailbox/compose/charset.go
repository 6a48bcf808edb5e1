package compose

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	htmlcharset "golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/mailtether/mailtether/mailbox"
)

// DecodeText decodes the content of a text part, whose transfer encoding is
// already undone, to UTF-8. The charset is that of contentType, a Content-Type
// value; HTML that has none there may declare it itself. Text in an unknown or
// wrong charset is read as UTF-8 if it is valid UTF-8 and as Windows-1252
// otherwise, with a warning. Line ends become "\n", NUL bytes are removed. The
// Part of the warnings is empty.
func DecodeText(contentType string, data []byte) (string, []mailbox.Warning) {
	var ws warnings
	mediaType, params := parseParams(contentType)
	label := params.token("charset")
	text, code := decodeBody(label, data, mediaType == "text/html")
	if code != "" {
		ws.add(code, "", "the text is not in the charset it claims")
	}
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
		ws.add(mailbox.WarnEncoding, "", "NUL bytes were removed")
	}
	return normalizeLines(text), ws
}

func decodeBody(label string, data []byte, html bool) (string, mailbox.WarningCode) {
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		data, label = data[3:], "utf-8"
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		label = "utf-16"
	}
	if label == "" && html {
		// Windows-1252 is also what it answers when it does not know.
		if _, name, _ := htmlcharset.DetermineEncoding(data, ""); name != "windows-1252" {
			label = name
		}
	}
	text, ok := decodeCharset(label, data)
	if !ok {
		return text, mailbox.WarnCharset
	}
	return text, ""
}

// normalizeLines turns CR LF, CR CR LF and CR into LF.
func normalizeLines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '\r')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		b.WriteByte('\n')
		s = s[i:]
		run := 1
		for run < maxCRs && run < len(s) && s[run] == '\r' {
			run++
		}
		if run < len(s) && s[run] == '\n' {
			s = s[run+1:]
		} else {
			s = s[1:]
		}
	}
}

// decodeCharset decodes data, which claims to be in the charset that label
// names; an empty label claims US-ASCII. It returns false when the claim did
// not hold and the text had to be guessed.
func decodeCharset(label string, data []byte) (string, bool) {
	switch label = cleanLabel(label); label {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "646":
		if isASCII(data) && !bytes.Contains(data, []byte(escJapanese)) {
			return string(data), true
		}
		return guess(data), false
	case "utf-8", "utf8", "unicode-1-1-utf-8":
		if utf8.Valid(data) {
			return string(data), true
		}
		return repairUTF8(data), false
	case "utf-7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7":
		return decodeUTF7(data)
	}
	enc := lookupCharset(label)
	if enc == nil {
		return guess(data), isASCII(data)
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil || bytes.Contains(text, []byte(replacement)) && !bytes.Contains(data, []byte(replacement)) {
		if err != nil || utf8.Valid(data) {
			return guess(data), false
		}
		return string(text), false
	}
	return string(text), true
}

const (
	replacement = string(utf8.RuneError)
	// escJapanese begins Japanese text in ISO-2022-JP, which is 7-bit and may
	// come without a label.
	escJapanese = "\x1b$"
)

// cleanLabel normalises a charset label. RFC 2231 (5) lets a language follow
// behind "*".
func cleanLabel(label string) string {
	label, _, _ = strings.Cut(label, "*")
	return strings.ToLower(strings.Trim(label, " \t\"'"))
}

// lookupCharset finds a charset by a cleaned label; nil if it is not known. The
// names of the WHATWG come first, since they read ISO-8859-1 as Windows-1252,
// GB2312 as GBK and so on, which is what senders mean.
func lookupCharset(label string) encoding.Encoding {
	switch label {
	case "utf-16", "utf16", "ucs-2", "iso-10646-ucs-2":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "hz-gb-2312", "hz":
		return simplifiedchinese.HZGB2312
	case "cp932":
		label = "windows-31j"
	case "cp936", "ms936":
		label = "gbk"
	case "cp950":
		label = "big5"
	case "x-user-defined":
		return nil
	}
	if len(label) > 40 {
		return nil
	}
	spellings := [...]string{
		label,
		strings.ReplaceAll(label, "_", "-"),
		strings.Replace(label, "cp-", "cp", 1),
		strings.Replace(label, "cp", "windows-", 1),
		strings.Replace(label, "windows", "windows-", 1),
		strings.Replace(label, "iso8859", "iso-8859", 1),
	}
	for _, name := range spellings {
		if enc, err := htmlindex.Get(name); err == nil {
			if canonical, err := htmlindex.Name(enc); err == nil && canonical != "replacement" {
				return enc
			}
		}
		if enc, err := ianaindex.IANA.Encoding(name); err == nil && enc != nil {
			return enc
		}
	}
	return nil
}

// guess reads data of unknown charset.
func guess(data []byte) string {
	if bytes.Contains(data, []byte(escJapanese)) {
		text, err := japanese.ISO2022JP.NewDecoder().Bytes(data)
		if err == nil && !bytes.Contains(text, []byte(replacement)) {
			return string(text)
		}
	}
	if utf8.Valid(data) {
		return string(data)
	}
	var b strings.Builder
	b.Grow(len(data) + len(data)/8)
	for _, c := range data {
		b.WriteRune(charmap.Windows1252.DecodeByte(c))
	}
	return b.String()
}

// repairUTF8 keeps what is valid UTF-8 and reads every other byte as
// Windows-1252.
func repairUTF8(data []byte) string {
	var b strings.Builder
	b.Grow(len(data) + len(data)/8)
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(data[0])
		}
		b.WriteRune(r)
		data = data[n:]
	}
	return b.String()
}

// decodeUTF7 decodes UTF-7 (RFC 2152), which old Exchange systems write into
// their bounces.
func decodeUTF7(data []byte) (string, bool) {
	var b strings.Builder
	ok := true
	for len(data) > 0 {
		c := data[0]
		data = data[1:]
		switch {
		case c >= utf8.RuneSelf:
			b.WriteRune(charmap.Windows1252.DecodeByte(c))
			ok = false
		case c != '+':
			b.WriteByte(c)
		default:
			n := 0
			for n < len(data) && base64Values[data[n]] < 64 {
				n++
			}
			run := data[:n]
			data = data[n:]
			if len(data) > 0 && data[0] == '-' {
				data = data[1:]
				if n == 0 {
					b.WriteByte('+')
					continue
				}
			}
			ok = writeUTF16(&b, run) && ok
		}
	}
	return b.String(), ok
}

// writeUTF16 writes base64 encoded UTF-16 without padding.
func writeUTF16(b *strings.Builder, encoded []byte) bool {
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(encoded)))
	n, err := base64.RawStdEncoding.Decode(raw, encoded)
	units := make([]uint16, 0, n/2)
	for i := 0; i+1 < n; i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	b.WriteString(string(utf16.Decode(units)))
	return err == nil && n > 0
}

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
