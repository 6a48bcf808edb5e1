package threading

import "strings"

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

// baseSubject returns a decoded subject in lower case without leading tags
// ("[list]", "[EXTERNAL]") and reply or forward prefixes, and whether a prefix
// was there. White space is squeezed.
func baseSubject(subject string) (base string, prefixed bool) {
	base = strings.ToLower(strings.Join(strings.Fields(subject), " "))
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

// outcome is what the subject of a delivery report says became of the message.
type outcome uint8

const (
	outcomeUnknown outcome = iota
	outcomeFailed
	outcomeDelayed
	outcomeDelivered
)

// The openings below are matched at the start of a subject without prefix. They
// are families, not proofs: each rule that uses one asks for a second sign.

// failedOpenings begin the subjects of failure reports: the English ones of
// common mail servers, and Exchange's "Undeliverable:" as it is translated.
var failedOpenings = []string{
	"delivery status notification (failure)", "delivery status notification: error",
	"delivery status notification: failed", "delivery notification: delivery has failed",
	"delivery failure", "delivery failed", "delivery has failed", "email delivery error",
	"failed delivery", "failed mail", "failure delivery", "failure notice",
	"mail could not be delivered", "mail delivery fail", "mail failed", "mail system error",
	"message delivery has failed", "message not delivered", "message undeliverable",
	"non-deliverable", "postmaster notify", "returned mail", "undeliverable", "undelivered",
	"sorry, your message could not be delivered", "there was an error sending your mail",
	"onbestelbaar", "não entregue", "não_entregue", "non remis", "non recapitabile",
	"unzustellbar", "no se puede entregar", "niedostarczone", "ikke leveret",
	"kunde inte levereras", "toimittamaton", "не удается доставить", "недоставленное сообщение",
	"teslim edilemedi", "无法传递", "未送达", "無法傳遞", "配信不能", "배달되지 않음",
}

var delayedOpenings = []string{
	"delivery status notification (delay)", "delivery status notification (mail delivery delayed)",
	"delivery status notification: delayed", "delivery notification: delivery has been delayed",
	"delivery delayed", "delivery incomplete", "delayed mail", "mail delayed",
	"warning: could not send message", "warning: message", "warning. mail delayed",
}

var deliveredOpenings = []string{
	"successful mail delivery report", "delivery status notification (success)",
	"delivery status notification (relay)", "delivered:", "relayed:", "expanded:",
}

// reportOutcome reads the outcome from the subject of a report. A prefix means
// that a person answers or forwards one.
func (s *signs) reportOutcome() outcome {
	switch {
	case s.prefixed:
		return outcomeUnknown
	case opens(s.subject, failedOpenings):
		return outcomeFailed
	case opens(s.subject, delayedOpenings):
		return outcomeDelayed
	case opens(s.subject, deliveredOpenings):
		return outcomeDelivered
	// Gateways put words of their own before a well-known subject.
	case strings.Contains(s.subject, "returned to sender"), strings.Contains(s.subject, "returning message to sender"):
		return outcomeFailed
	}
	return outcomeUnknown
}

func opens(s string, openings []string) bool {
	for _, o := range openings {
		if strings.HasPrefix(s, o) {
			return true
		}
	}
	return false
}

// absenceWords open the subject of an absence note, followed by a colon or by
// nothing: what Exchange, Gmail and sieve scripts write (StackOverflow 1027395
// and sample mail, read 2026-11-20).
var absenceWords = []string{
	"automatic reply", "out of office", "out of office autoreply", "out of the office",
	"autosvar", "automatisk svar", "automatiskt svar", "automatisch antwoord",
	"abwesenheitsnotiz", "automatische antwort", "non al computer", "fuori sede",
	"risposta automatica", "respuesta automática", "réponse automatique", "resposta automática",
	"frånvaro", "automatyczna odpowiedź", "automatická odpověď", "automatikus válasz",
	"automaattinen vastaus", "otomatik yanıt", "автоматический ответ", "αυτόματη απάντηση",
	"自动答复", "自动回复", "自動回覆", "自動応答", "자동 회신", "תשובה אוטומטית", "رد تلقائي",
}

// responseWords open the subject of other automatic answers.
var responseWords = []string{"auto reply", "autoreply", "auto-reply", "auto response", "auto-response"}

// absenceEndings end the subject of an absence note.
var absenceEndings = []string{" is out of the office", " is out of office"}

// announces reports whether s is one of the words, or opens with one and a
// colon. French puts a space before the colon.
func announces(s string, words []string) bool {
	for _, w := range words {
		rest, ok := strings.CutPrefix(s, w)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " .")
		if rest == "" || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "：") {
			return true
		}
	}
	return false
}

// absenceSubject reports whether the subject is that of an absence note.
func (s *signs) absenceSubject() bool {
	if s.prefixed {
		return false
	}
	if announces(s.subject, absenceWords) {
		return true
	}
	trimmed := strings.TrimRight(s.subject, " .!")
	for _, ending := range absenceEndings {
		if strings.HasSuffix(trimmed, ending) {
			return true
		}
	}
	return false
}

// responseSubject reports whether the subject is that of another automatic
// answer.
func (s *signs) responseSubject() bool {
	return !s.prefixed && announces(s.subject, responseWords)
}
