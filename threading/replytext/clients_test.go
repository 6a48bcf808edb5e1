package replytext_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/threading/replytext"
)

// TestClients tries the layouts of clients that have one of their own.
func TestClients(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 13, 16, 5, 0, 0, time.UTC)
	zoned := time.Date(2026, 3, 13, 15, 5, 0, 0, time.UTC)
	for _, c := range []struct {
		client, head string
		sent         time.Time
	}{
		{"Samsung", "-------- Original message --------\nFrom: Ann Example <ann@example.com>\nDate: 13/03/2026 16:05 (GMT+01:00)\nTo: Bob <bob@example.org>\nSubject: S", zoned},
		{"Samsung in German", "-------- Ursprüngliche Nachricht --------\nVon: Ann Example <ann@example.com>\nDatum: 13.03.26 16:05 (GMT+01:00)\nAn: Bob <bob@example.org>\nBetreff: S", zoned},
		{"Yahoo on Android", "  On Fri, Mar 13, 2026 at 4:05 PM, Ann Example<ann@example.com> wrote:  ", sent},
		{"Yahoo, old", "--- On Fri, 3/13/26, Ann Example <ann@example.com> wrote:\n\nFrom: Ann Example <ann@example.com>\nSubject: S\nTo: bob@example.org\nDate: Friday, March 13, 2026, 4:05 PM", time.Date(2026, 3, 13, 0, 0, 0, 0, time.UTC)},
		{"Yandex", "13.03.2026, 16:05, \"Ann Example\" <ann@example.com>:", sent},
		{"Mail.ru", "Пятница, 13 марта 2026, 16:05 +01:00 от Ann Example <ann@example.com>:", zoned},
		{"QQ", "------------------ 原始邮件 ------------------\n发件人: \"Ann Example\" <ann@example.com>;\n发送时间: 2026年3月13日(星期五) 下午4:05\n收件人: \"Bob\" <bob@example.org>;\n主题: S", sent},
		{"163", "At 2026-03-13 16:05:00, \"Ann Example\" <ann@example.com> wrote:", sent},
		{"163 in Chinese", "在 2026-03-13 16:05:00，\"Ann Example\" <ann@example.com> 写道：", sent},
		{"T-Online", "-----Original-Nachricht-----\nBetreff: S\nDatum: 2026-03-13T16:05:00+0100\nVon: \"Ann Example\" <ann@example.com>\nAn: \"Bob\" <bob@example.org>", zoned},
		{"GMX", "Gesendet: Freitag, 13. März 2026 um 16:05 Uhr\nVon: \"Ann Example\" <ann@example.com>\nAn: bob@example.org\nBetreff: S", sent},
		{"Zimbra in French", "De: \"Ann Example\" <ann@example.com>\nÀ: \"Bob\" <bob@example.org>\nEnvoyé: Vendredi 13 Mars 2026 16:05:00\nObjet: S", sent},
		{"AOL", "-----Original Message-----\nFrom: Ann Example <ann@example.com>\nTo: Bob <bob@example.org>\nSent: Fri, Mar 13, 2026 4:05 pm\nSubject: S", sent},
		{"Notes", "From:\tAnn Example <ann@example.com>\nTo:\tBob\nDate:\t03/13/2026 04:05 PM\nSubject:\tS", sent},
		{"Outlook on a Mac", "From: Ann Example <ann@example.com>\nDate: Friday, March 13, 2026 at 4:05 PM\nTo: Bob <bob@example.org>\nSubject: S", sent},
		{"Fastmail", "On Fri, 13 Mar 2026, at 4:05 PM, Ann Example <ann@example.com> wrote:", sent},
		{"KMail", "Am Freitag, 13. März 2026, 16:05:00 CET schrieb Ann Example <ann@example.com>:", zoned},
		{"KMail in English", "On Friday, 13 March 2026 16:05:00 CET Ann Example <ann@example.com> wrote:", zoned},
		{"Evolution", "Am Freitag, dem 13.03.2026 um 16:05 +0100 schrieb Ann Example <ann@example.com>:", zoned},
		{"Evolution in French", "Le vendredi 13 mars 2026 à 16:05 +0100, Ann Example <ann@example.com> a écrit :", zoned},
		{"Claws", "On Fri, 13 Mar 2026 16:05:00 +0100\nAnn Example <ann@example.com> wrote:", zoned},
		{"Outlook Express", "----- Original Message ----- \nFrom: \"Ann Example\" <ann@example.com>\nTo: \"Bob\" <bob@example.org>\nSent: Friday, March 13, 2026 4:05 PM\nSubject: S", sent},
		{"Roundcube in Dutch", "Ann Example <ann@example.com> schreef op 2026-03-13 16:05:", sent},
		{"Roundcube in Swedish", "Den 2026-03-13 kl. 16:05, skrev Ann Example <ann@example.com>:", sent},
		{"Apple Mail in Danish", "Den 13. mar. 2026 kl. 16.05 skrev Ann Example <ann@example.com>:", sent},
		{"Apple Mail in Finnish", "Ann Example <ann@example.com> kirjoitti 13.3.2026 kello 16.05:", sent},
		{"Apple Mail in Polish", "Wiadomość napisana przez Ann Example <ann@example.com> w dniu 13 mar 2026, o godz. 16:05:", sent},
		{"Apple Mail in Japanese", "2026/03/13 16:05、Ann Example <ann@example.com>のメール:", sent},
		{"Apple Mail in Chinese", "2026年3月13日 16:05，Ann Example <ann@example.com> 写道：", sent},
		{"Apple Mail in Korean", "2026. 3. 13. 오후 4:05, Ann Example <ann@example.com> 작성:", sent},
		{"Apple Mail in Spanish", "El 13 mar 2026, a las 16:05, Ann Example <ann@example.com> escribió:", sent},
		{"Apple Mail in Portuguese", "No dia 13/03/2026, às 16:05, Ann Example <ann@example.com> escreveu:", sent},
		{"Apple Mail in Russian", "13 марта 2026 г., в 16:05, Ann Example <ann@example.com> написал(а):", sent},
		{"Apple Mail in Turkish", "Ann Example <ann@example.com> şunları yazdı (13 Mar 2026 16:05):", sent},
		{"Thunderbird in Czech", "Dne 13. 03. 26 v 16:05 Ann Example <ann@example.com> napsal(a):", sent},
		{"Thunderbird in Hungarian", "2026. 03. 13. 16:05 keltezéssel, Ann Example <ann@example.com> írta:", sent},
		{"Gmail in Slovenian", "V V pet., 13. mar. 2026 ob 16:05 je oseba Ann Example <ann@example.com> napisala:", sent},
		{"Gmail in Latvian", "piektd., 2026. g. 13. marts, plkst. 16:05 — lietotājs Ann Example (<ann@example.com>) rakstīja:", sent},
		{"Gmail in Estonian", "Kuupäev R, 13. märts 2026 kell 16:05 kirjutas kasutaja Ann Example <ann@example.com>:", sent},
		{"Gmail in Thai", "เมื่อ ศ. 13 มี.ค. 2026 เวลา 16:05 Ann Example <ann@example.com> เขียนว่า:", sent},
		{"Gmail in Serbian", "пет, 13. мар 2026. у 16:05 Ann Example <ann@example.com> је написао/ла:", sent},
		{"Samsung in Danish", "-------- Oprindelig besked --------\nFra: Ann Example <ann@example.com>\nDato: 13.03.2026  16.05  (GMT+01:00)\nTil: bob@example.dk\nEmne: S", zoned},
		{"SFR", "====\n\nMessage du : 13/03/2026 16:05\nDe : \"Ann Example \" <ann@example.com>\nA : bob@example.fr\nCopie à : \nSujet :  S", sent},
		{"a rule of Markdown", "---\n\n**From:** Ann Example <ann@example.com>\n**Sent:** Friday, March 13, 2026 16:05\n**To:** Bob <bob@example.org>\n**Subject:** S", sent},
		{"Gmail in Persian", "در تاریخ جمعه ۱۳ مارس ۲۰۲۶،\u200f ۱۶:۰۵ Ann Example <ann@example.com> نوشت:", sent},
	} {
		got := replytext.Parse("Own text.\n\n" + c.head + "\n\nTheir text.\n")
		if got.Text != "Own text." || len(got.Openers) == 0 {
			t.Errorf("%s: Text = %q, %d openers", c.client, got.Text, len(got.Openers))
			continue
		}
		o := got.Openers[0]
		if o.Name != "Ann Example" || o.Address != "ann@example.com" || !o.Sent.Equal(c.sent) {
			t.Errorf("%s: opener = %+v", c.client, o)
		}
		if diff := cmp.Diff([]string{"Their text."}, got.Quoted); diff != "" {
			t.Errorf("%s: Quoted (-want +got):\n%s", c.client, diff)
		}
	}
}

// TestDeviceLines tries what phones and apps put below a mail.
func TestDeviceLines(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"Sent from my iPhone", "Sent from my Samsung Galaxy smartphone.", "Sent from Yahoo Mail on Android", "Sent from Mail for Windows",
		"Sent from my Verizon, Samsung Galaxy smartphone", "Get Outlook for iOS", "Get Outlook for Android<https://example.com/a>",
		"Sent from Outlook for iOS<https://example.com/o>", "Sent via Superhuman iOS", "Sent with Proton Mail secure email.",
		"Von meinem iPhone gesendet", "Gesendet von Mail für Windows", "Gesendet mit der GMX Mail App", "Outlook für iOS beziehen",
		"Von meinem Samsung Galaxy Smartphone gesendet.", "Envoyé de mon iPhone", "Envoyé à partir de Outlook pour Android",
		"Télécharger Outlook pour iOS", "Enviado desde mi iPhone", "Enviado do meu iPhone", "Enviado desde mi Samsung Mobile de Telcel",
		"Inviato da iPhone", "Verstuurd vanaf mijn iPhone", "Verzonden vanuit Outlook voor Android", "Skickat från min iPhone", "Sendt fra min iPhone",
		"Lähetetty iPhonesta", "Wysłane z iPhone'a", "Odesláno z iPhonu", "Az iPhone-omról küldve", "Trimis de pe iPhone-ul meu",
		"Στάλθηκε από το iPhone μου", "Отправлено с iPhone", "Надіслано з iPhone", "iPhone'umdan gönderildi", "נשלח מה-iPhone שלי",
		"تم الإرسال من الـ iPhone", "发自我的iPhone", "從我的 iPhone 傳送", "iPhoneから送信", "나의 iPhone에서 보냄", "Đã gửi từ iPhone của tôi",
		"Dikirim dari iPhone saya", "Enviat des del meu iPhone", "Poslano s mojeg iPhonea", "Изпратено от моя iPhone", "Dikirim dari Yahoo Mail di Android",
	} {
		got := replytext.Parse("Own text.\n\n" + line + "\n\nOn 3 Mar 2026, at 16:05, Ann <ann@example.com> wrote:\n> Quote\n")
		if got.Text != "Own text." || got.Signature == "" {
			t.Errorf("%q: Text = %q, Signature = %q", line, got.Text, got.Signature)
		}
	}
}

// TestValedictions tries the ends of letters.
func TestValedictions(t *testing.T) {
	t.Parallel()
	for _, end := range []string{
		"Best regards,", "Kind regards", "Many thanks,", "Thanks in advance!", "Thank you very much,", "Cheers,", "Yours sincerely,", "BR,",
		"Mit freundlichen Grüßen", "Viele Grüße", "LG", "Liebe Grüße,", "Cordialement,", "Bien à vous,", "Saludos cordiales,", "Un saludo,", "Atenciosamente,",
		"Cordiali saluti", "Met vriendelijke groet,", "Mvh", "Med vänliga hälsningar", "Med venlig hilsen", "Vennlig hilsen", "Ystävällisin terveisin,",
		"Pozdrawiam,", "Z poważaniem,", "S pozdravem", "Üdvözlettel,", "Cu stimă,", "Με εκτίμηση,", "С уважением,", "З повагою,", "Saygılarımla,",
		"בברכה,", "مع تحياتي", "谢谢", "Trân trọng,", "Salam,", "Salutacions,", "Lijep pozdrav,", "С уважение,",
	} {
		got := replytext.Parse("Own text is here.\n\n" + end + "\nBob Example\n")
		if got.Text != "Own text is here." {
			t.Errorf("%q: Text = %q", end, got.Text)
		}
	}
	for _, text := range []string{
		"Thanks\nI will look into it tomorrow and write again.", "Best\nof all is the second one, is it not?", "Hello,\n\nThanks",
		"Regards the matter\nof the boat", "You may call\nBob Example",
	} {
		if got := replytext.Parse("Own text is here.\n" + text); got.Text != "Own text is here.\n"+text {
			t.Errorf("%q: Text = %q, Signature = %q", text, got.Text, got.Signature)
		}
	}
}
