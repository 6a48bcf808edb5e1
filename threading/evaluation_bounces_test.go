package threading_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

type bounceLabel struct {
	File       string           `json:"file"`
	Kind       string           `json:"kind"`
	DSN        bool             `json:"dsn"`
	Doubtful   bool             `json:"doubtful"`
	OriginalID string           `json:"original_message_id"`
	AltIDs     []string         `json:"alt_message_ids"`
	Recipients []recipientLabel `json:"recipients"`
}

type recipientLabel struct {
	Address string   `json:"address"`
	Alt     []string `json:"alt_addresses"`
	Status  string   `json:"status"`
	Reason  string   `json:"reason"`
	Hard    *bool    `json:"hard"`
}

func (l recipientLabel) is(address string) bool {
	address = strings.ToLower(address)
	return address == l.Address || slices.Contains(l.Alt, address)
}

func (l bounceLabel) isOriginal(id mailbox.RFCMessageID) bool {
	return string(id) == l.OriginalID || slices.Contains(l.AltIDs, string(id))
}

func undelivered(kind mailbox.Kind) bool {
	return kind == mailbox.KindBounce || kind == mailbox.KindDelay
}

// bounceShares are the figures of one way of reading reports.
type bounceShares struct{ row, set, status, hard, soft, original corpustest.Share }

func (s bounceShares) balanced() float64 { return (s.hard.Value() + s.soft.Value()) / 2 }

// count compares what was read with what the label says.
func (s *bounceShares) count(t *testing.T, l bounceLabel, b *mailbox.Bounce) {
	if b == nil {
		b = &mailbox.Bounce{}
	}
	if l.OriginalID != "" {
		s.original.Count(l.isOriginal(b.OriginalMessageID))
	}
	named, right := 0, 0
	for _, want := range l.Recipients {
		var got mailbox.BounceRecipient
		found := false
		for _, r := range b.Recipients {
			if want.is(r.Address) || want.Address == "" && len(b.Recipients) == 1 {
				got, found = r, true
				break
			}
		}
		if want.Address != "" {
			named++
			s.row.Count(found)
			if found {
				right++
			}
		}
		if want.Status != "" {
			s.status.Count(got.Status == want.Status)
		}
		switch {
		case want.Hard == nil:
		case *want.Hard:
			s.hard.Count(found && got.Hard)
		default:
			s.soft.Count(found && !got.Hard)
		}
		// A label with the status of an unknown user contradicts itself.
		if got.Hard && slices.Contains(neverHard, want.Reason) && want.Status != "5.1.1" {
			t.Errorf("%s: %s is called hard", l.File, want.Reason)
		}
	}
	if named > 0 && named == len(l.Recipients) {
		s.set.Count(right == named && len(b.Recipients) == named)
	}
}

var neverHard = []string{
	"mailboxfull", "toomanyconn", "speeding", "expired", "networkerror", "failedstarttls", "exceedlimit", "mesgtoobig", "systemfull",
}

func TestEvaluateBounces(t *testing.T) {
	dir := corpustest.Dir(t, "bounces")
	var labels []bounceLabel
	corpustest.Labels(t, filepath.Join(dir, "labels.json"), &labels)

	var recall, recallBody, precision, kind, kindBody, headerID, reportKind corpustest.Share
	var all, dsn, words, body bounceShares
	var halves [2]bounceShares
	categories := make(map[string]map[string]int)
	for _, l := range labels {
		if l.Doubtful {
			continue
		}
		raw := corpustest.Read(t, filepath.Join(dir, l.File))
		v := threading.Classify(corpustest.Header(t, raw))
		full := threading.Classify(corpustest.Message(t, raw))
		isBounce := undelivered(mailbox.Kind(l.Kind))
		if isBounce {
			recall.Count(undelivered(v.Kind))
			recallBody.Count(undelivered(full.Kind))
			kindBody.Count(string(full.Kind) == l.Kind)
			if !undelivered(full.Kind) {
				t.Logf("  not found with its body: %s is %s", l.File, full.Kind)
			}
		}
		if undelivered(v.Kind) {
			precision.Count(isBounce)
			if isBounce {
				kind.Count(string(v.Kind) == l.Kind)
			}
			if got := v.Bounce.OriginalMessageID; got != "" && l.OriginalID != "" {
				headerID.Count(l.isOriginal(got))
			}
		}
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		b := rep.Bounce()
		if len(l.Recipients) > 0 && l.Kind != "none" {
			want := mailbox.Kind(l.Kind)
			if want == "feedback" {
				want = mailbox.KindComplaint
			}
			reportKind.Count(rep.Kind() == want)
		}
		h := fnv.New32a()
		h.Write([]byte(l.File))
		for _, s := range []*bounceShares{&all, &halves[h.Sum32()%2]} {
			s.count(t, l, b)
		}
		if l.DSN {
			dsn.count(t, l, b)
		} else {
			words.count(t, l, b)
		}
		if undelivered(full.Kind) {
			body.count(t, l, full.Bounce)
		}
		if b == nil {
			b = &mailbox.Bounce{}
		}
		for _, want := range l.Recipients {
			for _, r := range b.Recipients {
				if want.is(r.Address) {
					if categories[want.Reason] == nil {
						categories[want.Reason] = make(map[string]int)
					}
					categories[want.Reason][r.Category]++
				}
			}
		}
	}
	recall.Floor(t, "header: bounces and delays found", 0.98)
	recallBody.Floor(t, "header and body: bounces and delays found", 0.99)
	precision.Floor(t, "header: bounces and delays right", 0.995)
	kind.Floor(t, "header: bounce or delay told apart", 0.995)
	kindBody.Floor(t, "header and body: bounce or delay told apart", 0.98)
	headerID.Floor(t, "header: original id right when told", 0.99)
	reportKind.Floor(t, "report: kind", 0.97)
	all.row.Floor(t, "report: recipient, by row", 0.97)
	all.set.Floor(t, "report: recipients exact, by message", 0.97)
	all.status.Floor(t, "report: status", 0.92)
	all.original.Floor(t, "report: original id", 0.96)
	if all.balanced() < 0.92 {
		t.Errorf("hard or soft, balanced: %.3f %%, want at least 92 %%", 100*all.balanced())
	}
	for _, s := range []struct {
		name   string
		shares bounceShares
	}{{"all", all}, {"standard forms", dsn}, {"words only", words}, {"first half", halves[0]}, {"second half", halves[1]}, {"Classify with a body", body}} {
		corpustest.Row(t, s.name+": recipient, by row", s.shares.row)
		corpustest.Row(t, s.name+": recipients exact, by message", s.shares.set)
		corpustest.Row(t, s.name+": status", s.shares.status)
		corpustest.Row(t, s.name+": hard found", s.shares.hard)
		corpustest.Row(t, s.name+": soft kept", s.shares.soft)
		corpustest.Row(t, s.name+": hard or soft, balanced", fmt.Sprintf("%7.3f %%", 100*s.shares.balanced()))
		corpustest.Row(t, s.name+": original id", s.shares.original)
	}
	for _, reason := range slices.Sorted(maps.Keys(categories)) {
		t.Logf("  %-18s %v", reason, categories[reason])
	}
}

// A body must not make a report of what people write.
func TestEvaluateBouncesFalseAlarms(t *testing.T) {
	dir := corpustest.Dir(t, "threads")
	var alarms corpustest.Share
	for _, name := range lists {
		found := 0
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox.gz")) {
			is := undelivered(threading.Classify(corpustest.Message(t, raw)).Kind)
			if is {
				found++
			}
			alarms.Count(is && (name != "lists-2002" || found > 5)) // the archive of 2002 holds five real ones
		}
	}
	alarms.Ceiling(t, "header and body: bounces on lists", 0.0001)
}
