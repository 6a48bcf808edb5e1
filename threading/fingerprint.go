package threading

import (
	"slices"
	"unicode"
)

const (
	// shingle is how many words in a row make one fingerprint.
	shingle = 5
	// minShingle is how many letters and digits they have at least: "on the of
	// to a" tells nothing apart.
	minShingle = 16
	// maxFingerprinted bounds how much of a text is read, in bytes.
	maxFingerprinted = 256 << 10
)

// Fingerprints returns at most n numbers that stand for phrases of a text, in
// ascending order. Texts that share a passage share fingerprints, whatever
// became of line breaks, quote marks, punctuation, case and white space on the
// way; of a long text the same phrases are picked every time (those with the
// smallest hashes). The text cannot be had back from them. Only the first 256
// KiB are looked at.
//
// Give it what the author wrote, without the history that was quoted: see
// package replytext.
func Fingerprints(text string, n int) []uint64 {
	if n <= 0 {
		return nil
	}
	var all []uint64
	var words, sizes [shingle]uint64 // of the last words, as a ring
	count := 0
	add := func(hash, size uint64) {
		words[count%shingle], sizes[count%shingle] = hash, size
		count++
		if count < shingle {
			return
		}
		sum, letters := uint64(fnvOffset), uint64(0)
		for i := range shingle {
			at := (count + i) % shingle
			sum = mix(sum, words[at])
			letters += sizes[at]
		}
		if letters >= minShingle {
			all = append(all, sum)
		}
	}
	hash, size := uint64(fnvOffset), uint64(0)
	flush := func() {
		if size > 0 {
			add(hash, size)
		}
		hash, size = fnvOffset, 0
	}
	for i, r := range text {
		if i >= maxFingerprinted {
			break
		}
		switch {
		case r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'):
			flush()
		case r < 0x80:
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			hash = (hash ^ uint64(r)) * fnvPrime
			size++
		case wordless(r):
			flush()
			hash = (hash ^ uint64(r)) * fnvPrime
			size = minShingle / shingle * 2 // one sign says more than one letter
			flush()
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			hash = (hash ^ uint64(unicode.ToLower(r))) * fnvPrime
			size++
		default:
			flush()
		}
	}
	flush()
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.Clip(all[:min(n, len(all))])
}

// FNV-1a (RFC 9923).
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// mix adds a word's hash to that of a phrase. The shifts spread its bits, so
// that the smallest sums are a fair sample.
func mix(sum, word uint64) uint64 {
	sum = (sum ^ word) * fnvPrime
	sum ^= sum >> 32
	return sum * 0x9e3779b97f4a7c15
}

// wordless reports whether a script is written without spaces between words.
func wordless(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

// SharedFingerprints returns how many fingerprints two ascending lists share.
func SharedFingerprints(a, b []uint64) int {
	n := 0
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			n++
			a, b = a[1:], b[1:]
		}
	}
	return n
}

// maxPhrases is how many fingerprints of a sent message are kept: enough to find a
// passage of a letter of ordinary length, in 256 bytes.
const maxPhrases = 32

// Phrases returns the fingerprints of a message that is sent, for
// [SentMessage.Phrases]. Give it the text without signature and quoted history.
func Phrases(text string) []uint64 { return Fingerprints(text, maxPhrases) }
