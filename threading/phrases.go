package threading

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// saying is what a phrase says.
type saying uint8

const (
	sayAbsent      saying = iota // the author is away, or the office is closed
	sayAutomatic                 // a machine sent this
	sayThanks                    // thank you for your message
	sayLimited                   // mail is not, or seldom, read
	sayContact                   // who helps in the meantime
	sayLater                     // an answer will come after the return
	sayDeparted                  // the addressee works here no more
	sayReceived                  // the request arrived, a ticket was opened
	saySoon                      // somebody will answer soon
	sayNoReply                   // do not answer this
	sayConfirm                   // the sender must confirm before delivery
	sayReacted                   // a reaction to a message
	sayUnsubscribe               // a mail client's request to leave a list
	sayInvited                   // the text of a calendar program
	saySorry                     // excuses that only people make
	numSayings
)

// phrase is a fixed sequence of words. With a tail, any words may stand between
// the two within a sentence.
type phrase struct {
	head, tail string
	says       saying
	lang       string
}

// phrases is a set of phrases by the first bytes of their heads.
type phrases map[[4]byte][]phrase

// maxGap bounds the words between head and tail of a phrase, in bytes.
const maxGap = 90

// textPhrases is the set of everything that bodies are searched for.
var textPhrases = sync.OnceValue(func() phrases {
	set := make(phrases)
	for says, byLang := range map[saying]map[string]string{
		sayAbsent: absentWords, sayAutomatic: automaticWords, sayThanks: thanksWords, sayLimited: limitedWords,
		sayContact: contactPhrases, sayLater: laterWords, sayDeparted: departedWords, sayReceived: receivedWords,
		saySoon: soonWords, sayNoReply: noReplyWords, sayConfirm: confirmWords, sayReacted: reactedWords,
		sayUnsubscribe: unsubscribeWords, sayInvited: invitedWords, saySorry: sorryWords,
	} {
		for _, lang := range slices.Sorted(maps.Keys(byLang)) {
			set.add(says, lang, byLang[lang])
		}
	}
	return set
})

// add adds phrases that are separated by "|", head and tail by "*".
func (p phrases) add(says saying, lang, list string) {
	for item := range strings.SplitSeq(list, "|") {
		head, tail, _ := strings.Cut(fold(item), "*")
		ph := phrase{head: strings.TrimSpace(head), tail: strings.TrimSpace(tail), says: says, lang: lang}
		key := [4]byte([]byte(ph.head[:4]))
		p[key] = append(p[key], ph)
	}
}

// said is where in a text something was said first, and in which language; at
// is -1 when it was not.
type said struct {
	at   int
	lang string
}

type sayings [numSayings]said

func (s *sayings) has(what saying) bool { return s[what].at >= 0 }

// within reports whether something was said in the first n bytes.
func (s *sayings) within(what saying, n int) bool { return s[what].at >= 0 && s[what].at < n }

// count returns how many of the sayings occur.
func (s *sayings) count(of ...saying) (n int) {
	for _, what := range of {
		if s.has(what) {
			n++
		}
	}
	return n
}

// search looks for phrases in a folded text. Phrases begin where words begin;
// in scripts without spaces that may be anywhere.
func (p phrases) search(text string) sayings {
	var found sayings
	for i := range found {
		found[i].at = -1
	}
	previous := ' '
	for i, r := range text {
		if r >= 0x2e80 || unicode.IsLetter(r) && !unicode.IsLetter(previous) {
			p.matchAt(text, i, &found)
		}
		previous = r
	}
	return found
}

func (p phrases) matchAt(text string, at int, found *sayings) {
	if len(text)-at < 4 {
		return
	}
	for _, ph := range p[[4]byte([]byte(text[at:at+4]))] {
		if found[ph.says].at < 0 && ph.matches(text[at:]) {
			found[ph.says] = said{at: at, lang: ph.lang}
		}
	}
}

// matches reports whether the text begins with the phrase.
func (ph phrase) matches(text string) bool {
	rest, ok := strings.CutPrefix(text, ph.head)
	if !ok || !wordEnds(ph.head, rest) {
		return false
	}
	if ph.tail == "" {
		return true
	}
	rest = rest[:min(len(rest), maxGap+len(ph.tail))]
	if end := strings.IndexAny(rest, "!?\n"); end >= 0 {
		rest = rest[:end]
	}
	return strings.Contains(rest, ph.tail)
}

// wordEnds reports whether a word ends between head and rest, as far as the
// script has words.
func wordEnds(head, rest string) bool {
	last, _ := utf8.DecodeLastRuneInString(head)
	next, _ := utf8.DecodeRuneInString(rest)
	return last >= 0x0590 || !unicode.IsLetter(last) || !unicode.IsLetter(next)
}
