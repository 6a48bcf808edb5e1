package threading_test

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// Friday, 27 February 2026.
var friday = time.Date(2026, 2, 27, 15, 0, 0, 0, time.UTC)

func TestUntil(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"I am out of the office until 5 March 2026.", "2026-03-05"},
		{"I'm on vacation and will be back on Monday, March 9th.", "2026-03-09"},
		{"I am out of the office from 1 to 15 March.", "2026-03-15"},
		{"I will be out of the office from March 2 to March 6.", "2026-03-06"},
		{"I am away until Wednesday.", "2026-03-04"},
		{"I am out of the office until 2026-03-20.", "2026-03-20"},
		{"Ich bin bis zum 12.3. nicht im Büro.", "2026-03-12"},
		{"Ich bin vom 2. bis 6. März im Urlaub.", "2026-03-06"},
		{"Ich bin ab dem 9. März wieder im Büro.", "2026-03-09"},
		{"Je suis absente jusqu'au 4 août 2026 inclus.", "2026-08-04"},
		{"Je suis en congés du 2 au 13 mars.", "2026-03-13"},
		{"Sono in ferie fino al 6 marzo.", "2026-03-06"},
		{"Estoy de vacaciones hasta el 10 de marzo de 2026.", "2026-03-10"},
		{"Estou de férias até 10 de março.", "2026-03-10"},
		{"Ik ben afwezig tot en met 10 maart.", "2026-03-10"},
		{"Jag är på semester till och med den 8 mars.", "2026-03-08"},
		{"Jestem na urlopie do 10 marca.", "2026-03-10"},
		{"Я в отпуске до 10 марта.", "2026-03-10"},
		{"Olen lomalla 10.3. asti.", "2026-03-10"},
		{"2026年3月5日まで休暇をいただいております。", "2026-03-05"},
		{"3월 10일까지 휴가입니다.", "2026-03-10"},
		{"我正在休假，至2026年3月10日。", "2026-03-10"},
		{"Ich bin bis Ende Juli in Elternzeit.", "2026-07-31"},
		{"3月2日(月)から3月10日(火)まで休暇をいただいております。", "2026-03-10"},

		{"I am out of the office. The offer was sent on 5 March 2026.", ""},
		{"I am out of the office until March.", ""},
		{"I am out of the office until 5 February 2026.", ""},        // over
		{"I am out of the office until 04/05/2026.", ""},             // April or May?
		{"I am on leave until 5 March and until 30 April 2026.", ""}, // two ends
		{"I am away until 31 June 2026.", ""},
	} {
		m := &mailbox.Message{
			HeaderComplete: true, Date: friday, Subject: "Automatic reply: Offer", Body: &mailbox.Body{Text: tt.text},
			Header: mailbox.Header{{Name: "Auto-Submitted", Value: "auto-replied"}},
		}
		got := ""
		if v := threading.Classify(m); !v.Until.IsZero() {
			got = v.Until.Format(time.DateOnly)
		}
		if got != tt.want {
			t.Errorf("%s\ngot %q, want %q", tt.text, got, tt.want)
		}
	}
}
