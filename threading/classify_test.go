package threading_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// header makes a message of header lines, as a driver gives it.
func header(lines ...string) *mailbox.Message {
	return message([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
}

func rules(evidence []mailbox.Evidence) []string {
	var all []string
	for _, e := range evidence {
		all = append(all, e.Rule)
	}
	return all
}

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		kind  mailbox.Kind
		sub   string
		level mailbox.Level
		rules []string
	}{
		// Bounces and delays.
		{
			name: "Gmail failure",
			lines: []string{
				"From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
				"To: ann@example.com", "Return-Path: <>", "Auto-Submitted: auto-replied",
				"Subject: Delivery Status Notification (Failure)",
				`Content-Type: multipart/report; boundary="b"; report-type=delivery-status`,
				"X-Failed-Recipients: nobody@example.org",
				"In-Reply-To: <sent.1@mail.example.com>", "References: <sent.1@mail.example.com>",
			},
			kind: mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "failed_recipients", "daemon_sender", "null_return_path", "auto_submitted", "report_subject"},
		},
		{
			name: "Gmail failure, old style",
			lines: []string{
				"From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Content-Type: text/plain; charset=ISO-8859-1",
				"Subject: Delivery Status Notification (Failure)", "X-Failed-Recipients: nobody@example.org",
			},
			kind: mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"failed_recipients", "daemon_sender", "report_subject"},
		},
		{
			name: "Gmail delay",
			lines: []string{
				"From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Return-Path: <>",
				"Subject: Delivery Status Notification (Delay)", "X-Failed-Recipients: nobody@example.org",
			},
			kind: mailbox.KindDelay, level: mailbox.LevelCertain,
			rules: []string{"failed_recipients", "daemon_sender", "null_return_path", "report_subject"},
		},
		{
			name: "Exchange NDR, German",
			lines: []string{
				"From: Microsoft Outlook <postmaster@example.org>", "Subject: =?utf-8?Q?Unzustellbar:_Angebot_f=C3=BCr_M=C3=A4rz?=",
				`Content-Type: multipart/report; report-type=delivery-status; boundary="b"`,
				"X-MS-Exchange-Message-Is-Ndr:", "Auto-Submitted: auto-replied", "In-Reply-To: <sent.1@example.com>",
			},
			kind: mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "exchange_ndr", "postmaster_sender", "auto_submitted", "report_subject"},
		},
		{
			name: "Exchange to its own organisation",
			lines: []string{
				"From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>",
				"Subject: Undeliverable: Quick question", "Content-Type: multipart/report; report-type=delivery-status",
			},
			kind: mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "postmaster_sender", "report_subject"},
		},
		{
			name: "undeliverable mail about a delay is a failure",
			lines: []string{
				"From: postmaster@example.org", "Subject: Undeliverable: your delayed order",
				"Content-Type: multipart/report; report-type=delivery-status",
			},
			kind: mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "postmaster_sender", "report_subject"},
		},
		{
			name: "Postfix delay",
			lines: []string{
				"From: MAILER-DAEMON@mx.example.org (Mail Delivery System)", "Subject: Delayed Mail (still being retried)",
				"Content-Type: multipart/report; report-type=delivery-status", "Auto-Submitted: auto-replied",
			},
			kind: mailbox.KindDelay, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "daemon_sender", "auto_submitted", "report_subject"},
		},
		{
			name: "Sendmail warning told by the comment only",
			lines: []string{
				"From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>", "Subject: =?utf-8?B?w6TDtsO8?=",
				"Content-Type: multipart/report; report-type=delivery-status", "Auto-Submitted: auto-generated (warning-timeout)",
			},
			kind: mailbox.KindDelay, level: mailbox.LevelHigh,
			rules: []string{"report_delivery_status", "daemon_sender", "auto_submitted"},
		},
		{
			name:  "report that says no more",
			lines: []string{"From: mta@example.org", "Subject: Status", "Content-Type: multipart/report; report-type=\"delivery-status\""},
			kind:  mailbox.KindBounce, level: mailbox.LevelHigh,
			rules: []string{"report_delivery_status"},
		},
		{
			name:  "report without its type",
			lines: []string{"From: Mail System <mta@example.org>", "Return-Path: <>", "Subject: Delivery status notification", "Content-Type: multipart/report; boundary=b"},
			kind:  mailbox.KindBounce, level: mailbox.LevelMedium,
			rules: []string{"report_null_path", "report", "null_return_path"},
		},
		{
			name:  "report of RFC 6533 that is not multipart",
			lines: []string{"From: mta@example.org", "Subject: failure notice", "Content-Type: message/global-delivery-status"},
			kind:  mailbox.KindBounce, level: mailbox.LevelCertain,
			rules: []string{"report_delivery_status", "report_subject"},
		},
		{
			name:  "qmail",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Return-Path: <>", "Subject: failure notice"},
			kind:  mailbox.KindBounce, level: mailbox.LevelHigh,
			rules: []string{"daemon_sender", "null_return_path", "report_subject"},
		},
		{
			name:  "daemon without a domain",
			lines: []string{"From: MAILER-DAEMON <>", "Subject: Mail delivery failed"},
			kind:  mailbox.KindBounce, level: mailbox.LevelHigh,
			rules: []string{"daemon_sender", "report_subject"},
		},
		{
			name:  "daemon and nothing else",
			lines: []string{"From: <MAILER-DAEMON@mx.example.org>", "Subject: Hello"},
			kind:  mailbox.KindBounce, level: mailbox.LevelMedium,
			rules: []string{"daemon_sender"},
		},
		{
			name:  "null path and subject",
			lines: []string{"From: Robot <robot@example.org>", "Return-Path: <>", "Subject: failure notice"},
			kind:  mailbox.KindBounce, level: mailbox.LevelMedium,
			rules: []string{"null_path_report", "null_return_path", "report_subject"},
		},
		{
			name:  "a sender without an address",
			lines: []string{`From: "Mail robot" <>`, "Subject: Mail error"},
			kind:  mailbox.KindBounce, level: mailbox.LevelMedium,
			rules: []string{"daemon_sender"},
		},
		{
			name:  "a sender with the name of a service and no address",
			lines: []string{"From: sending.example.org", "Subject: Undelivered Mail Returned to Sender"},
			kind:  mailbox.KindBounce, level: mailbox.LevelHigh,
			rules: []string{"postmaster_sender", "report_subject"},
		},
		{
			name:  "a complaint of Outlook.com's older form",
			lines: []string{"From: staff@hotmail.com", "Subject: complaint about message from 192.0.2.1"},
			kind:  mailbox.KindComplaint, level: mailbox.LevelHigh,
			rules: []string{"report_junk"},
		},
		{
			name:  "bounce through a list",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Subject: Returned mail: User unknown", "List-Id: <a.example.org>", "Precedence: bulk"},
			kind:  mailbox.KindBounce, level: mailbox.LevelHigh,
			rules: []string{"daemon_sender", "report_subject"},
		},

		// Receipts, complaints, calendar, reactions.
		{
			name:  "read receipt",
			lines: []string{"From: ben@example.org", "Return-Path: <>", "Subject: Read: Offer", "Content-Type: multipart/report; boundary=b; report-type=disposition-notification"},
			kind:  mailbox.KindReceipt, sub: threading.SubDisposition, level: mailbox.LevelCertain,
			rules: []string{"report_disposition"},
		},
		{
			name: "delivery receipt",
			lines: []string{
				"From: MAILER-DAEMON@mx.example.org", "Return-Path: <>", "Subject: Successful Mail Delivery Report",
				"Content-Type: multipart/report; report-type=delivery-status", "Auto-Submitted: auto-replied",
			},
			kind: mailbox.KindReceipt, sub: threading.SubDelivery, level: mailbox.LevelCertain,
			rules: []string{"report_delivered"},
		},
		{
			name:  "feedback report",
			lines: []string{"From: fbl@example.org", "Subject: FW: Offer", `Content-Type: multipart/report; report-type="feedback-report"; boundary=b`, "Auto-Submitted: auto-generated"},
			kind:  mailbox.KindComplaint, level: mailbox.LevelCertain,
			rules: []string{"report_feedback"},
		},
		{
			name:  "calendar answer",
			lines: []string{"From: ben@example.org", "Subject: Accepted: Visit", `Content-Type: text/calendar; charset="utf-8"; method=REPLY`, "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindCalendar, sub: "reply", level: mailbox.LevelCertain,
			rules: []string{"calendar_part"},
		},
		{
			name:  "calendar class",
			lines: []string{"From: ben@example.org", "Subject: Abgelehnt: Besuch", "Content-Type: multipart/alternative", "Content-class: urn:content-classes:calendarmessage"},
			kind:  mailbox.KindCalendar, level: mailbox.LevelCertain,
			rules: []string{"calendar_class"},
		},
		{
			name:  "reaction",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "Content-Type: text/vnd.google.email-reaction+json", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindReaction, level: mailbox.LevelCertain,
			rules: []string{"reaction_part"},
		},

		// Automatic replies.
		{
			name: "Exchange absence",
			lines: []string{
				"From: ben@example.org", "Subject: Automatic reply: Offer", "Auto-Submitted: auto-generated", "In-Reply-To: <sent.1@example.com>",
				"X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent", "X-Auto-Response-Suppress: All",
				"X-MS-Exchange-Inbox-Rules-Loop: ben@example.org", "Return-Path: <>",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelHigh,
			rules: []string{"auto_submitted", "exchange_generated", "exchange_rule_answer", "absence_subject"},
		},
		{
			name:  "Exchange rule answer with a human subject",
			lines: []string{"From: jobs@example.org", "Subject: RE: Application", "X-Auto-Response-Suppress: All", "X-MS-Exchange-Inbox-Rules-Loop: jobs@example.org"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelMedium,
			rules: []string{"exchange_rule_answer"},
		},
		{
			name:  "without a return path, as bulk, from no list",
			lines: []string{"From: Ben <ben@example.org>", "Subject: Thank you for your e-mail", "Return-Path: <>", "Precedence: bulk"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelMedium,
			rules: []string{"null_path_bulk"},
		},
		{
			name:  "without a return path, as bulk, from a list",
			lines: []string{"From: Ben <ben@example.org>", "Subject: News", "Return-Path: <>", "Precedence: bulk", "List-Unsubscribe: <https://example.org/leave>"},
			kind:  mailbox.KindList, level: mailbox.LevelHigh,
			rules: []string{"list_unsubscribe"},
		},
		{
			name:  "announced in brackets",
			lines: []string{"From: Ben <ben@example.org>", "Subject: [Automatyczna odpowiedź] Offer", "Precedence: junk"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"absence_subject"},
		},
		{
			name:  "a ticket in brackets announces nothing",
			lines: []string{"From: Ben <ben@example.org>", "Subject: [Ticket created] Offer"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "sieve vacation",
			lines: []string{"From: ben@example.org", "Subject: Auto: Offer", "Auto-Submitted: auto-replied (vacation)", "Return-Path: <>"},
			kind:  mailbox.KindAutoReply, sub: threading.SubVacation, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted", "auto_prefix"},
		},
		{
			name:  "keyword with parameters and comments",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", `Auto-Submitted: (robot; v2) Auto-Replied (zimbra; vacation); owner-email="x"`},
			kind:  mailbox.KindAutoReply, sub: threading.SubVacation, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted"},
		},
		{
			name:  "second Auto-Submitted field",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "Auto-Submitted: no", "Auto-Submitted: auto-replied"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted"},
		},
		{
			name:  "unknown Auto-Submitted keyword",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "Auto-Submitted: x-robot"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelHigh,
			rules: []string{"auto_submitted"},
		},
		{
			name:  "Gmail vacation",
			lines: []string{"From: ben@example.org", "Subject: Urlaub Re: Offer", "Precedence: bulk", "X-Autoreply: yes", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelHigh,
			rules: []string{"x_autoreply", "away_subject"},
		},
		{
			name:  "iCloud vacation",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "X-Apple-Action: VACATION"},
			kind:  mailbox.KindAutoReply, sub: threading.SubVacation, level: mailbox.LevelCertain,
			rules: []string{"apple_vacation"},
		},
		{
			name:  "autoresponder of a hoster",
			lines: []string{"From: info@example.org", "Subject: Thank you", "Precedence: auto_reply", "X-Autorespond: Offer"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelHigh,
			rules: []string{"precedence_auto_reply", "x_autoreply"},
		},
		{
			name:  "ticket robot",
			lines: []string{"From: help@example.org", "Subject: [example.org #2091] AutoReply: Broken blind", "Auto-Submitted: auto-replied"},
			kind:  mailbox.KindAutoReply, sub: threading.SubTicketRobot, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted", "auto_reply_subject"},
		},
		{
			name:  "absence by subject, with a list tag",
			lines: []string{"From: ben@example.org", "Subject: [Garden] Ben Example is out of the office.", "List-Id: <garden.example.org>"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"absence_subject"},
		},
		{
			name:  "absence by subject, French",
			lines: []string{"From: ben@example.org", "Subject: =?utf-8?Q?R=C3=A9ponse_automatique_:_Offre?="},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"absence_subject"},
		},
		{
			name:  "absence by subject, Japanese",
			lines: []string{"From: ben@example.org", "Subject: =?utf-8?B?6Ieq5YuV5b+c562UOiBPZmZlcg==?="},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"absence_subject"},
		},
		{
			name:  "old vacation program",
			lines: []string{"From: ben@example.org", "Subject: away from my mail (Re: Offer)", "Precedence: junk"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"auto_prefix"},
		},

		// Lists.
		{
			name:  "list mail",
			lines: []string{"From: ben@example.org", "Subject: Agenda", "List-Id: <plan.example.org>", "List-Unsubscribe: <mailto:leave@example.org>", "Precedence: list"},
			kind:  mailbox.KindList, level: mailbox.LevelHigh,
			rules: []string{"list_id", "list_unsubscribe"},
		},
		{
			name:  "campaign that fakes a reply prefix",
			lines: []string{"From: shop@example.org", "Subject: Re: your basket", "Feedback-ID: 1:2:3"},
			kind:  mailbox.KindList, level: mailbox.LevelMedium,
			rules: []string{"feedback_id"},
		},

		// People.
		{
			name:  "reply",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "In-Reply-To: <sent.1@example.com>", "Return-Path: <ben@example.org>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelHigh,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "Auto-Submitted: no",
			lines: []string{"From: ben@example.org", "Subject: RE: Automatic reply wording", "Auto-Submitted: No (a person)"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "asks others not to answer automatically",
			lines: []string{"From: ben@example.org", "Subject: AW: Angebot", "X-Auto-Response-Suppress: All"},
			kind:  mailbox.KindHuman, level: mailbox.LevelLow,
			rules: []string{"no_automatic_sign", "auto_response_suppress"},
		},
		{
			name:  "Precedence: bulk",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "Precedence: bulk", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign", "precedence"},
		},
		{
			name:  "redirected by a rule",
			lines: []string{"From: ben@example.org", "Subject: FW: Order", "X-MS-Exchange-Inbox-Rules-Loop: ben@example.org"},
			kind:  mailbox.KindHuman, level: mailbox.LevelLow,
			rules: []string{"no_automatic_sign", "exchange_rules_loop"},
		},
		{
			name:  "reply through a list",
			lines: []string{"From: ben@example.org", "Subject: [Garden] Re: Slugs", "List-Id: <garden.example.org>", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign", "through_list"},
		},
		{
			name:  "reply sent by a CRM",
			lines: []string{"From: ben@example.org", "Subject: Re: Demo", "List-Unsubscribe: <https://example.org/u>", "Feedback-ID: 9:9:crm", "References: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign", "list_unsubscribe"},
		},
		{
			name:  "the postmaster writes",
			lines: []string{"From: Postmaster <postmaster@example.org>", "Subject: Re: Your mails to our staff", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign", "postmaster_sender"},
		},
		{
			name:  "the postmaster answers about a bounce",
			lines: []string{"From: postmaster@example.org", "Subject: Re: Undelivered Mail Returned to Sender", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign", "postmaster_sender"},
		},
		{
			name:  "answers shall go to nobody",
			lines: []string{"From: ben@example.org", "Reply-To: mailer-daemon@example.org", "Subject: Offer"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "answers a bounce",
			lines: []string{"From: ben@example.org", "Subject: Re: Undelivered Mail Returned to Sender", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelHigh,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "forwards a bounce",
			lines: []string{"From: ben@example.org", "Subject: Fwd: Delivery Status Notification (Failure)", "Content-Type: multipart/mixed; boundary=b"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "writes about undeliverable parcels",
			lines: []string{"From: ben@example.org", "Subject: Undeliverable parcels in Q3"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "answers in a thread named by an absence note",
			lines: []string{"From: ben@example.org", "Subject: Re: Automatic reply: Offer", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelHigh,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "jokes about an absence note",
			lines: []string{"From: ben@example.org", "Subject: [Garden] Re: [Garden] Ann is out of the office."},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name: "BoxTrapper of cPanel",
			lines: []string{
				"From: ben@example.org", "Subject: Your email requires verification verify#a1-1755808398",
				"X-Boxtrapper: a1", "X-Autorespond: a1", "Precedence: auto_reply",
			},
			kind: mailbox.KindChallenge, level: mailbox.LevelHigh,
			rules: []string{"challenge_agent"},
		},
		{
			name: "spam that calls itself BoxTrapper",
			lines: []string{
				"From: ben@example.org", "Subject: Order 42", "X-Boxtrapper: a1", "X-Autorespond: a1", "Precedence: auto_reply",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelHigh,
			rules: []string{"x_autoreply", "precedence_auto_reply"},
		},
		{
			name: "rule of Exchange that notifies",
			lines: []string{
				"From: Microsoft Outlook <postmaster@example.org>", "Subject: Notification: Offer", "Return-Path: <>", "Auto-Submitted: auto-generated",
				"X-MS-Exchange-Transport-Rules-Notification: 1", "X-MS-Exchange-Generated-Message-Source: Transport Rule Agent",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelHigh,
			rules: []string{"auto_submitted", "exchange_generated"},
		},
		{
			name:  "absence of Notes",
			lines: []string{"From: ben@example.org", "Subject: AUTO: Ben Other is out of the office (returning 10/01/2026)"},
			kind:  mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelMedium,
			rules: []string{"absence_subject"},
		},
		{
			name: "Gmail's vacation responder, with the number of our ticket",
			lines: []string{
				"From: ben@example.org", "Subject: Away RE: Offer [Ticket#1118974]", "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Autoreply: yes",
				"Message-ID: <CA+1@mail.gmail.com>",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOutOfOffice, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted", "x_autoreply", "away_subject"},
		},
		{
			name: "Gmail's vacation responder, with a subject of the user's own",
			lines: []string{
				"From: ben@example.org", "Subject: Hello - RE: Offer [Ticket#1118974]", "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Autoreply: yes",
				"Message-ID: <CA+1@mail.gmail.com>",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubVacation, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted", "x_autoreply"},
		},
		{
			name: "robot of a help desk on Gmail",
			lines: []string{
				"From: ben@example.org", "Subject: Re: Offer [Ticket#1118974]", "Auto-Submitted: auto-replied", "Message-ID: <CA+1@mail.gmail.com>",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubTicketRobot, level: mailbox.LevelCertain,
			rules: []string{"auto_submitted"},
		},
		{
			name: "answer of Exchange, with the number of our ticket",
			lines: []string{
				"From: ben@example.org", "Subject: Offer [Ticket#1118974]", "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelHigh,
			rules: []string{"exchange_generated"},
		},
		{
			name: "rule of a mailbox, with the number of our ticket",
			lines: []string{
				"From: ben@example.org", "Subject: [Ticket#10123] Offer", "X-Auto-Response-Suppress: All", "X-MS-Exchange-Inbox-Rules-Loop: ben@example.org",
			},
			kind: mailbox.KindAutoReply, sub: threading.SubOther, level: mailbox.LevelMedium,
			rules: []string{"exchange_rule_answer"},
		},
		{
			name:  "plans absences",
			lines: []string{"From: ben@example.org", "Subject: Out of office days in August?"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "writes about the car, in German",
			lines: []string{"From: ben@example.org", "Subject: Auto: Reifenwechsel"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "accepted, but no calendar answer",
			lines: []string{"From: ben@example.org", "Subject: Accepted: your offer"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "read, but no receipt",
			lines: []string{"From: ben@example.org", "Subject: Read: chapter 4", "In-Reply-To: <sent.1@example.com>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelHigh,
			rules: []string{"no_automatic_sign"},
		},
		{
			name:  "null path alone",
			lines: []string{"From: ben@example.org", "Subject: Re: Offer", "Return-Path: <>"},
			kind:  mailbox.KindHuman, level: mailbox.LevelLow,
			rules: []string{"no_automatic_sign", "null_return_path"},
		},
		{
			name:  "nothing at all",
			lines: []string{"X: y"},
			kind:  mailbox.KindHuman, level: mailbox.LevelMedium,
			rules: []string{"no_automatic_sign"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := threading.Classify(header(tt.lines...))
			if v.Kind != tt.kind || v.Sub != tt.sub || v.Level != tt.level {
				t.Errorf("got %s %q %s, want %s %q %s", v.Kind, v.Sub, v.Level, tt.kind, tt.sub, tt.level)
			}
			if diff := cmp.Diff(tt.rules, rules(v.Evidence)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if bounced := v.Kind == mailbox.KindBounce || v.Kind == mailbox.KindDelay; bounced != (v.Bounce != nil) {
				t.Errorf("kind %s with Bounce %+v", v.Kind, v.Bounce)
			}
			for _, e := range v.Evidence {
				if strings.ContainsAny(e.Detail, "@<") {
					t.Errorf("the detail of %s holds personal text: %q", e.Rule, e.Detail)
				}
			}
		})
	}
}

// Some providers give decoded fields and no header, or only a part of it.
func TestClassifyIncompleteHeader(t *testing.T) {
	t.Parallel()
	v := threading.Classify(&mailbox.Message{From: []mailbox.Address{{Address: "ben@example.org"}}, Subject: "Re: Offer"})
	if v.Kind != mailbox.KindHuman || v.Level != mailbox.LevelLow {
		t.Errorf("a message without a header is %s %s, want human low", v.Kind, v.Level)
	}
	if diff := cmp.Diff([]string{"no_automatic_sign", "header_incomplete"}, rules(v.Evidence)); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	v = threading.Classify(&mailbox.Message{
		From:    []mailbox.Address{{Name: "Microsoft Outlook", Address: "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com"}},
		Subject: "Não entregue: Offer",
	})
	if v.Kind != mailbox.KindBounce || v.Level != mailbox.LevelHigh {
		t.Errorf("an NDR without a header is %s %s, want bounce high", v.Kind, v.Level)
	}
	v = threading.Classify(&mailbox.Message{
		Subject: "Re: Offer", Attachments: []mailbox.Attachment{{ContentType: "text/vnd.google.email-reaction+json; charset=utf-8"}},
	})
	if v.Kind != mailbox.KindReaction {
		t.Errorf("a message with a reaction part is %s", v.Kind)
	}
	v = threading.Classify(&mailbox.Message{
		Subject: "[DMARC Failure Report] Offer", Attachments: []mailbox.Attachment{{ContentType: "message/feedback-report"}},
	})
	if v.Kind != mailbox.KindComplaint || v.Level != mailbox.LevelHigh {
		t.Errorf("a message with a feedback report is %s %s, want complaint high", v.Kind, v.Level)
	}
}

func TestClassifyFillsBounce(t *testing.T) {
	t.Parallel()
	v := threading.Classify(header(
		"From: mailer-daemon@googlemail.com", "To: ann@example.com", "Subject: Delivery Status Notification (Failure)",
		"X-Failed-Recipients: nobody@example.org,", " <Other@Example.net>", "X-Failed-Recipients: third@example.org, nonsense",
		"In-Reply-To: <sent.1@mail.example.com>", "References: <old@example.com> <sent.1@mail.example.com>",
	))
	want := &mailbox.Bounce{
		OriginalMessageID: "sent.1@mail.example.com",
		Recipients: []mailbox.BounceRecipient{
			{Address: "nobody@example.org", Action: "failed"},
			{Address: "Other@Example.net", Action: "failed"},
			{Address: "third@example.org", Action: "failed"},
		},
	}
	if diff := cmp.Diff(want, v.Bounce); diff != "" {
		t.Errorf("Bounce (-want +got):\n%s", diff)
	}

	for name, tt := range map[string]struct {
		field string
		want  mailbox.RFCMessageID
	}{
		"References":                         {"References: <old@example.com> <sent.1@example.com>", "sent.1@example.com"},
		"Exchange":                           {"X-MS-Exchange-Parent-Message-Id: <sent.1@example.com>", "sent.1@example.com"},
		"an address is no id":                {"In-Reply-To: <ann@example.com>", ""},
		"an address beside the id":           {"In-Reply-To: <sent.1@example.com> <ANN@example.com>", "sent.1@example.com"},
		"an address, the id is in the other": {"In-Reply-To: ann@example.com\r\nReferences: <sent.1@example.com>", "sent.1@example.com"},
	} {
		v := threading.Classify(header("From: MAILER-DAEMON@example.org", "To: Ann <ann@example.com>", "Subject: failure notice", tt.field))
		if v.Bounce == nil || v.Bounce.OriginalMessageID != tt.want {
			t.Errorf("%s: got %+v, want id %q", name, v.Bounce, tt.want)
		}
	}
}

// Senders that call themselves what mail systems do, and subjects in other
// languages.
func TestClassifyDeliverySender(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lines []string
		want  mailbox.Kind
	}{
		{[]string{"From: Mail Delivery System <robot@example.org>", "Return-Path: <>", "Subject: Your mail"}, mailbox.KindBounce},
		{[]string{"From: Mail Delivery System <robot@example.org>", "Subject: Delivery delayed"}, mailbox.KindDelay},
		{[]string{"From: postmaster@example.org", "Subject: 系统退信"}, mailbox.KindBounce},
		{[]string{"From: Mail Delivery System Team <ben@example.org>", "Subject: Re: Undelivered mail", "In-Reply-To: <a@b>"}, mailbox.KindHuman},
	} {
		if v := threading.Classify(header(tt.lines...)); v.Kind != tt.want {
			t.Errorf("%q: %s, want %s", tt.lines, v.Kind, tt.want)
		}
	}
}
