package replytext

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestOpeners tries what mail clients write above a quotation, in their
// languages: with a marked quotation below, and, where it tells enough, with an
// unmarked one.
func TestOpeners(t *testing.T) {
	t.Parallel()
	noon := at("2026-03-03 16:05")
	full := Opener{Name: "Ann Example", Address: "ann@example.com", Sent: noon}
	anonymous := Opener{Name: "Ann Example", Sent: noon}
	zoned := Opener{Name: "Ann Example", Address: "ann@example.com", Sent: at("2026-03-03 15:05"), Zoned: true}
	for _, c := range []struct {
		opener string
		want   Opener
		marked bool // known only by the marks below
	}{
		{"On Tue, Mar 3, 2026 at 4:05 PM Ann Example <ann@example.com> wrote:", full, false},
		{"On Tue, Mar 3, 2026 at 4:05\u202fPM Ann Example <ann@example.com> wrote:", full, false},
		{"On Tue, Mar 3, 2026 at 4:05 PM Ann Example <\nann@example.com> wrote:", full, false},
		{"On Tue, Mar 3, 2026 at 4:05 PM Ann Example\n<ann@example.com>\nwrote:", full, false},
		{"On Tue, Mar 3, 2026 at 4:05 PM, Ann Example <ann@example.com\n> wrote:", full, false},
		{"On Mar 3, 2026, at 4:05 PM, Ann Example <ann@example.com> wrote:", full, false},
		{"On 3 Mar 2026, at 16:05, Ann Example <ann@example.com> wrote:", full, false},
		{"On Tuesday, March 3, 2026, 04:05:00 PM GMT+1, Ann Example <ann@example.com> wrote:", zoned, false},
		{"On Tue, 03 Mar 2026 16:05:00 +0100, Ann Example <ann@example.com> wrote:", zoned, false},
		{"On 2026-03-03 16:05, Ann Example wrote:", anonymous, false},
		{"On 03.03.2026 16:05, Ann Example wrote:", anonymous, false},
		{"On 13/03/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-03-13 16:05")}, false},
		{"On 04/03/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example"}, false},
		{"On Wed, 04/03/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-03-04 16:05")}, false},
		{"On Fri, 04/03/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-04-03 16:05")}, false},
		{"On Thu, 01/10/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-10-01 16:05")}, false},
		{"On Wed, 01/07/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example"}, false},
		{"On Mon, 04/03/2026 16:05, Ann Example wrote:", Opener{Name: "Ann Example"}, false},
		{"On Tue, 3/3/26, Ann Example <ann@example.com> wrote:", Opener{Name: "Ann Example", Address: "ann@example.com", Sent: at("2026-03-03 00:00"), DayOnly: true}, false},
		{"On Tue, Mar 03, 2026 at 04:05:00PM +0100, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-03-03 15:05"), Zoned: true}, false},
		{"On Tue, 3 Mar 2026, Ann Example wrote:", Opener{Name: "Ann Example", Sent: at("2026-03-03 00:00"), DayOnly: true}, true},
		{"---- On Tue, 03 Mar 2026 16:05:00 +0100 Ann Example <ann@example.com> wrote ----", zoned, false},
		{"Am 03.03.2026 um 16:05 schrieb Ann Example:", anonymous, false},
		{"Am 03.03.26 um 16:05 schrieb Ann Example:", anonymous, false},
		{"Am Di., 3. März 2026 um 16:05 Uhr schrieb Ann Example <ann@example.com>:", full, false},
		{"Ann Example <ann@example.com> schrieb am Di., 3. März 2026, 16:05:", full, true},
		{"Ann Example <ann@example.com> schrieb am\nDi., 3. März 2026 um 16:05:", full, true},
		{"Le mar. 3 mars 2026 à 16:05, Ann Example <ann@example.com> a écrit :", full, false},
		{"Le 03/03/2026 à 16:05, Ann Example a écrit\u00a0:", anonymous, false},
		{"Le 04/03/2026 à 16:05, Ann Example a écrit :", Opener{Name: "Ann Example", Sent: at("2026-03-04 16:05")}, false},
		{"El mar, 3 mar 2026 a las 16:05, Ann Example (<ann@example.com>) escribió:", full, false},
		{"El 3 de marzo de 2026 16:05, Ann Example <ann@example.com> escribió:", full, false},
		{"Il giorno mar 3 mar 2026 alle ore 16:05 Ann Example <ann@example.com> ha scritto:", full, false},
		{"Il 03/03/2026 16:05, Ann Example ha scritto:", anonymous, false},
		{"Em ter., 3 de mar. de 2026 às 16:05, Ann Example <ann@example.com> escreveu:", full, false},
		{"Op di 3 mrt 2026 om 16:05 schreef Ann Example <ann@example.com>:", full, false},
		{"Op 03-03-2026 om 16:05 schreef Ann Example:", anonymous, false},
		{"Den tis 3 mars 2026 kl 16:05 skrev Ann Example <ann@example.com>:", full, false},
		{"Den tirs. 3. mar. 2026 kl. 16.05 skrev Ann Example <ann@example.com>:", full, false},
		{"tir. 3. mars 2026 kl. 16:05 skrev Ann Example <ann@example.com>:", full, false},
		{"ti 3. maalisk. 2026 klo 16.05 Ann Example (ann@example.com) kirjoitti:", full, false},
		{"wt., 3 mar 2026 o 16:05 Ann Example <ann@example.com> napisał(a):", full, false},
		{"W dniu 3.03.2026 o 16:05, Ann Example pisze:", anonymous, false},
		{"út 3. 3. 2026 v 16:05 odesílatel Ann Example <ann@example.com> napsal:", full, false},
		{"Dne 3. 3. 2026 v 16:05 Ann Example napsal(a):", anonymous, false},
		{"ut 3. 3. 2026 o 16:05 Ann Example <ann@example.com> napísal(a):", full, false},
		{"Ann Example <ann@example.com> ezt írta (időpont: 2026. márc. 3., K, 16:05):", full, false},
		{"În mar., 3 mar. 2026 la 16:05, Ann Example <ann@example.com> a scris:", full, false},
		{"Στις Τρί 3 Μαρ 2026 στις 4:05 μ.μ., ο χρήστης Ann Example <ann@example.com> έγραψε:", full, false},
		{"вт, 3 мар. 2026 г. в 16:05, Ann Example <ann@example.com>:", full, false},
		{"3 марта 2026 г., 16:05, Ann Example <ann@example.com> написал:", full, false},
		{"03.03.2026 16:05, Ann Example пишет:", anonymous, false},
		{"вт, 3 бер. 2026 р. о 16:05 Ann Example <ann@example.com> пише:", full, false},
		{"На вт, 3.03.2026 г. в 16:05 Ann Example <ann@example.com> написа:", full, false},
		{"uto, 3. ožu 2026. u 16:05 Ann Example <ann@example.com> napisao je:", full, false},
		{"Ann Example <ann@example.com>, 3 Mar 2026 Sal, 16:05 tarihinde şunu yazdı:", full, false},
		{"\u202bבתאריך יום ג׳, 3 במרץ 2026 ב-16:05 מאת \u202aAnn Example\u202c\u200f <\u202aann@example.com\u202c\u200f>:\u202c", full, false},
		{"في الثلاثاء، 3 مارس 2026 في 4:05 م تمت كتابة ما يلي بواسطة Ann Example <ann@example.com>:", full, false},
		{"Ann Example <ann@example.com> 于2026年3月3日周二 16:05写道：", full, false},
		{"2026年3月3日(火) 16:05 Ann Example <ann@example.com>:", full, false},
		{"2026年3月3日(火) 午後4:05 Ann Example <ann@example.com>:", full, false},
		{"2026년 3월 3일 (화) 오후 4:05, Ann Example <ann@example.com>님이 작성:", full, false},
		{"Vào Th 3, 3 thg 3, 2026 vào lúc 16:05 Ann Example <ann@example.com> đã viết:", full, false},
		{"Pada tanggal Sel, 3 Mar 2026 pukul 16.05 Ann Example <ann@example.com> menulis:", full, false},
		{"Missatge de Ann Example <ann@example.com> del dia dt., 3 de març 2026 a les 16:05:", full, true},
		{"2026-03-03, an, 16:05 Ann Example <ann@example.com> rašė:", full, false},
		{"2026/3/3 Ann Example <ann@example.com>", Opener{Name: "Ann Example", Address: "ann@example.com", Sent: at("2026-03-03 00:00"), DayOnly: true}, true},
		{"2026-03-03 16:05 GMT+01:00 Ann Example <\nann@example.com>:", zoned, false},
		{">>>>> \"Ann\" == Ann Example <ann@example.com> writes:", Opener{Address: "ann@example.com"}, true},
		{"* Ann Example (ann@example.com) [030326 16:05]:", Opener{Name: "Ann Example", Address: "ann@example.com"}, true},
		{"Ann Example writes:", Opener{Name: "Ann Example"}, true},
		{"[ Ann Example <ann@example.com> ]", Opener{Name: "Ann Example", Address: "ann@example.com"}, true},
		{"---- Ann Example wrote ----", Opener{Name: "Ann Example"}, true},
		{"On Tue, 03 Mar 2026 16:05:00 +0100 Ann Example <ann@example.com> wrote", zoned, false},
		{"Tuesday, 3 March 2026, 4:05 PM +0100 from Ann Example <ann@example.com>:", zoned, false},
		{"Tuesday, 3 March 2026, 4:05 PM +0100 from ann@example.com <ann@example.com>:", Opener{Address: "ann@example.com", Sent: zoned.Sent, Zoned: true}, false},
		{"In data 3 marzo 2026 16:05:00 \"Ann Example\" <ann@example.com> ha scritto:", full, false},
		{"On Tue, Mar 3, Ann Example\n<ann@example.com>\nwrote:", Opener{Name: "Ann Example", Address: "ann@example.com"}, true},
	} {
		for _, quote := range []string{"> marked", "unmarked"} {
			if c.marked && quote == "unmarked" {
				continue
			}
			got := Parse("My answer.\n\n" + c.opener + "\n\n" + quote + "\n")
			if got.Text != "My answer." {
				t.Errorf("%q above %q: Text = %q", c.opener, quote, got.Text)
				continue
			}
			if len(got.Openers) != 1 {
				t.Errorf("%q: %d openers", c.opener, len(got.Openers))
				continue
			}
			if c.want.Name == "" {
				got.Openers[0].Name = "" // two forms of the name
			}
			if diff := cmp.Diff(c.want, got.Openers[0]); diff != "" {
				t.Errorf("%q (-want +got):\n%s", c.opener, diff)
			}
		}
	}
}

// What is cut is lost: sentences are no openers, however near they come.
func TestSentencesAreNoOpeners(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"On Tue, 3 Mar 2026 at 16:05 ann@example.com wrote\nthat all is well.",
		"On Tue, 3 Mar 2026 at 16:05 the board wrote\n\nWe go on.",
		"Late on 3 March 2026 at 16:05 the board wrote\n\nWe go on.",
		"The log of the 3 March 2026 16:05 for ann@example.com wrote\n\nWe go on.",
		"On Tuesday ann@example.com wrote:\n\nWe go on.",
		"On March 3 Ann <ann@example.com> wrote:\n\nWe go on.",
		"At least Ann <ann@example.com> wrote:\n\nWe go on.",
		"A list\n---\nto: you\n----\nof: points",
	} {
		if got := Parse("Own text.\n\n" + text + "\n"); got.Text != "Own text.\n\n"+text {
			t.Errorf("of %q remains %q", text, got.Text)
		}
	}
}

func FuzzOpener(f *testing.F) {
	f.Add("On Tue, 03 Mar 2026 16:05:00 +0100, Ann Example <ann@example.com> wrote:")
	f.Add("2026年3月3日(火) 午後4:05 Ann <ann@example.com>:")
	f.Add("12.13.99 31/31/31 99:99 @ <@> a@ @b")
	f.Add("Address:0@" + strings.Repeat("\xff", maxOpener)) // lower case is longer
	f.Fuzz(func(t *testing.T, s string) {
		s = clip(s, maxOpener)
		p := parsePhrase(s)
		o := p.opener()
		if y := o.Sent.Year(); !o.Sent.IsZero() && (y < 1969 || y > 2100) {
			t.Errorf("year %d", y)
		}
		if len(o.Name) > maxName || len(o.Address) > maxAddress {
			t.Errorf("long: %+v", o)
		}
	})
}
