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

// refusedAfterData reports whether the words say that the content was refused,
// and not the recipient before it.
func refusedAfterData(words string) bool {
	text := strings.ToLower(words)
	if containsAny(text, []string{"in reply to rcpt", "after rcpt", "after pipelined rcpt", "our rcpt to", "does not like recipient", "need rcpt", "no valid recipients"}) {
		return false
	}
	if containsAny(text, []string{"in reply to end of data", "in reply to data", "after end of data", "after data", "our final data"}) {
		return true
	}
	data := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		command, sent := strings.CutPrefix(line, ">>> ")
		switch reply, got := strings.CutPrefix(line, "<<< "); {
		case sent:
			data = command == "data" || command == "."
		case line == "data":
			data = true
		case got && findReplyAt(reply) == 0:
			return data
		}
	}
	return data
}
