package threading_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// More systems, and some that do not exist: the reader knows none by name.
func TestReadReportOtherSystems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, subject, words, category string
		hard                           bool
	}{
		{"GroupWise", "Message status - undeliverable", "The message that you sent was undeliverable to the following:\n\tben@example.org (user not found)\n\nOriginal message follows.\n\n", threading.CategoryUserUnknown, true},
		{"Courier", "NOTICE: mail delivery status.", "This is a delivery status notification from mx.example.com,\nrunning the Courier mail server.\n\nUNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<ben@example.org>:\n    mx.example.org [192.0.2.1]:\n>>> RCPT TO:<ben@example.org>\n<<< 550 User unknown.\n\n---- original message follows ----\n\n", threading.CategoryUserUnknown, true},
		{"CommuniGate", "Undeliverable mail: Offer", "Failed to deliver to 'ben@example.org'\nLOCAL module(account ben) reports:\n account is full (quota exceeded)\n\nOriginal message header:\n", threading.CategoryMailboxFull, false},
		{"PowerMTA", "Delivery report", "Hello, this is the mail server on mx.example.com.\n\nI am sending you this message to inform you on the delivery status of a\nmessage you previously sent.  Immediately below you will find a list of\nthe affected recipients.\n\n  <ben@example.org>; failed; 550 5.1.1 unknown user\n\nReturned message follows\n\n", threading.CategoryUserUnknown, true},
		{"MDaemon", "Permanent Delivery Failure", "The attached message has FAILED delivery to the following address:\n\n  ben@example.org\n\n550 <ben@example.org>, Recipient unknown\n\n: Message header follows\n\n", threading.CategoryUserUnknown, true},
		{"hMailServer", "Message undeliverable: Offer", "Your message did not reach some or all of the intended recipients.\n\nThe following recipient(s) could not be reached:\n\nben@example.org\n   Error Type: SMTP\n   Remote server (192.0.2.1) issued an error.\n   hMailServer sent: RCPT TO:<ben@example.org>\n   Remote server replied: 550 Unknown user\n\nhMailServer\n\nOriginal message header:\n", threading.CategoryUserUnknown, true},
		{"Zimbra", "Undelivered Mail Returned to Sender", "This is the mail system at host mx.example.com.\n\n<ben@example.org>: host mx.example.org[192.0.2.1] said: 552 5.2.2 Over quota (in reply to end of DATA command)\n\n", threading.CategoryMailboxFull, false},
		{"iCloud", "Undelivered Mail Returned to Sender", "<ben@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1 <ben@example.org>: user does not exist (in reply to RCPT TO command)\n\n", threading.CategoryUserUnknown, true},
		{"the sender is refused", "Undelivered Mail Returned to Sender", "<ben@example.org>: host mx.example.org[192.0.2.1] said: 550 user unknown (in reply to MAIL FROM command)\n\n", threading.CategoryUserUnknown, false},
		{"docomo", "Mail System Error - Returned Mail", "<ben@example.org>: host mx.example.org[192.0.2.1] said:\n    550 Unknown user ben@example.org (in reply to RCPT TO command)\n\n", threading.CategoryUserUnknown, true},
		{"invented, German", "Unzustellbar: Offer", "Ihre Nachricht an ben@example.org konnte nicht zugestellt werden.\n\nGrund: Benutzer unbekannt\n\n--- Originalnachricht ---\n", threading.CategoryUserUnknown, true},
		{"invented, French", "Non remis : Offer", "Votre message n'a pas pu être remis.\n\nDestinataire : ben@example.org\nMotif : boîte aux lettres pleine\n\n--- Message d'origine ---\n", threading.CategoryMailboxFull, false},
		{"invented, Spanish", "No se puede entregar: Offer", "No se ha podido entregar su mensaje.\n\nDestinatario: ben@example.org\nMotivo: el usuario no existe\n\n--- Mensaje original ---\n", threading.CategoryUserUnknown, true},
		{"invented, Japanese", "配信できません", "メールを配信できませんでした。\n\n宛先：ben@example.org\n理由：メールアドレスが存在しません\n\n--- 元のメッセージ ---\n", threading.CategoryUserUnknown, true},
		{"invented, a guess", "配信できません", "宛先：ben@example.org\nアドレスが存在しない、または受信を拒否している可能性があります。\n\n--- 元のメッセージ ---\n", threading.CategoryUserUnknown, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rep := read(t, textReport(tt.subject, tt.words))
			b := rep.Bounce()
			if rep.Kind() != mailbox.KindBounce || b == nil || len(b.Recipients) != 1 {
				t.Fatalf("got %s, %+v", rep.Kind(), b)
			}
			type facts struct {
				Address, Category string
				Hard              bool
				ID                mailbox.RFCMessageID
			}
			want := facts{"ben@example.org", tt.category, tt.hard, "sent.1@example.com"}
			got := facts{b.Recipients[0].Address, b.Recipients[0].Category, b.Recipients[0].Hard, b.OriginalMessageID}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%+v", diff, rep.Recipients)
			}
		})
	}
}
