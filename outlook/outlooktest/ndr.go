package outlooktest

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// failure is a recipient that could not be reached.
type failure struct {
	to string
	Bounce
}

// diagnostics are SMTP answers by status (learn.microsoft.com, "Non-delivery
// reports in Exchange Online", 2026-01).
var diagnostics = map[string]string{
	"5.1.1":   "550 5.1.1 The email account that you tried to reach does not exist",
	"5.1.10":  "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
	"5.1.8":   "550 5.1.8 Access denied, bad outbound sender",
	"5.1.90":  "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
	"5.2.2":   "554 5.2.2 mailbox full",
	"5.7.233": "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)",
	"5.7.515": "550 5.7.515 Access denied, sending domain does not meet the required authentication level",
}

func (f failure) diagnostic() string {
	if f.Diagnostic != "" {
		return f.Diagnostic
	}
	if d := diagnostics[f.Status]; d != "" {
		return d
	}
	return "550 " + f.Status + " Message could not be delivered"
}

// report is the non-delivery report for a message, as Exchange Online writes
// it.
func (s *Server) report(p *submission, failed []failure, now time.Time) []byte {
	o := s.options.NDR
	sender := p.box.user.Address
	var w bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\r\n", args...) }
	id := s.newMessageID()
	mixed, inner := "_005_"+newGUID()+"_", "_000_"+newGUID()+"_"

	line("From: %s", formatAddresses([]mailbox.Address{{
		Name: "Microsoft Outlook", Address: "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@" + mailbox.Domain(sender),
	}}))
	line("To: %s", sender)
	line("Subject: %s", encodeText(o.SubjectPrefix+p.item.subject))
	line("Date: %s", now.Format(dateLayout))
	line("Message-ID: %s", id)
	if !o.NoInReplyTo {
		line("In-Reply-To: %s", p.messageID)
		line("References: %s", p.messageID)
	}
	line("Content-Language: %s", o.Language)
	line("Auto-Submitted: auto-replied")
	line("X-MS-Exchange-Message-Is-Ndr:")
	line("MIME-Version: 1.0")
	if o.NoReport {
		line("Content-Type: multipart/alternative; boundary=\"%s\"\r\n", inner)
		s.reportText(&w, p, failed, inner)
		return w.Bytes()
	}
	line("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n", mixed)
	line("--%s", mixed)
	line("Content-Type: multipart/alternative; differences=Content-Type;\r\n\tboundary=\"%s\"\r\n", inner)
	s.reportText(&w, p, failed, inner)
	line("\r\n--%s", mixed)
	line("Content-Type: message/delivery-status\r\n")
	line("Reporting-MTA: dns;%s", s.host())
	line("Received-From-MTA: dns;%s", s.host())
	line("Arrival-Date: %s", now.Format(dateLayout))
	for _, f := range failed {
		line("")
		line("Final-Recipient: rfc822;%s", f.to)
		line("Action: failed")
		line("Status: %s", f.Status)
		line("Diagnostic-Code: smtp;%s", f.diagnostic())
	}
	line("\r\n--%s", mixed)
	line("Content-Type: message/rfc822\r\n")
	head, _ := splitHeader(p.raw)
	w.Write(head)
	line("\r\n--%s--", mixed)
	return w.Bytes()
}

// reportText writes the text and HTML parts.
func (s *Server) reportText(w *bytes.Buffer, p *submission, failed []failure, boundary string) {
	var text strings.Builder
	text.WriteString(s.options.NDR.Text + "\r\n\r\n")
	for _, f := range failed {
		text.WriteString(f.to + "\r\n")
	}
	text.WriteString("\r\nDiagnostic information for administrators:\r\n\r\nGenerating server: " + s.host() + "\r\n")
	for _, f := range failed {
		text.WriteString("\r\n" + f.to + "\r\nRemote server returned '" + f.diagnostic() + "'\r\n")
	}
	head, _ := splitHeader(p.raw)
	text.WriteString("\r\nOriginal message headers:\r\n\r\n" + toUTF8(string(head)))
	w.WriteString("--" + boundary + "\r\n")
	writeText(w, "text/plain", text.String())
	w.WriteString("--" + boundary + "\r\n")
	writeText(w, "text/html", "<html><body><pre>"+html.EscapeString(text.String())+"</pre></body></html>")
	w.WriteString("--" + boundary + "--\r\n")
}
