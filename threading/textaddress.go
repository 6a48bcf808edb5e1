package threading

import "strings"

// textAddress is an addr-spec in a line of free text, from start to end without
// brackets.
type textAddress struct {
	start, end int
	spec       string
}

// maxLineAddresses bounds how many addresses of one line are kept.
const maxLineAddresses = 100

// findAddresses returns the addr-specs in a line, in order. It takes what a
// reader would take for an address, no more: "@" between a local part and a
// domain with a dot, or anything of that shape between angle brackets, where
// letters of any script may stand (RFC 6531).
func findAddresses(line string) []textAddress {
	var all []textAddress
	done := 0 // nothing before it is looked at again
	for len(all) < maxLineAddresses {
		at := strings.IndexByte(line[done:], '@')
		if at < 0 {
			break
		}
		at += done
		end, whole := domainEnd(line, at+1)
		start, bracketed := localStart(line, done, at)
		if bracketed && whole < len(line) && line[whole] == '>' {
			end = whole
		} else {
			bracketed = false
			start = asciiStart(line, start, at)
		}
		done = at + 1
		if start == at || end == at+1 || !bracketed && !strings.Contains(line[at:end], ".") && line[at+1] != '[' {
			continue
		}
		done = end
		all = append(all, textAddress{start, end, line[start:end]})
	}
	return all
}

// localStart returns where the local part before at begins, letters of any
// script included, and whether an angle bracket opens before it.
func localStart(line string, from, at int) (start int, bracketed bool) {
	start = at
	if at-1 > from && line[at-1] == '"' { // a quoted local part
		if open := strings.LastIndexByte(line[from:at-1], '"'); open >= 0 && at-open-from < 80 {
			start = from + open
			return start, start > 0 && line[start-1] == '<'
		}
	}
	for start > from && (isLocalByte(line[start-1]) || line[start-1] >= 0x80) {
		start--
	}
	return start, start > 0 && line[start-1] == '<'
}

// asciiStart narrows a local part to what is an address outside of brackets,
// where letters of other scripts are the words around it.
func asciiStart(line string, start, at int) int {
	if line[start] == '"' {
		return start
	}
	for i := at - 1; i >= start; i-- {
		if line[i] >= 0x80 {
			start = i + 1
			break
		}
	}
	// Marks that stand before addresses more often than in them: quotes, bullets,
	// "key=" and paths.
	for start < at && strings.IndexByte("'`*=|/.{", line[start]) >= 0 {
		start++
	}
	for _, kind := range addressKinds {
		if len(line[start:at]) > len(kind) && strings.EqualFold(line[start:start+len(kind)], kind) {
			return start + len(kind)
		}
	}
	return start
}

// addressKinds stand before the addresses of mail systems that know others.
var addressKinds = []string{"smtp=", "rfc-822=", "rfc822="}

func isLocalByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// domainEnd returns where the ASCII domain that begins at from ends, and where
// it ends with letters of any script.
func domainEnd(line string, from int) (ascii, whole int) {
	if from < len(line) && line[from] == '[' {
		if n := strings.IndexByte(line[from:min(len(line), from+48)], ']'); n > 1 {
			return from + n + 1, from + n + 1
		}
	}
	ascii = from
	for ascii < len(line) && ascii-from < 255 && (isAlphanumeric(line[ascii]) || strings.IndexByte("-._", line[ascii]) >= 0) {
		ascii++
	}
	whole = ascii
	for whole < len(line) && whole-from < 255 && (isAlphanumeric(line[whole]) || strings.IndexByte("-._", line[whole]) >= 0 || line[whole] >= 0x80) {
		whole++
	}
	for ascii > from && !isAlphanumeric(line[ascii-1]) {
		ascii--
	}
	return ascii, whole
}
