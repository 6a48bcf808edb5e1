package threading_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

const returnedHeader = `Received: from host.example.com by mx.example.com; Mon, 2 Mar 2026 12:00:00 +0000
From: Ann <ann@example.com>
To: Ben <ben@example.org>
Message-ID: <sent.1@example.com>
Subject: Offer
MIME-Version: 1.0

Hello Ben, write to carl@example.net or call 550 5.1.1.
`

// The words of mail systems as they are documented or well known, with invented
// names.
var textForms = []struct {
	name, subject, words string
	want                 []mailbox.BounceRecipient
}{
	{
		"Exim", "Mail delivery failed: returning message to sender", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ben@example.org
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ben@example.org>:
    550 5.1.1 <ben@example.org>: Recipient address rejected: User unknown
  dora@example.net
    mailbox is full: retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

`,
		[]mailbox.BounceRecipient{
			{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true},
			{Address: "dora@example.net", Action: "failed", Category: threading.CategoryMailboxFull},
		},
	},
	{
		"Exim, forwarded", "Mail delivery failed: returning message to sender", `The following address(es) failed:

  inner@example.net
    (generated from ben@example.org)
    SMTP error from remote mail server after end of data:
    550 5.7.1 message rejected as spam

------ This is a copy of the message, including all the headers. ------
`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.7.1", SMTP: 550, Category: threading.CategorySpam}},
	},
	{
		"Exim, still trying", "Warning: message 1abcde-000001-AA delayed 24 hours", `A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.com.

The address to which the message has not yet been delivered is:

  ben@example.org
    Delay reason: Connection timed out

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "delayed", Category: threading.CategoryNetwork}},
	},
	{
		"qmail", "failure notice", `Hi. This is the qmail-send program at mx.example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ben@example.org>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 No such user
Giving up on 192.0.2.1.

<dora@nowhere.example>:
Sorry, I couldn't find any host named nowhere.example. (#5.1.2)

--- Below this line is a copy of the message.

`,
		[]mailbox.BounceRecipient{
			{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true},
			{Address: "dora@nowhere.example", Action: "failed", Status: "5.1.2", Category: threading.CategoryHostUnknown, Hard: true},
		},
	},
	{
		"Gmail, old", "Delivery Status Notification (Failure)", `Delivery to the following recipient failed permanently:

     ben@example.org

Technical details of permanent failure:
The error that the other server returned was: 552 552 5.2.2 over quota (state 14).

----- Original message -----

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.2.2", SMTP: 552, Category: threading.CategoryMailboxFull}},
	},
	{
		"Yahoo", "Failure Notice", `Sorry, we were unable to deliver your message to the following address.

<ben@example.org>:
Remote host said:
554 5.7.9 Message not accepted for policy reasons
[BODY]

--- Below this line is a copy of the message.

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.7.9", SMTP: 554, Category: threading.CategoryPolicy}},
	},
	{
		"Sendmail", "Returned mail: see transcript for details", `   ----- The following addresses had permanent fatal errors -----
<ben@example.org>
    (reason: 550 5.1.1 <ben@example.org>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> DATA
<<< 550 5.1.1 <ben@example.org>... User unknown
550 5.1.1 <ben@example.org>... User unknown
<<< 503 5.0.0 Need RCPT (recipient)

   ----- Original message follows -----

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"transcript, several", "Returned mail: User unknown", `   ----- Transcript of session follows -----
While talking to mx.example.org:
>>> RCPT To:<fine@example.org>
<<< 250 ok
>>> RCPT To:<ben@example.org>
<<< 550 no such user here
550 <ben@example.org>... User unknown
554 <dora@nowhere.example>... 550 Host unknown

   ----- Unsent message follows -----
`,
		[]mailbox.BounceRecipient{
			{Address: "ben@example.org", Action: "failed", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true},
			{Address: "dora@nowhere.example", Action: "failed", SMTP: 554, Category: threading.CategoryHostUnknown, Hard: true},
		},
	},
	{
		"OpenSMTPD", "Delivery status notification: error", `    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

ben@example.org: Envelope expired

    Below is a copy of the original message:

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryExpired}},
	},
	{
		"DragonFly", "Mail delivery failed", `This is the DragonFly Mail Agent v0.13 at host.example.com.

There was an error delivering your mail to <ben@example.org>.

mx.example.org [192.0.2.1] did not like our RCPT TO:
452 4.2.2 <ben@example.org>: mailbox full

Message headers follow.

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "4.2.2", SMTP: 452, Category: threading.CategoryMailboxFull}},
	},
	{
		"Exchange 2003", "Undeliverable: Offer", `Your message

  To:      ben@example.org
  Subject: Offer
  Sent:    Mon, 2 Mar 2026 12:00:00 +0000

did not reach the following recipient(s):

ben@example.org on Mon, 2 Mar 2026 12:00:00 +0000
    The recipient name is not recognized
`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"Microsoft 365", "Undeliverable: Offer", `Delivery has failed to these recipients or groups:

ben@example.org<mailto:ben@example.org>
Your message wasn't delivered.

Diagnostic information for administrators:

Generating server: host.prod.outlook.com

ben@example.org
Remote Server returned '550 5.4.1 Recipient address rejected: Access denied.'

Original message headers:

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.4.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"Microsoft 365, short", "Undeliverable: Offer", `Your message to ben@example.org couldn't be delivered.

ben wasn't recognised at example.org.

Original Message Details
Created Date: 3/2/2026
Sender Address: ann@example.com
Recipient Address: ben@example.org
Subject: Offer

Error Details
Reported error: 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ben@example.org not found by SMTP address lookup

Original Message Headers

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.1.10", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"AOL", "Mail System Error - Returned Mail", `This Message was undeliverable due to the following reason:

The following destination addresses were unknown (please check
the addresses and re-mail the message):

SMTP <ben@example.org>

Please reply to <Postmaster@example.net>
if you feel this message to be in error.

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"Gmail, the words alone", "Delivery Status Notification (Delay)", `** Delivery incomplete **

There was a temporary problem delivering your message to ben@example.org. Gmail will retry for 46 more hours.

The response was:

The recipient server did not accept our requests to connect.

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "delayed", Category: threading.CategoryNetwork}},
	},
	{
		"Mail.Ru", "Mail failure.", `К сожалению, Ваше письмо не может быть доставлено:

  ben@example.org
    550 Message was not accepted -- invalid mailbox.  Local mailbox ben@example.org is unavailable: user not found

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"Zoho", "Undelivered Mail Returned to Sender", `This message was created automatically by mail delivery software.
A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

ben@example.org Error, ERROR_CODE :421, ERROR_CODE :, Host not reachable.

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", SMTP: 421, Category: threading.CategoryNetwork}},
	},
	{
		"status fields in the words", "Delivery Status Notification (Failure)", `An error occurred while trying to deliver the mail to the following recipients:
ben@example.org

Technical report:

Reporting-MTA: dsn; host.example.com

Action: failed
Final-Recipient: rfc822; ben@example.org
Diagnostic-Code: smtp; 550 5.1.1 no such user
Status: 5.1.1

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"Domino", "DELIVERY FAILURE: not listed", `Your message

  Subject: Offer

was not delivered to:

  ben@example.org

because:

  User ben (ben@example.org) not listed in Domino Directory

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"refused after DATA", "failure notice", `ben@example.org

-------server message
550 unknown user <ben@example.org>

-------SMTP command
DATA

-------original message
`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", SMTP: 550, Category: threading.CategoryUserUnknown}},
	},
	{
		"rate, whatever the code", "failure notice", "<ben@example.org>:\n550 5.2.1 the user is receiving mail too quickly; user unknown for now\n\n--- Below this line is a copy of the message.\n\n",
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.2.1", SMTP: 550, Category: threading.CategoryRate}},
	},
	{
		"only the returned header names the recipient", "Undeliverable Message", "Message could not be delivered. Please contact support@example.com.\nError: No valid recipients\n\nOriginal Message:\n",
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"an X.400 address", "Undeliverable: Offer", `Your message

  To:      list@example.net
  Subject: Offer
  Sent:    Mon, 5 Jan 2026 09:00:00 +0100

did not reach the following recipient(s):

c=US;a= ;p=Example;o=Site;dda:SMTP=ben@example.org; on Mon, 5 Jan 2026
09:00:10 +0100
    The recipient name is not recognized

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"an address that is not disclosed", "Mail delivery failed", `The following address(es) failed:

  an undisclosed address
    (generated from ben@example.org)
    host mx.example.net: 550 5.1.1 unknown

------ This is a copy of the message, including all the headers. ------

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true}},
	},
	{
		"an alias named twice", "Returned mail: Too many hops", `   ----- The following addresses had permanent fatal errors -----
<inner@example.net>
    (expanded from: <ben@example.org>)

   ----- Transcript of session follows -----
554 5.4.6 Too many hops 26 (25 max): from ann@example.com via localhost, to ben@example.org

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.4.6", SMTP: 554, Category: threading.CategoryOther}},
	},
	{
		"more attempts, whatever the subject says", "Delivery failure notification", `Your message could not be delivered to the following recipients:

ben@example.org

Delivery attempts will continue to be made for 5 day(s).

--- Original message follows ---

`,
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "delayed", Category: threading.CategoryOther}},
	},
	{
		"German", "Mail delivery failed", "Ihre Nachricht konnte nicht zugestellt werden.\n\nEmpfänger: <ben@example.org>\nGrund: Postfach voll\n\n--- Originalnachricht ---\n",
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryMailboxFull}},
	},
	{
		"Chinese", "系统退信", "抱歉，您的邮件被退回。\n收件人：ben@example.org\n退信原因：收件人不存在\n\n----- 原邮件 -----\n",
		[]mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryUserUnknown, Hard: true}},
	},
}

func textReport(subject, words string) string {
	return "From: MAILER-DAEMON@mx.example.com\nTo: ann@example.com\nSubject: " + subject + "\n\n" + words + returnedHeader
}

func TestReadReportText(t *testing.T) {
	t.Parallel()
	for _, tt := range textForms {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := textReport(tt.subject, tt.words)
			want := &mailbox.Bounce{OriginalMessageID: "sent.1@example.com", Recipients: tt.want}
			for form, raw := range map[string]string{
				"LF": raw, "CRLF": crlf(raw),
				"base64": strings.Replace(raw, "\n\n", "\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n", 1),
				"HTML":   "From: MAILER-DAEMON@mx.example.com\nTo: ann@example.com\nSubject: " + tt.subject + "\nContent-Type: text/html\n\n" + asHTML(tt.words+returnedHeader),
			} {
				if form == "base64" {
					header, body, _ := strings.Cut(raw, "\n\n")
					raw = header + "\n\n" + base64.StdEncoding.EncodeToString([]byte(body))
				}
				if diff := cmp.Diff(want, read(t, raw).Bounce()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", form, diff)
				}
			}
			m := message([]byte(raw))
			m.Body = &mailbox.Body{Text: tt.words + returnedHeader}
			if diff := cmp.Diff(want, threading.ReportOf(m).Bounce()); diff != "" {
				t.Errorf("ReportOf (-want +got):\n%s", diff)
			}
			v := threading.Classify(m)
			if v.Kind != threading.ReportOf(m).Kind() {
				t.Errorf("Classify says %s", v.Kind)
			}
			if diff := cmp.Diff(want, v.Bounce); diff != "" {
				t.Errorf("Classify (-want +got):\n%s", diff)
			}
		})
	}
}

func asHTML(text string) string {
	return "<html><head><title>550 x@example.net</title></head><body><div>" +
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", "<br>").Replace(text) + "</div></body></html>"
}

// A report part without a diagnosis is completed from the words.
func TestReadReportPartAndWords(t *testing.T) {
	t.Parallel()
	raw := "From: MAILER-DAEMON@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\n<ben@example.org>\n    (reason: 550 Host unknown)\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; @mx.example.org\nAction: failed\nStatus: 5.0.0\n\n--b--\n"
	want := []mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Status: "5.0.0", SMTP: 550, Category: threading.CategoryHostUnknown, Hard: true}}
	if diff := cmp.Diff(want, read(t, raw).Bounce().Recipients); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	routed := status("Final-Recipient: rfc822; <@a.example,@b.example:ben@example.org>\nAction: failed\nStatus: 5.1.1\n")
	if got := read(t, routed).Recipients[0].Final; got != "ben@example.org" {
		t.Errorf("behind a source route stands %q", got)
	}
	nameless := read(t, status("Final-Recipient: rfc822; ben@example.org\nOriginal-Recipient: rfc822; ben\n")).Bounce()
	if got := nameless.Recipients[0].Address; got != "ben@example.org" {
		t.Errorf("the address is %q, and not the one with a domain", got)
	}
}

// Which of several addresses is the recipient.
func TestReadReportTextPrecedence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, header, words, want string }{
		{"the sender is named first", "", "ann@example.com\n\nYour message could not be delivered to:\n\nben@example.org\n550 5.1.1 unknown\n", "ben@example.org"},
		{"the sender alone", "", "ann@example.com:\n550 5.1.1 unknown\n", "ann@example.com"},
		{"a refused command beside an entry", "", ">>> RCPT TO:<carl@example.net>\n<<< 550 no such user\n>>> RCPT TO:<fine@example.net>\n<<< 250 ok\n\n554 <ben@example.org>... Host unknown\n", "carl@example.net ben@example.org"},
		{"returned text without a header", "", "<ben@example.org>:\n550 5.1.1 unknown\n\n--- Below this line is a copy of the message.\n\n<carl@example.net>:\n550 5.1.1 unknown\n", "ben@example.org"},
		{"the words tell what was before an alias", "X-Failed-Recipients: inner@example.net\n", "  inner@example.net\n    (generated from ben@example.org)\n    550 5.1.1 unknown\n", "ben@example.org"},
		{"who is behind an alias is not told", "", "The following failed:\n\n  an undisclosed address\n    (generated from ben@example.org)\n    550 5.1.1 unknown\n", "ben@example.org"},
		{"the header beats a greeting", "X-Failed-Recipients: ben@example.org\n", "carl@example.net is not able to read this. The group may not exist.\n", "ben@example.org"},
		{"the header when the words name nobody", "X-Failed-Recipients: ben@example.org\n", "save to box\n  mailbox is full\n", "ben@example.org"},
		{"who helps is no recipient", "", "Recipient: ben@example.org\nReason: 550 refused. Contact help@example.net or see http://example.net/?a=x@example.net\n", "ben@example.org"},
		{"several on one line", "", "The following failed:\n<ben@example.org>, <carl@example.net>\n\n550 5.1.1 unknown\n", "ben@example.org carl@example.net"},
		{"a quoted local part, a literal", "", "<\"b e n\"@example.org>:\nunknown\n\n<carl@[192.0.2.1]>:\nunknown\n", "\"b e n\"@example.org carl@[192.0.2.1]"},
		{"letters around and inside", "", "宛先carl@example.netは存在しません\n<jörg@exämple.org>:\nunknown\n", "carl@example.net jörg@exämple.org"},
	} {
		rep := read(t, "From: MAILER-DAEMON@mx.example.com\nTo: ann@example.com\nSubject: failure notice\n"+tt.header+"\n"+tt.words)
		var got []string
		for _, r := range rep.Bounce().Recipients {
			got = append(got, r.Address)
		}
		if all := strings.Join(got, " "); all != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, all, tt.want)
		}
	}
}

// What people write about failed mail is no report.
func TestReportTextOfPeople(t *testing.T) {
	t.Parallel()
	words := "My mail to ben@example.org failed:\n\n550 5.1.1 <ben@example.org>: User unknown\n\nAny idea?\n"
	raw := "From: Carl <carl@example.net>\nSubject: Re: Offer\nIn-Reply-To: <sent.1@example.com>\n\n" + words
	if rep := read(t, raw); rep.Kind() != "" {
		t.Errorf("got %+v", rep)
	}
	m := message([]byte(raw))
	m.Body = &mailbox.Body{Text: words}
	if v := threading.Classify(m); v.Kind != mailbox.KindHuman {
		t.Errorf("Classify says %s: %v", v.Kind, v.Evidence)
	}
}

// Subjects and names that hint at a report prove nothing: people write about
// failed mail, and behind a robot's name as well.
func TestHintsProveNothing(t *testing.T) {
	t.Parallel()
	report := "Could not deliver message to the following recipient(s):\n\nFailed Recipient: ben@example.org\nReason: Remote host said: 550 unknown user\n"
	for _, tt := range []struct {
		name, header, words string
		kind                mailbox.Kind
	}{
		{"a report", "Subject: Delivery failure\nFrom: admin@mx.example.org", report, mailbox.KindBounce},
		{"a report behind a prefix", "Subject: RE: Offer : non remis (delivery failed)\nFrom: robot@mx.example.org", "Your message could not be delivered to\nben@example.org\n", mailbox.KindBounce},
		{"a report by a mail server", "Subject: Warning\nFrom: MDaemon@mx.example.org", "ben@example.org - no such user here.\n\nThere is no user by that name at this server.\n", mailbox.KindBounce},
		{"a delay", "Subject: Mail Delivery Warning\nFrom: robot@mx.example.org", "Delivery to this address\n\n\"ben@example.org\"\n\nhas been postponed due to a full mailbox.\nWe will continue to try to deliver your message.\n", mailbox.KindDelay},
		{"behind a long introduction", "Subject: Our delivery failure notes\nFrom: admin@example.org", "Dear all,\n\n" + strings.Repeat("this is what our server writes these days. ", 12) + "\n\n" + report, mailbox.KindHuman},
		{"somebody shows one", "Subject: Re: Undeliverable: Offer\nFrom: carl@example.net", "Hi Ann, this came back:\n\nOn Mon, 5 Jan 2026 at 09:00, Mail Service <robot@mx.example.org> wrote:\n> " + strings.ReplaceAll(report, "\n", "\n> "), mailbox.KindHuman},
		{"somebody speaks of one and shows it", "Subject: Mail problem\nFrom: carl@example.net", "My mail could not be delivered, see below.\n\n-----Original Message-----\nFrom: Mail Service <robot@mx.example.org>\nSent: Monday, January 5, 2026 9:00 AM\nTo: Carl <carl@example.net>\nSubject: failure\n\n" + report, mailbox.KindHuman},
		{"somebody is mentioned", "Subject: Undeliverable mail?\nFrom: carl@example.net", "Hi Ann, your mail to me and ben@example.org was not delivered, they say. Try again?\n", mailbox.KindHuman},
		{"an answer", "Subject: Re: Delivery failure\nIn-Reply-To: <sent.1@example.com>\nFrom: carl@example.net", report, mailbox.KindHuman},
		{"nobody is named", "Subject: Bounced\nFrom: carl@example.net", "Your mail could not be delivered. Which address did you take?\n", mailbox.KindHuman},
		{"the words of a person", "Subject: Mail problems\nFrom: postmasters@example.net", "We have solved the problems.\n\nben@example.org is back.\n", mailbox.KindHuman},
	} {
		m := message([]byte(tt.header + "\nTo: ann@example.com\n\n"))
		m.Body = &mailbox.Body{Text: tt.words}
		v := threading.Classify(m)
		if v.Kind != tt.kind || tt.kind != mailbox.KindHuman && (v.Level != mailbox.LevelMedium || len(v.Bounce.Recipients) != 1 || v.Bounce.Recipients[0].Address != "ben@example.org") {
			t.Errorf("%s: %s %s %+v", tt.name, v.Kind, v.Level, v.Bounce)
		}
	}
}

// Servers refuse mail in the form of a read receipt.
func TestRejectionsAsReceipts(t *testing.T) {
	t.Parallel()
	parts := "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\nContent-Type: text/plain\n\n" +
		"Your message to <ben@example.org> was automatically rejected:\nQuota exceeded\n\n--b\nContent-Type: message/disposition-notification\n\n" +
		"Final-Recipient: rfc822; ben@example.org\nOriginal-Message-ID: <sent.1@example.com>\nDisposition: automatic-action/MDN-sent-automatically; deleted\n\n--b--\n"
	want := &mailbox.Bounce{
		OriginalMessageID: "sent.1@example.com",
		Recipients:        []mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryMailboxFull}},
	}
	for _, tt := range []struct {
		header string
		kind   mailbox.Kind
	}{
		{"Subject: Automatically rejected mail\n", mailbox.KindBounce},
		{"Subject: Offer\nAuto-Submitted: auto-replied (rejected)\n", mailbox.KindBounce},
		{"Subject: Not read: Offer\nAuto-Submitted: auto-replied\n", mailbox.KindReceipt},
		{"Subject: Re: Automatically rejected mail\n", mailbox.KindReceipt},
	} {
		raw := "From: Ben <ben@example.org>\n" + tt.header + parts
		header := message([]byte(raw))
		header.Body = nil
		v := threading.Classify(header)
		rep := read(t, raw)
		if v.Kind != tt.kind || rep.Kind() != tt.kind {
			t.Errorf("%q: %s by the header and %s by the report, want %s", tt.header, v.Kind, rep.Kind(), tt.kind)
		}
		if tt.kind == mailbox.KindBounce {
			if diff := cmp.Diff(want, rep.Refine(v).Bounce); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.header, diff)
			}
		}
	}
}

// A report with a weak header is found by its words.
func TestClassifyByWords(t *testing.T) {
	t.Parallel()
	m := message([]byte("Return-Path: <>\nFrom: no-reply@mobile.example.org\nSubject: Mail\n\n"))
	if v := threading.Classify(m); v.Kind != mailbox.KindHuman {
		t.Errorf("by its header it is %s", v.Kind)
	}
	m.Body = &mailbox.Body{Text: "Your mail could not be delivered to: <ben@example.org>\nAs their mailbox is full.\n"}
	v := threading.Classify(m)
	want := &mailbox.Bounce{Recipients: []mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed", Category: threading.CategoryMailboxFull}}}
	if diff := cmp.Diff(want, v.Bounce); v.Kind != mailbox.KindBounce || diff != "" {
		t.Errorf("%s (-want +got):\n%s", v.Kind, diff)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	const mail = `"mail":{"messageId":"0100-1","headers":[{"name":"Message-ID","value":"<sent.1@example.com>"}]}`
	for _, tt := range []struct {
		json string
		kind mailbox.Kind
		want mailbox.BounceRecipient
	}{
		{
			`{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"ben@example.org",` + "\n" + `"action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},` + mail + `}`,
			mailbox.KindBounce,
			mailbox.BounceRecipient{Address: "ben@example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true},
		},
		{
			`{"eventType":"Complaint","complaint":{"complaintFeedbackType":"abuse","complainedRecipients":[{"emailAddress":"ben@example.org"}]},` + mail + `}`,
			mailbox.KindComplaint,
			mailbox.BounceRecipient{Address: "ben@example.org"},
		},
		{
			`{"notificationType":"Delivery","delivery":{"recipients":["ben@example.org"],"smtpResponse":"250 2.6.0 ok"},` + mail + `}`,
			mailbox.KindReceipt,
			mailbox.BounceRecipient{Address: "ben@example.org", Action: "delivered", Status: "2.6.0"},
		},
	} {
		text := tt.json + "\n\n--\nIf you wish to stop receiving notifications, write to stop@example.com\n"
		m := message([]byte("From: Alerts <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message\n\n"))
		m.Body = &mailbox.Body{Text: text}
		rep := read(t, "From: Alerts <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message\n\n"+text)
		if rep.Kind() != tt.kind || rep.OriginalMessageID != "sent.1@example.com" || rep.EnvelopeID != "0100-1" {
			t.Errorf("%s: got %+v", tt.kind, rep)
		}
		if diff := cmp.Diff([]mailbox.BounceRecipient{tt.want}, rep.Bounce().Recipients); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.kind, diff)
		}
		if v := threading.Classify(m); v.Kind != tt.kind {
			t.Errorf("Classify says %s, want %s", v.Kind, tt.kind)
		}
		m.From, m.Header = []mailbox.Address{{Address: "ben@example.org"}}, nil
		if v := threading.Classify(m); v.Kind != mailbox.KindHuman {
			t.Errorf("pasted by a person it is %s", v.Kind)
		}
	}
}

func FuzzReportText(f *testing.F) {
	for _, tt := range textForms {
		f.Add(tt.words + returnedHeader)
	}
	f.Add("<@@@>\n<a@b>:\n550")
	f.Add("\"a@b\"@c.example: 5.1.1\n(generated from x@y.z)")
	f.Fuzz(func(t *testing.T, text string) {
		m := message([]byte("From: MAILER-DAEMON@example.com\nSubject: failure notice\n\n"))
		for _, body := range []mailbox.Body{{Text: text}, {HTML: text}} {
			m.Body = &body
			rep := threading.ReportOf(m)
			if len(rep.Recipients) > 1000 {
				t.Fatalf("%d recipients", len(rep.Recipients))
			}
			for _, r := range rep.Recipients {
				if len(r.Diagnostic) > 4096 || !strings.Contains(body.Text+body.HTML, "@") && !strings.Contains(body.HTML, "&") {
					t.Fatalf("recipient %+v from %q", r, text)
				}
			}
			if v := threading.Classify(m); v.Bounce == nil {
				t.Fatalf("verdict %+v", v)
			}
		}
	})
}

func BenchmarkReadReportText(b *testing.B) {
	raw := textReport(textForms[0].subject, textForms[0].words)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := threading.ReadReport(strings.NewReader(raw)); err != nil {
			b.Fatal(err)
		}
	}
}
