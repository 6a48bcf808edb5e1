package replytext_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/threading/replytext"
)

func lines(l ...string) string { return strings.Join(l, "\n") }

func TestParse(t *testing.T) {
	t.Parallel()
	const opener = "On Tue, 3 Mar 2026 at 16:05, Ann Example <ann@example.com> wrote:"
	for _, c := range []struct {
		name, body string
		want       replytext.Reply // without openers
	}{
		{"new text", "Hello\n\nSee you.\n", replytext.Reply{Text: "Hello\n\nSee you."}},
		{"nothing", "", replytext.Reply{Whole: true}},
		{"top post", lines("Yes.", "", opener, "", "> Shall we?", ">> Well?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "Well?"}}},
		{"line ends", "Yes.\r\n\r\n" + opener + "\r\n> Shall we?\r\n", replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"bottom post", lines(opener, "> Shall we?", "", "Yes."), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"inline", lines(opener, "> One?", "", "Yes.", "", "> Two?", "", "No.", "", "> Bye"), replytext.Reply{
			Text: lines(opener, "> One?", "", "Yes.", "", "> Two?", "", "No."), Inline: true, Quoted: []string{"One?", "Two?", "Bye"},
		}},
		{"only a quote", lines(opener, "> Shall we?"), replytext.Reply{Text: lines(opener, "> Shall we?"), Whole: true, Quoted: []string{"Shall we?"}}},
		{"closing below the quote", lines("Yes.", "", opener, "> Shall we?", "", "Regards, Bob"), replytext.Reply{Text: "Yes.\n\nRegards, Bob", Quoted: []string{"Shall we?"}}},
		{"signature", lines("Yes.", "", "-- ", "Bob", "", opener, "> Shall we?"), replytext.Reply{Text: "Yes.", Signature: "--\nBob", Quoted: []string{"Shall we?"}}},
		{"valediction", lines("Yes.", "", "Best regards,", "Bob Example", "Example Ltd", "+1 555 010 0200"), replytext.Reply{Text: "Yes.", Signature: lines("Best regards,", "Bob Example", "Example Ltd", "+1 555 010 0200")}},
		{"thanks that say something", lines("Hello", "", "Thanks", "for the long letter, I read it with great joy yesterday in the train."), replytext.Reply{Text: lines("Hello", "", "Thanks", "for the long letter, I read it with great joy yesterday in the train.")}},
		{"device", lines("Yes.", "", "Sent from my iPhone"), replytext.Reply{Text: "Yes.", Signature: "Sent from my iPhone"}},
		{"device in German", lines("Ja.", "", "Von meinem iPhone gesendet"), replytext.Reply{Text: "Ja.", Signature: "Von meinem iPhone gesendet"}},
		{"device in Japanese", lines("はい。", "", "iPhoneから送信"), replytext.Reply{Text: "はい。", Signature: "iPhoneから送信"}},
		{"a sentence about a phone", lines("Yes.", "", "Sent from my old phone, so please forgive the many typing errors."), replytext.Reply{Text: lines("Yes.", "", "Sent from my old phone, so please forgive the many typing errors.")}},
		{"list footer", lines("Yes.", "", "_______________________________________________", "Birds mailing list", "birds@example.org"), replytext.Reply{Text: "Yes.", Signature: lines("_______________________________________________", "Birds mailing list", "birds@example.org")}},
		{"block", lines("Yes.", "", "From: Ann Example <ann@example.com>", "Sent: Tuesday, March 3, 2026 4:05 PM", "To: Bob", "Subject: Lunch", "", "Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"block with bold names", lines("Yes.", "", "*From:* Ann Example <ann@example.com>", "*Sent:* Tuesday, March 3, 2026 4:05 PM", "*To:* Bob", "", "Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"block in German with separator", lines("Ja.", "-----Ursprüngliche Nachricht-----", "Von: Ann", "Gesendet: Dienstag, 3. März 2026 16:05", "An: Bob", "Betreff: Essen", "", "Gehen wir?"), replytext.Reply{Text: "Ja.", Quoted: []string{"Gehen wir?"}}},
		{"block in Chinese", lines("好。", "________________________________", "发件人: Ann <ann@example.com>", "发送时间: 2026年3月3日 16:05", "收件人: Bob", "主题: 午饭", "", "去吗？"), replytext.Reply{Text: "好。", Quoted: []string{"去吗？"}}},
		{"a journey is no block", lines("The trip:", "From: Here", "To: There", "Date: soon", "", "Nice, is it not?"), replytext.Reply{Text: lines("The trip:", "From: Here", "To: There", "Date: soon", "", "Nice, is it not?")}},
		{"a raw header is no block", lines("This fails:", "Received: from a by b", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026 16:05:00 +0100", "Message-ID: <a@b>", "", "Why?"), replytext.Reply{Text: lines("This fails:", "Received: from a by b", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026 16:05:00 +0100", "Message-ID: <a@b>", "", "Why?")}},
		{"forward", lines("Look:", "", "---------- Forwarded message ---------", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026", "Subject: Joke", "", "Ha", "> ha", "", "Good?"), replytext.Reply{Text: lines("Look:", "", "---------- Forwarded message ---------", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026", "Subject: Joke", "", "Ha", "> ha", "", "Good?")}},
		{"forward behind marks", lines("Look:", "", "> Begin forwarded message:", ">", "> From: Ann <ann@example.com>", ">", "> Ha"), replytext.Reply{Text: lines("Look:", "", "> Begin forwarded message:", ">", "> From: Ann <ann@example.com>", ">", "> Ha")}},
		{"prose with dates", lines("On Tuesday 3 March 2026 I wrote to the council.", "They answered:", "no."), replytext.Reply{Text: lines("On Tuesday 3 March 2026 I wrote to the council.", "They answered:", "no.")}},
		{"prompt", lines("Run", "", "$ ls > file", ">>> import os", ">>> os.getcwd()", "", "and tell me."), replytext.Reply{Text: lines("Run", "", "$ ls > file", ">>> import os", ">>> os.getcwd()", "", "and tell me.")}},
		{"mbox escape", lines("Hello", ">From here on it is simple.", ">= 5 % will do"), replytext.Reply{Text: lines("Hello", ">From here on it is simple.", ">= 5 % will do")}},
		{"list and diff", lines("- one", "- two", "", "--- a/file", "+++ b/file", "@@ -1 +1 @@", "-old", "+new"), replytext.Reply{Text: lines("- one", "- two", "", "--- a/file", "+++ b/file", "@@ -1 +1 @@", "-old", "+new")}},
		{"bars", lines("Yes.", "", "Ann Example writes:", "| Shall we?", "| Soon?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "Soon?"}}},
		{"initials", lines("Ann Example wrote:", "AE> Shall we?", "", "Yes."), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"other marks", lines("On Tue, 3 Mar 2026 16:05:00 +0100, Ann wrote:", ") Shall we?", ") Soon?", "Yes."), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "Soon?"}}},
		{"marks below a block of one field", lines("----- Original Message -----", "From: Ann <ann@example.com>", "", "> Shall we?", "", "Yes."), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"a notice of a firm below the quote", lines("Yes.", "", opener, "> Shall we?", "", "This email and any attachments are confidential and intended solely for the addressee."), replytext.Reply{Text: "Yes.", Signature: "This email and any attachments are confidential and intended solely for the addressee.", Quoted: []string{"Shall we?"}}},
		{"what German law asks for", lines("Ja.", "", "Example GmbH, Sitz der Gesellschaft: Jena, Amtsgericht Jena HRB 123"), replytext.Reply{Text: "Ja.", Signature: "Example GmbH, Sitz der Gesellschaft: Jena, Amtsgericht Jena HRB 123"}},
		{"a scanner's line below the quote", lines("Yes.", "", opener, "> Shall we?", "", "Virus-free. www.avast.com"), replytext.Reply{Text: "Yes.", Signature: "Virus-free. www.avast.com", Quoted: []string{"Shall we?"}}},
		{"a plea for trees", lines("Yes.", "", "P Please consider the environment before printing this e-mail."), replytext.Reply{Text: "Yes.", Signature: "P Please consider the environment before printing this e-mail."}},
		{"a closing of two lines below the quote", lines("Yes.", "", opener, "> Shall we?", "", "Best regards,", "Bob"), replytext.Reply{Text: "Yes.", Signature: lines("Best regards,", "Bob"), Quoted: []string{"Shall we?"}}},
		{"a passage that the author cites", lines("The manual says:", "> Read it.", "", "Best regards,", "Bob"), replytext.Reply{Text: lines("The manual says:", "> Read it.", "", "Best regards,", "Bob"), Inline: true, Quoted: []string{"Read it."}}},
		{"the same above the history", lines("The manual says:", "> Read it.", "", "Best regards,", "Bob", "", opener, "> Shall we?"), replytext.Reply{Text: lines("The manual says:", "> Read it.", "", "Best regards,", "Bob"), Inline: true, Quoted: []string{"Read it.", "Shall we?"}}},
		{"a closing between history", lines(opener, "> One?", "", "Yes.", "", "> Two?", "", "Best regards,", "Bob"), replytext.Reply{Text: "Yes.", Signature: lines("Best regards,", "Bob"), Quoted: []string{"One?", "Two?"}}},
		{"nothing but a closing", lines(opener, "> Shall we?", "", "Thanks,", "Bob"), replytext.Reply{Text: "Thanks,\nBob", Quoted: []string{"Shall we?"}}},
		{"one word of a notice", lines("Yes.", "", "This email is confidential, please tell nobody."), replytext.Reply{Text: lines("Yes.", "", "This email is confidential, please tell nobody.")}},
		{"one word of a firm", lines("Yes.", "", "I was at the Handelsregister on Monday."), replytext.Reply{Text: lines("Yes.", "", "I was at the Handelsregister on Monday.")}},
		{"free of viruses", lines("Yes.", "", "Virus-free is what I would call it."), replytext.Reply{Text: lines("Yes.", "", "Virus-free is what I would call it.")}},
		{"confidential is a word", lines("Yes.", "", "The offer is confidential and intended for you."), replytext.Reply{Text: lines("Yes.", "", "The offer is confidential and intended for you.")}},
		{"places and a day are no block", lines("Book this:", "", "From: Berlin", "To: Lisbon", "Date: 12 March 2026", "", "I need a receipt."), replytext.Reply{Text: lines("Book this:", "", "From: Berlin", "To: Lisbon", "Date: 12 March 2026", "", "I need a receipt.")}},
		{"a meeting is no block", lines("Note this:", "", "Date: 12 March 2026", "To: all members", "Subject: yearly meeting", "", "We meet in the hall."), replytext.Reply{Text: lines("Note this:", "", "Date: 12 March 2026", "To: all members", "Subject: yearly meeting", "", "We meet in the hall.")}},
		{"block of names", lines("Yes.", "", "From: Ann Example", "Sent: Tuesday, March 3, 2026 4:05 PM", "To: Bob", "Subject: Lunch", "", "Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"indented block", lines("Oui.", "", "      De : Ann Example <ann@example.com>", " À : Bob <bob@example.org>", " Envoyé le : Mardi 3 mars 2026 16h05", " Objet : Dîner", "", " On y va ?"), replytext.Reply{Text: "Oui.", Quoted: []string{"On y va ?"}}},
		{"indented fields are no block", lines("It says", "    From: Ann <ann@example.com>", "    To: Bob <bob@example.org>", "and no more."), replytext.Reply{Text: lines("It says", "    From: Ann <ann@example.com>", "    To: Bob <bob@example.org>", "and no more.")}},
		{"history behind its opener", lines("Yes.", "", "  On Tue, Mar 3, 2026 at 4:05 PM, Ann<ann@example.com> wrote:   Shall we?", "Soon?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "Soon?"}}},
		{"a sentence with an address and wrote:", lines("On March 3, 2026, Ann <ann@example.com> wrote: we shall. I do not think so."), replytext.Reply{Text: "On March 3, 2026, Ann <ann@example.com> wrote: we shall. I do not think so."}},
		{"marks at both ends", lines("Run", "", ">>> a >> b >>>", "and tell me."), replytext.Reply{Text: lines("Run", "", ">>> a >> b >>>", "and tell me.")}},
		{"a sentence with wrote:", lines("On Tuesday, March 3, Ann wrote: we shall. I do not think so."), replytext.Reply{Text: "On Tuesday, March 3, Ann wrote: we shall. I do not think so."}},
		{"history behind a separator", lines("Yes.", "-------- Original message --------From: Ann <ann@example.com> Date: 3/3/26  4:05 PM  (GMT-05:00) To: bob@example.org Subject: Lunch Shall we?"), replytext.Reply{Text: "Yes."}},
		{"GroupWise", lines("Yes.", "", ">>> Ann Example <ann@example.com> 3/3/2026 4:05 PM >>>", "Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"marks that look like GroupWise's", lines("Yes.", "", opener, "> Shall we?", ">>> a@example.com >>>", "> Soon?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "a@example.com >>>", "Soon?"}}},
		{"AOL", lines("Yes.", "", "In a message dated 3/30/2026 4:05:00 PM Eastern Standard Time, ann@example.com writes:", "Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"Apple Mail in Polish", lines("Tak.", "", "Wiadomość napisana przez Ann ann@example.com w dniu 17.01.2023, o godz. 11:09:", "Idziemy?"), replytext.Reply{Text: "Tak.", Quoted: []string{"Idziemy?"}}},
		{"text below the name", lines("See [1].", "", "Cheers,", "Bob", "", "[1]", "https://example.com/a"), replytext.Reply{Text: lines("See [1].", "", "Cheers,", "Bob", "", "[1]", "https://example.com/a")}},
		{"an opener in the middle of a line", lines("Yes.--- On Tue, 3 Mar 2026 at 16:05, Ann <ann@example.com> wrote:", "> Shall we?"), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"a link wrapped in a quote", lines("Yes.", "", opener, "> See (https://example.com/a?b", "c=d)", "> please"), replytext.Reply{Text: "Yes.", Quoted: []string{"See (https://example.com/a?b", "c=d)", "please"}}},
		{"a raw header is no block, whatever comes first", lines("This fails:", "", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026 16:05:00 +0100", "Message-ID: <a@b>", "", "Why?"), replytext.Reply{Text: lines("This fails:", "", "From: Ann <ann@example.com>", "Date: Tue, 3 Mar 2026 16:05:00 +0100", "Message-ID: <a@b>", "", "Why?")}},
		{"name after a dash", lines("Yes.", "", " -Bob Example", "", " bob@example.org"), replytext.Reply{Text: "Yes.", Signature: lines("-Bob Example", "", " bob@example.org")}},
		{"a table", lines("Numbers:", "| a | b |", "| 1 | 2 |"), replytext.Reply{Text: lines("Numbers:", "| a | b |", "| 1 | 2 |")}},
		{"depths", lines("Yes.", "", opener, "> Shall we?", "> On Mon, 2 Mar 2026 at 10:00, Bob <bob@example.com> wrote:", "> > Hungry."), replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?", "Hungry."}}},
	} {
		got := replytext.Parse(c.body)
		got.Openers = nil
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestParseOpenersOfAllDepths(t *testing.T) {
	t.Parallel()
	got := replytext.Parse(lines(
		"Yes.", "",
		"On Tue, 3 Mar 2026 16:05:00 +0100, Ann Example wrote:",
		"> Shall we?",
		"> ",
		"> From: Bob <Bob@Example.com>",
		"> Sent: Monday, March 2, 2026 10:00 AM",
		"> To: Ann",
		"> Subject: Lunch",
		"> ",
		"> Hungry.",
	))
	want := []replytext.Opener{
		{Name: "Ann Example", Sent: time.Date(2026, 3, 3, 15, 5, 0, 0, time.UTC), Zoned: true},
		{Name: "Bob", Address: "bob@example.com", Sent: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Subject: "Lunch"},
	}
	if diff := cmp.Diff(want, got.Openers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Shall we?", "Hungry."}, got.Quoted); diff != "" {
		t.Error(diff)
	}
}

// TestParseBlocks tries the header blocks of Outlook in its languages.
func TestParseBlocks(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 4, 16, 5, 0, 0, time.UTC)
	for _, block := range []string{
		"From: %\nSent: Wednesday, March 4, 2026 4:05 PM\nTo: Bob\nSubject: S",
		"Von: %\nGesendet: Mittwoch, 4. März 2026 16:05\nAn: Bob\nBetreff: S",
		"Von: %\nGesendet: 04.03.2026 16:05\nAn: Bob\nBetreff: S",
		"De : %\nEnvoyé : mercredi 4 mars 2026 16:05\nÀ : Bob\nObjet : S",
		"De: %\nEnviado el: miércoles, 4 de marzo de 2026 16:05\nPara: Bob\nAsunto: S",
		"De: %\nEnviada em: quarta-feira, 4 de março de 2026 16:05\nPara: Bob\nAssunto: S",
		"Da: %\nInviato: mercoledì 4 marzo 2026 16:05\nA: Bob\nOggetto: S",
		"Da: %\nData: 04/03/2026 16:05\nA: Bob\nOggetto: S",
		"Van: %\nVerzonden: woensdag 4 maart 2026 16:05\nAan: Bob\nOnderwerp: S",
		"Från: %\nSkickat: den 4 mars 2026 16:05\nTill: Bob\nÄmne: S",
		"Fra: %\nSendt: 4. marts 2026 16:05\nTil: Bob\nEmne: S",
		"Fra: %\nSendt: onsdag 4. mars 2026 16.05\nTil: Bob\nEmne: S",
		"Lähettäjä: %\nLähetetty: keskiviikko 4. maaliskuuta 2026 16.05\nVastaanottaja: Bob\nAihe: S",
		"Od: %\nWysłano: środa, 4 marca 2026 16:05\nDo: Bob\nTemat: S",
		"Od: %\nOdesláno: středa 4. března 2026 16:05\nKomu: Bob\nPředmět: S",
		"Od: %\nOdoslané: streda 4. marca 2026 16:05\nKomu: Bob\nPredmet: S",
		"Feladó: %\nElküldve: 2026. március 4., szerda 16:05\nCímzett: Bob\nTárgy: S",
		"De la: %\nTrimis: miercuri, 4 martie 2026 16:05\nCătre: Bob\nSubiect: S",
		"Από: %\nΣτάλθηκε: Τετάρτη, 4 Μαρτίου 2026 4:05 μμ\nΠρος: Bob\nΘέμα: S",
		"От: %\nОтправлено: среда, 4 марта 2026 г. 16:05\nКому: Bob\nТема: S",
		"Від: %\nНадіслано: середа, 4 березня 2026 р. 16:05\nКому: Bob\nТема: S",
		"Kimden: %\nGönderildi: 4 Mart 2026 Çarşamba 16:05\nKime: Bob\nKonu: S",
		"מאת: %\nנשלח: יום רביעי 4 מרץ 2026 16:05\nאל: Bob\nנושא: S",
		"من: %\nتم الإرسال: الأربعاء, 4 مارس 2026 4:05 م\nإلى: Bob\nالموضوع: S",
		"发件人: %\n发送时间: 2026年3月4日 16:05\n收件人: Bob\n主题: S",
		"寄件者: %\n寄件日期: 2026年3月4日 下午 04:05\n收件者: Bob\n主旨: S",
		"差出人: %\n送信日時: 2026年3月4日 16:05\n宛先: Bob\n件名: S",
		"보낸 사람: %\n보낸 날짜: 2026년 3월 4일 수요일 오후 4:05\n받는 사람: Bob\n제목: S",
		"Từ: %\nĐã gửi: 4 tháng 3, 2026 16:05\nĐến: Bob\nChủ đề: S",
		"Dari: %\nDikirim: 4 Maret 2026 16:05\nKepada: Bob\nSubjek: S",
		"De: %\nEnviat: dimecres, 4 de març de 2026 16:05\nPer a: Bob\nAssumpte: S",
		"От: %\nИзпратено: 4 март 2026 г. 16:05\nДо: Bob\nОтносно: S",
		"Šalje: %\nPoslano: srijeda, 4. ožujka 2026. 16:05\nPrima: Bob\nPredmet: S",
	} {
		body := "Own text.\n\n" + strings.Replace(block, "%", "Ann Example <ann@example.com>", 1) + "\n\nTheir text."
		got := replytext.Parse(body)
		want := replytext.Reply{
			Text:    "Own text.",
			Quoted:  []string{"Their text."},
			Openers: []replytext.Opener{{Name: "Ann Example", Address: "ann@example.com", Sent: sent, Subject: "S"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", block, diff)
		}
	}
}

func TestParseBlockDateOfNumbersInEnglish(t *testing.T) {
	t.Parallel()
	got := replytext.Parse("Hi\n\nFrom: Ann <ann@example.com>\nSent: 04/03/2026 16:05\nTo: Bob\n\nText")
	if len(got.Openers) != 1 || !got.Openers[0].Sent.IsZero() {
		t.Errorf("Openers = %+v, want one without a date", got.Openers)
	}
}

// The text is preferred, unless the HTML tells what it lost.
func TestParseBody(t *testing.T) {
	t.Parallel()
	const quote = `<div>Yes.<br>See you.</div><blockquote type="cite">Shall we?</blockquote>`
	for _, c := range []struct{ name, text, html, want string }{
		{"text alone", "Yes.", "", "Yes."},
		{"HTML alone", "", quote, "Yes.\nSee you."},
		{"both", "Yes.\n\nOn Tue, 3 Mar 2026 at 16:05, Ann <ann@example.com> wrote:\n> Shall we?", quote, "Yes."},
		{"no quote in the text", "Yes. See you.\n\nShall we?", quote, "Yes.\nSee you."},
		{"no line breaks in the text", "Yes.See you.\n-------- Original message --------From: Ann <ann@example.com> To: bob@example.org Shall we?\nSoon?", quote, "Yes.\nSee you."},
		{"no quote at all", "Yes.", "<p>Yes!</p>", "Yes."},
	} {
		if got := replytext.ParseBody(c.text, c.html).Text; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
