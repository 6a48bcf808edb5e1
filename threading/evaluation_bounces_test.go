package threading_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

type bounceLabel struct {
	File       string   `json:"file"`
	Kind       string   `json:"kind"`
	DSN        bool     `json:"dsn"`
	Doubtful   bool     `json:"doubtful"`
	OriginalID string   `json:"original_message_id"`
	AltIDs     []string `json:"alt_message_ids"`
	Recipients []struct {
		Address string   `json:"address"`
		Alt     []string `json:"alt_addresses"`
		Status  string   `json:"status"`
		Hard    *bool    `json:"hard"`
	} `json:"recipients"`
}

func undelivered(kind mailbox.Kind) bool {
	return kind == mailbox.KindBounce || kind == mailbox.KindDelay
}

func TestEvaluateBounces(t *testing.T) {
	dir := corpustest.Dir(t, "bounces")
	var labels []bounceLabel
	corpustest.Labels(t, filepath.Join(dir, "labels.json"), &labels)

	var recall, precision, kind, headerID corpustest.Share
	var address, status, hard, soft, original corpustest.Share
	for _, l := range labels {
		if l.Doubtful {
			continue
		}
		raw := corpustest.Read(t, filepath.Join(dir, l.File))
		v := threading.Classify(corpustest.Header(t, raw))
		isBounce := undelivered(mailbox.Kind(l.Kind))
		if isBounce {
			recall.Count(undelivered(v.Kind))
		}
		if undelivered(v.Kind) {
			precision.Count(isBounce)
			if isBounce {
				kind.Count(string(v.Kind) == l.Kind)
			}
			if got := v.Bounce.OriginalMessageID; got != "" && l.OriginalID != "" {
				headerID.Count(string(got) == l.OriginalID || slices.Contains(l.AltIDs, string(got)))
			}
		}
		if !l.DSN {
			continue // the standard forms only
		}
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		b := rep.Bounce()
		if b == nil {
			b = &mailbox.Bounce{}
		}
		if l.OriginalID != "" {
			original.Count(string(b.OriginalMessageID) == l.OriginalID || slices.Contains(l.AltIDs, string(b.OriginalMessageID)))
		}
		for i, want := range l.Recipients {
			var got mailbox.BounceRecipient
			if i < len(b.Recipients) {
				got = b.Recipients[i]
			}
			if want.Address != "" {
				a := strings.ToLower(got.Address)
				address.Count(a == want.Address || slices.Contains(want.Alt, a))
			}
			if want.Status != "" {
				status.Count(got.Status == want.Status)
			}
			switch {
			case want.Hard == nil:
			case *want.Hard:
				hard.Count(got.Hard)
			default:
				soft.Count(!got.Hard)
			}
		}
	}
	recall.Floor(t, "header: bounces and delays found", 0.98)
	precision.Floor(t, "header: bounces and delays right", 0.995)
	kind.Floor(t, "header: bounce or delay told apart", 0.995)
	headerID.Floor(t, "header: original id right when told", 0.99)
	address.Floor(t, "report part: recipient", 0.95)
	status.Floor(t, "report part: status", 0.93)
	original.Floor(t, "report part: original id", 0.96)
	hard.Floor(t, "report part: hard found", 0.75)
	soft.Floor(t, "report part: soft kept", 0.91)
	corpustest.Row(t, "report part: hard or soft, balanced", fmt.Sprintf("%7.3f %%", 50*(hard.Value()+soft.Value())))
}
