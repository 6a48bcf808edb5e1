package threading_test

import (
	"testing"

	"github.com/mailtether/mailtether/threading"
)

func TestCause(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status, diagnostic string
		wantStatus         string
		smtp               int
		category           string
		hard               bool
	}{
		// The address does not exist.
		{"5.1.1", "550 5.1.1 <a@example.org>: Recipient address rejected: User unknown", "5.1.1", 550, threading.CategoryUserUnknown, true},
		{"5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "5.1.10", 550, threading.CategoryUserUnknown, true},
		{"5.1.10", "556 5.1.10 Recipient address has null MX", "5.1.10", 556, threading.CategoryHostUnknown, true},
		{"5.1.3", "501 5.1.3 Invalid address syntax", "5.1.3", 501, threading.CategoryUserUnknown, true},
		{"5.4.1", "550 5.4.1 Recipient address rejected: Access denied.", "5.4.1", 550, threading.CategoryUserUnknown, true},
		{"5.0.0", "550 5.1.1 no such user here", "5.1.1", 550, threading.CategoryUserUnknown, true},
		{"5.0.0", "550 no such user here", "5.0.0", 550, threading.CategoryUserUnknown, true},
		{"", "550 Unknown user", "", 550, threading.CategoryUserUnknown, true},
		{"5.2.1", "550 5.2.1 <a@example.org>... User Unknown", "5.2.1", 550, threading.CategoryUserUnknown, true},
		{"5.1.2", "Host or domain name not found. Name service error for name=example.org type=MX: Host not found", "5.1.2", 0, threading.CategoryHostUnknown, true},
		{"5.4.4", "550 5.4.4 Invalid domain", "5.4.4", 550, threading.CategoryHostUnknown, true},

		// It may exist: a 4xx class is never hard, whatever the words.
		{"4.1.1", "450 4.1.1 User unknown in virtual alias table", "4.1.1", 450, threading.CategoryUserUnknown, false},
		{"4.4.4", "Host not found, try again", "4.4.4", 0, threading.CategoryNetwork, false},
		{"5.1.1", "450 User unknown", "5.1.1", 450, threading.CategoryUserUnknown, false},

		// Full, disabled.
		{"5.2.2", "552 5.2.2 The email account that you tried to reach is over quota", "5.2.2", 552, threading.CategoryMailboxFull, false},
		{"4.2.2", "452 4.2.2 mailbox full", "4.2.2", 452, threading.CategoryMailboxFull, false},
		{"", "552 storage", "", 552, threading.CategoryMailboxFull, false},
		{"5.2.1", "550 5.2.1 The email account that you tried to reach is disabled", "5.2.1", 550, threading.CategoryDisabled, false},

		// A rate or our own quota never condemns an address.
		{"4.2.1", "450-4.2.1 The user you are trying to contact is receiving mail too quickly.", "4.2.1", 450, threading.CategoryRate, false},
		{"5.2.1", "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents delivery", "5.2.1", 550, threading.CategoryRate, false},
		{"5.2.2", "550 5.2.2 STOREDRV.Submit; SubmissionQuotaExceededException", "5.2.2", 550, threading.CategoryRate, false},
		{"5.1.1", "550 5.1.1 too many messages, user unknown to us for now", "5.1.1", 550, threading.CategoryRate, false},
		{"5.7.233", "550 5.7.233 Your message can't be sent because your tenant exceeded its limit", "5.7.233", 550, threading.CategoryRate, false},
		{"4.3.2", "432 4.3.2 Concurrent connections limit exceeded", "4.3.2", 432, threading.CategoryRate, false},

		// Ours to repair, or the recipient's rule.
		{"5.7.26", "550-5.7.26 Unauthenticated email from example.com is not accepted", "5.7.26", 550, threading.CategoryAuth, false},
		{"5.7.515", "550 5.7.515 Access denied, sending domain does not meet the required authentication level", "5.7.515", 550, threading.CategoryAuth, false},
		{"5.7.1", "550 5.7.1 Service unavailable; client host blocked using Spamhaus", "5.7.1", 550, threading.CategoryBlocked, false},
		{"5.7.1", "554 5.7.1 Message rejected as spam", "5.7.1", 554, threading.CategorySpam, false},
		{"5.7.1", "550 5.7.1 Unable to relay", "5.7.1", 550, threading.CategoryPolicy, false},
		{"5.7.1", "550 5.7.1 user unknown", "5.7.1", 550, threading.CategoryPolicy, false},
		{"5.7.1", "554 5.7.1 <a@example.org>: Recipient address rejected: user a@example.org does not exist", "5.7.1", 554, threading.CategoryUserUnknown, true},
		{"5.7.350", "550 5.7.350 Remote server returned message not accepted", "5.7.350", 550, threading.CategorySpam, false},
		{"5.7.133", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", "5.7.133", 550, threading.CategoryPolicy, false},
		{"5.4.1", "550 5.4.1 Relay access denied", "5.4.1", 550, threading.CategoryPolicy, false},
		{"5.7.606", "550 5.7.606 Access denied, banned sending IP", "5.7.606", 550, threading.CategoryBlocked, false},
		{"4.7.650", "451 4.7.650 The mail server has been temporarily rate limited", "4.7.650", 451, threading.CategoryRate, false},
		{"4.7.500", "451 4.7.500 Server busy", "4.7.500", 451, threading.CategoryBlocked, false},
		{"5.1.8", "550 5.1.8 Access denied, bad outbound sender", "5.1.8", 550, threading.CategoryBlocked, false},
		{"5.2.3", "552 5.2.3 Message too large", "5.2.3", 552, threading.CategoryTooLarge, false},

		// On the way.
		{"4.4.7", "550 4.4.7 QUEUE.Expired; message expired", "4.4.7", 550, threading.CategoryExpired, false},
		{"4.4.1", "connect to mx.example.org[192.0.2.1]:25: Connection timed out", "4.4.1", 0, threading.CategoryNetwork, false},
		{"5.4.6", "554 5.4.6 Hop count exceeded - possible mail loop", "5.4.6", 554, threading.CategoryOther, false},
		{"5.0.0", "554 transaction failed", "5.0.0", 554, threading.CategoryOther, false},

		// The words of servers in other languages.
		{"", "550 Empfänger unbekannt", "", 550, threading.CategoryUserUnknown, true},
		{"", "550 Adresse d au moins un destinataire invalide", "", 550, threading.CategoryUserUnknown, true},
		{"", "550 收件人不存在", "", 550, threading.CategoryUserUnknown, true},
		{"", "550 такого ящика не существует", "", 550, threading.CategoryUserUnknown, true},
		{"", "552 Postfach voll", "", 552, threading.CategoryMailboxFull, false},
		{"", "552 buzón lleno", "", 552, threading.CategoryMailboxFull, false},
		{"", "550 邮箱已满", "", 550, threading.CategoryMailboxFull, false},
		{"", "550 ящик заблокирован", "", 550, threading.CategoryDisabled, false},
		{"", "550 垃圾邮件", "", 550, threading.CategorySpam, false},
		{"", "550 发送频率过高", "", 550, threading.CategoryRate, false},

		// The names in an address are no cause.
		{"5.0.0", "554 <spam.user-unknown@example.org>: refused", "5.0.0", 554, threading.CategoryOther, false},
		// The address exists, whatever the code.
		{"5.1.1", "550 5.1.1 Refused due to recipient preferences", "5.1.1", 550, threading.CategoryPolicy, false},
		{"5.1.0", "550 5.1.0 Sender address rejected: does not exist", "5.1.0", 550, threading.CategoryPolicy, false},
		{"5.1.0", "550 5.1.0 Address rejected", "5.1.0", 550, threading.CategoryUserUnknown, true},

		// Nothing is known.
		{"", "", "", 0, "", false},

		// The words of the server that refused beat the summary.
		{"5.1.1", "550 5.7.1 IP address blacklisted by recipient", "5.7.1", 550, threading.CategoryBlocked, false},
		{"5.1.0", "5.1.0 - Unknown address error 550-'5.2.2 <a@example.org>... Mailbox Full'", "5.2.2", 550, threading.CategoryMailboxFull, false},
		{"5.1.1", "250 2.1.5 ok", "5.1.1", 0, threading.CategoryUserUnknown, true},

		// Numbers that are no codes.
		{"5.5.0", "host 5.1.1.7 said 550.1 at 10551 v5.1.2", "5.5.0", 0, threading.CategoryOther, false},
		{"5.5.0", "mx550.example.org, port 587, 5501", "5.5.0", 0, threading.CategoryOther, false},
		{"5.5.0", "554.", "5.5.0", 0, threading.CategoryOther, false},
		{"5.5.0", "said:554-refused", "5.5.0", 554, threading.CategoryOther, false},
	}
	for _, tt := range tests {
		r := threading.Report{Recipients: []threading.ReportRecipient{
			{Final: "a@example.org", Action: "failed", Status: tt.status, Diagnostic: tt.diagnostic},
			{Final: "a@example.org", Action: "delayed", Status: tt.status, Diagnostic: tt.diagnostic},
			{Final: "a@example.org", Action: "delivered", Status: tt.status, Diagnostic: tt.diagnostic},
		}}
		got := r.Bounce().Recipients
		if got[0].Status != tt.wantStatus || got[0].SMTP != tt.smtp || got[0].Category != tt.category || got[0].Hard != tt.hard {
			t.Errorf("%q %q:\n got status %q, SMTP %d, %s, hard %v\nwant status %q, SMTP %d, %s, hard %v", tt.status, tt.diagnostic,
				got[0].Status, got[0].SMTP, got[0].Category, got[0].Hard, tt.wantStatus, tt.smtp, tt.category, tt.hard)
		}
		if got[1].Hard {
			t.Errorf("%q %q: a delay is hard", tt.status, tt.diagnostic)
		}
		if got[2].Hard || got[2].Category != "" {
			t.Errorf("%q %q: a delivery has the cause %q, hard %v", tt.status, tt.diagnostic, got[2].Category, got[2].Hard)
		}
	}
}
