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
		{"Ich bin vom 27.02.2026 bis einschließlich 10.03.2026 nicht im Büro.\n\nI am out of the office from 27 February 2026 through 10 March 2026.", "2026-03-10"},
		{"I am away from 2 March to 10 March.\n\nJe suis absent du 2 mars au 10 mars.", "2026-03-10"},
		{"I am out of the office until March 10. For urgent matters call our hotline (Monday to Friday, 9am to 5pm).", "2026-03-10"},
		{"Ich bin bis zum 10. März nicht im Büro. Unsere Zentrale erreichen Sie Montag bis Freitag von 8 bis 17 Uhr.", "2026-03-10"},
		{"Ik ben afwezig van 24-26 maart. Ik reageer op uw e-mail na 27 maart.", "2026-03-26"},
		{"I am out of the office 2 - 6 March.", "2026-03-06"},
		{"I'm out of the office until the 14th.", "2026-03-14"},
		{"I will be back on the 3rd and read mail then.", "2026-03-03"},
		{"Ich bin ab dem 14. wieder da.", "2026-03-14"},
		{"Ik ben afwezig tot de 14e.", "2026-03-14"},
		{"Je suis absent jusqu'au 1er.", "2026-03-01"},
		{"Ich bin bis zum 28. im Urlaub.", "2026-02-28"},
		{"Je suis absent jusqu'au 14 inclus.", "2026-03-14"},
		{"Estoy de vacaciones hasta el 14.", "2026-03-14"},
		{"Estou fora até segunda-feira.", "2026-03-02"},
		{"Estou ausente e volto na terça-feira.", "2026-03-03"},
		{"Estou de férias até quarta-feira, 11 de março.", "2026-03-11"},
		{"I have been away since Monday and go on with my leave until Thursday.", "2026-03-05"},
		{"I am away until Wednesday. We work Monday to Friday.", "2026-03-04"},

		{"I am out of the office. Our hours are Monday through Friday, 9am to 5pm.", ""},
		{"Ich bin nicht im Büro. Ich arbeite von Montag bis Donnerstag.", ""},
		{"Nous sommes absents. Nos bureaux sont ouverts du lundi au vendredi.", ""},
		{"We are closed. Monday 8:00 to Friday 17:00 we are here.", ""},
		{"I am out of the office until the 4th quarter.", ""},
		{"I am out of the office until the 45th.", ""},
		{"I am out of the office until the 27th.", ""}, // today, or in a month?
		{"I am away until the 31st.", ""},              // of March, or at the end of February?
		{"Estoy fuera hasta las 14.", ""},              // an hour
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
