package threading_test

import (
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/mailtether/mailtether/threading"
)

func TestFingerprintsSurviveQuoting(t *testing.T) {
	t.Parallel()
	japanese := "先日はお忙しいところお時間をいただきありがとうございました。倉庫の件についてご連絡いたします。"
	tests := []struct {
		name         string
		text, quoted string
	}{
		{"quote marks", letter, quoted(letter)},
		{"other line breaks", letter, strings.ReplaceAll(letter, " ", "\n")},
		{"case and punctuation", letter, strings.ToUpper(strings.NewReplacer("?", "", ",", " - ").Replace(letter))},
		{"CRLF and no-break spaces", letter, strings.NewReplacer("\n", "\r\n", " ", "\u00a0").Replace(letter)},
		{"other text around it", letter, "Dear Ann,\nof course we can.\n" + quoted(letter) + "\nRegards, Ben"},
		{"a script without spaces", japanese, "> " + strings.ReplaceAll(japanese, "、", "、\n> ")},
		{"accents", "Größere Flächen wären für unsere Kunden überaus nützlich gewesen.", "> GRÖSSERE FLÄCHEN WÄREN FÜR UNSERE KUNDEN ÜBERAUS NÜTZLICH GEWESEN."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			own := threading.Phrases(tt.text)
			n := threading.SharedFingerprints(own, threading.Fingerprints(tt.quoted, 4096))
			if len(own) < 3 || n < 3 {
				t.Errorf("%d of %d shared", n, len(own))
			}
		})
	}
}

func TestFingerprintsTellApart(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":           "",
		"too short":         "Thanks a lot!",
		"small words":       "it is to me as it is to us",
		"another letter":    "We have received the goods and will pay the invoice by the end of the month as agreed.",
		"the same words":    strings.Join(reversed(strings.Fields(letter)), " "),
		"only punctuation":  strings.Repeat("-=*", 1000),
		"one word repeated": "warehouse",
	} {
		if n := threading.SharedFingerprints(threading.Phrases(letter), threading.Fingerprints(text, 4096)); n != 0 {
			t.Errorf("%s: %d shared", name, n)
		}
	}
}

func reversed(words []string) []string {
	slices.Reverse(words)
	return words
}

func TestFingerprintsAreBounded(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	for i := range 200_000 {
		long.WriteString(strings.Repeat(string(rune('a'+i%26)), 3+i%7))
		long.WriteByte(' ')
	}
	if got := threading.Fingerprints(long.String(), 10); len(got) != 10 || !slices.IsSorted(got) {
		t.Errorf("got %v, want ten in ascending order", got)
	}
	if got := threading.Fingerprints(letter, 0); len(got) != 0 {
		t.Errorf("none asked for, got %v", got)
	}
	// The same phrases are picked from a text and from more of it.
	few := threading.Fingerprints(letter, 5)
	if all := threading.Fingerprints(letter, 1000); !slices.Equal(few, all[:5]) {
		t.Errorf("%v are not the smallest of %v", few, all)
	}
}

func TestSharedFingerprints(t *testing.T) {
	t.Parallel()
	count := func(a, b []uint64) bool {
		a, b = slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
		b = append(b, a[:len(a)/2]...)
		slices.Sort(b)
		b = slices.Compact(b)
		want := 0
		for _, x := range a {
			if slices.Contains(b, x) {
				want++
			}
		}
		return threading.SharedFingerprints(a, b) == want
	}
	if err := quick.Check(count, nil); err != nil {
		t.Error(err)
	}
}

func FuzzFingerprints(f *testing.F) {
	f.Add(letter, 3)
	f.Add("先日はお忙しいところ\xff\xfe a b c", 100)
	f.Fuzz(func(t *testing.T, text string, n int) {
		got := threading.Fingerprints(text, n)
		if len(got) > max(n, 0) || !slices.IsSorted(got) {
			t.Errorf("%d fingerprints of at most %d: %v", len(got), n, got)
		}
		if threading.SharedFingerprints(got, got) != len(got) {
			t.Error("a text does not share all fingerprints with itself")
		}
	})
}

func BenchmarkFingerprints(b *testing.B) {
	text := strings.Repeat(letter+"\n", 10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		threading.Phrases(text)
	}
}
