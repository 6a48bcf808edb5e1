package threading

import "strings"

// telling reports whether a diagnosis states a code or a known cause.
func telling(diagnostic string) bool {
	return findReplyLine(diagnostic) || findStatus(diagnostic) != "" || category("", 0, causeText(diagnostic)) != CategoryOther
}

// diagnosis picks from the words about a recipient those of the server: from
// the first line with a code to the end of its paragraph, or else up to the end
// of the first paragraph that tells a cause.
func diagnosis(words, address string) string {
	lines := strings.Split(strings.TrimSpace(words), "\n")
	start := -1
	for i, line := range lines {
		if findReplyAt(line) >= 0 || findStatus(line) != "" {
			start = i
			break
		}
	}
	paragraph := start >= 0
	start = max(start, 0)
	entry := paragraph && address != "" && strings.Contains(lines[start], address)
	var b strings.Builder
	for i, line := range lines[start:] {
		if i > 0 && entry && findReplyAt(line) == 0 { // the next entry of a transcript
			break
		}
		if line = strings.TrimSpace(line); line == "" {
			if paragraph || b.Len() > 0 && category("", 0, causeText(b.String())) != CategoryOther {
				break
			}
			continue
		}
		if b.Len() == 0 { // the name of the recipient is no diagnosis
			line = strings.TrimLeft(line, "<\"' *")
			if rest, found := strings.CutPrefix(line, address); found {
				line = strings.TrimLeft(rest, ">\"':,;. \t")
			}
		}
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(line)
		if b.Len() > maxDiagnosis {
			break
		}
	}
	d := b.String()
	return strings.ToValidUTF8(d[:min(len(d), maxDiagnosis)], "")
}

// findReplyLine reports whether a line of text holds the reply code of a
// failure.
func findReplyLine(text string) bool {
	for line := range strings.Lines(text) {
		if findReplyAt(line) >= 0 {
			return true
		}
	}
	return false
}

// findReplyAt returns where the SMTP reply code of a failure stands in a line of
// free text, or -1. A number counts where a reply can begin: first on the line,
// behind a mark or a word that announces it, or before an enhanced status.
func findReplyAt(line string) int {
	for at := 0; at+2 < len(line); {
		i := replyIndex(line[at:])
		if i < 0 {
			return -1
		}
		i += at
		before := strings.ToLower(strings.TrimRight(line[:i], " \t\"'"))
		after := strings.TrimLeft(line[i+3:], " -")
		if before == "" || strings.IndexByte(":<>([#,;=", before[len(before)-1]) >= 0 || hasAnySuffix(before, replyWords) ||
			len(after) > 4 && findStatus(after[:min(len(after), 12)]) != "" && after[1] == '.' {
			return i
		}
		at = i + 3
	}
	return -1
}

var replyWords = []string{"error", "code", "said", "status", "reply", "response", "returned", "smtp", "error_code", "erreur", "fehler", "ошибка"}

// stage is how far a mail had come when it was refused.
type stage uint8

const (
	stageUnknown   stage = iota
	stageGreeting        // the host or the sender was refused
	stageRecipient       // the recipient was refused
	stageContent         // the recipient was accepted and the content refused
)

// refusedAt finds the stage in the words of a report, as far as they tell.
func refusedAt(words string) stage {
	text := strings.ToLower(words)
	for _, told := range stageWords {
		if containsAny(text, told.words) {
			return told.stage
		}
	}
	at := stageUnknown
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		command, sent := strings.CutPrefix(line, ">>> ")
		switch reply, got := strings.CutPrefix(line, "<<< "); {
		case sent:
			at = stageOf(command)
		case line == "data":
			at = stageContent
		case got && findReplyAt(reply) == 0:
			return at
		}
	}
	return at
}

func stageOf(command string) stage {
	switch verb, _, _ := strings.Cut(command, " "); verb {
	case "mail", "helo", "ehlo":
		return stageGreeting
	case "rcpt":
		return stageRecipient
	case "data", ".":
		return stageContent
	}
	return stageUnknown
}

// stageWords are those of Postfix, Exim, DragonFly and qmail, the recipient
// first: a report on several hosts may tell of several stages.
var stageWords = []struct {
	stage stage
	words []string
}{
	{stageRecipient, []string{"in reply to rcpt", "after rcpt", "after pipelined rcpt", "our rcpt to", "does not like recipient", "need rcpt", "no valid recipients"}},
	{stageContent, []string{"in reply to end of data", "in reply to data", "after end of data", "after data", "after pipelined end of data", "our final data"}},
	{stageGreeting, []string{
		"in reply to mail from", "after mail from", "after pipelined mail from", "our mail from", "in reply to helo", "in reply to ehlo", "after helo", "after ehlo",
		"after initial connection", "does not like sender", "connected to sender but sender was rejected", "but sender was rejected", "but greeting failed", "initial server greeting",
	}},
}
