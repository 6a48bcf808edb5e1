package threading

import (
	"strings"

	"github.com/mailtether/mailtether/threading/replytext"
)

// words is what the author of a message wrote, as far as the body is known.
type words struct {
	sayings
	// own is the folded text without quotes; quoted tells that there were some.
	own    string
	quoted bool
	known  bool
}

// maxHTML bounds how much of an HTML body is taken apart, in bytes.
const maxHTML = 2 * maxFolded

// readWords looks for phrases in the body. Quotes are cut off only where one
// was found, for most mail says none of them.
func (s *signs) readWords() *words {
	if s.words != nil {
		return s.words
	}
	w := &words{}
	for i := range w.sayings {
		w.sayings[i].at = -1
	}
	s.words = w
	b := s.m.Body
	if b == nil || b.Text == "" && b.HTML == "" {
		return w
	}
	w.known = true
	var reply replytext.Reply
	if strings.TrimSpace(b.Text) != "" {
		text := b.Text[:min(len(b.Text), maxFolded)]
		folded := fold(text)
		w.sayings = textPhrases().search(folded)
		if w.silent() && !s.prefixed {
			w.own = folded
			return w
		}
		reply = replytext.Parse(text)
	} else {
		reply = replytext.ParseHTML(b.HTML[:min(len(b.HTML), maxHTML)])
	}
	w.own, w.quoted = fold(reply.Text), len(reply.Quoted) > 0
	w.sayings = textPhrases().search(w.own)
	return w
}

func (s *sayings) silent() bool {
	for _, what := range s {
		if what.at >= 0 {
			return false
		}
	}
	return true
}

// lang is the language of the words that were found, or "".
func (w *words) lang() string {
	for _, what := range []saying{sayAbsent, sayThanks, sayLater, sayContact, sayAutomatic} {
		if w.has(what) {
			return w.sayings[what].lang
		}
	}
	return ""
}
