package threading

import (
	"strings"
	"unicode/utf8"
)

// replyPrefixes are what mail clients put before the subject of an answer or a
// forward, without the colon, in lower case. Sources: mailer handler/prefixes.go,
// mailutils SubjectNormalizer.php and neomutt's reply_regex (read 2026-11-20);
// the ambiguous ones count only before a colon and only if text remains.
var replyPrefixes = map[string]bool{
	"re": true, "aw": true, "antw": true, "sv": true, "vs": true, "ang": true,
	"res": true, "rif": true, "r": true, "réf": true, "odp": true, "ynt": true,
	"cvp": true, "vá": true, "vast": true, "atb": true, "ats": true, "bls": true,
	"回复": true, "答复": true, "回覆": true, "答覆": true, "回信": true, "返信": true,
	"회신": true, "ответ": true, "отв": true, "απ": true, "σχετ": true, "השב": true,
	"תגובה": true, "رد": true,
	"fw": true, "fwd": true, "wg": true, "tr": true, "rv": true, "enc": true,
	"i": true, "doorst": true, "vb": true, "vl": true, "pd": true, "ilt": true,
	"i̇lt": true, "továbbítás": true, "trs": true, "转发": true, "轉寄": true,
	"転送": true, "전달": true, "пересл": true, "πρθ": true, "הועבר": true,
}

// longestPrefix is the longest prefix with its counter, in bytes.
const longestPrefix = 32

// BaseSubject returns a decoded subject in lower case without leading tags
// ("[list]", "[EXTERNAL]") and the reply or forward prefixes of many languages,
// and whether a prefix was there. White space is squeezed. Two messages of one
// conversation have the same base subject unless somebody changed it; that two
// messages have the same proves little.
func BaseSubject(subject string) (base string, prefixed bool) {
	base = squeeze(subject)
	for {
		if rest, ok := cutTag(base); ok {
			base = rest
			continue
		}
		rest, ok := cutPrefix(base)
		if !ok {
			return base, prefixed
		}
		base, prefixed = rest, true
	}
}

// squeeze returns s in lower case with single spaces in place of white space, and
// none around it.
func squeeze(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return strings.ToLower(strings.Join(strings.Fields(s), " "))
		case c == ' ' || '\t' <= c && c <= '\r':
			space = b.Len() > 0
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteByte(c)
	}
	return b.String()
}

// cutTag removes one leading "[tag]" if text remains.
func cutTag(s string) (string, bool) {
	if !strings.HasPrefix(s, "[") {
		return s, false
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return s, false
	}
	rest := strings.TrimLeft(s[end+1:], " ")
	return rest, rest != ""
}

// cutPrefix removes one leading "re:", "re[2]:", "re :" or the like if text
// remains.
func cutPrefix(s string) (string, bool) {
	head := s[:min(len(s), longestPrefix)]
	end := strings.Index(head, ":")
	size := 1
	if wide := strings.Index(head, "："); wide >= 0 && (end < 0 || wide < end) {
		end, size = wide, len("：")
	}
	if end < 0 {
		return s, false
	}
	word := strings.TrimRight(s[:end], " ")
	if i := strings.IndexAny(word, "[(^"); i > 0 { // a counter: re[2], re(2), re^2
		if strings.Trim(word[i:], "[]()^0123456789") != "" {
			return s, false
		}
		word = strings.TrimRight(word[:i], " ")
	}
	rest := strings.TrimLeft(s[end+size:], " ")
	if !replyPrefixes[word] || rest == "" {
		return s, false
	}
	return rest, true
}
