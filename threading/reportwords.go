package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/replytext"
)

// reportInWords finds reports whose header bears only a weak sign: the body
// opens with the words of one and names a recipient. Where a person may have
// sent it, who is the recipient must be plain; and where the subject or the name
// of the sender only hints at a report, the words must be the sender's own and
// stand at the very beginning.
func (s *signs) reportInWords() (mailbox.Verdict, bool) {
	system := s.nullPath || s.sender != senderOther || s.unreadSender()
	weak := system || s.reportOutcome() != outcomeUnknown
	if s.m.Body == nil || !weak && !s.hinted() || s.reportType != "" || s.automatic != "" && !s.nullPath {
		return mailbox.Verdict{}, false
	}
	text := s.m.Body.Text
	if strings.TrimSpace(text) == "" {
		text = replytext.PlainText(s.m.Body.HTML[:min(len(s.m.Body.HTML), 2*maxText)])
	}
	text = text[:min(len(text), maxText)]
	most := maxValue
	if !weak { // people show what came back to them
		text, most = replytext.Parse(text).Text, maxOpening
	}
	opening := strings.Join(strings.Fields(strings.ToLower(text[:min(len(text), maxValue)])), " ")
	if !containsAny(opening[:min(len(opening), most)], reportOpenings) {
		return mailbox.Verdict{}, false
	}
	c := new(content)
	c.text.WriteString(text)
	c.finish(s)
	kind := c.rep.Kind()
	if kind != mailbox.KindBounce && kind != mailbox.KindDelay || !system && c.named < rankCommand {
		return mailbox.Verdict{}, false
	}
	var t tally
	t.add(mailbox.LevelMedium, "report_words", "body")
	v, _ := t.verdict(kind, "")
	v.Bounce = c.rep.Bounce()
	return v, true
}

// maxOpening is how much of a text its very beginning is, in bytes.
const maxOpening = 400

// reportOpenings stand near the beginning of reports that are written for
// people only.
var reportOpenings = []string{
	"could not be delivered", "couldn't be delivered", "cannot be delivered", "can't be delivered", "was not delivered", "has not been delivered", "not delivered to",
	"could not deliver", "unable to deliver", "not able to deliver", "wasn't able to deliver", "delivery failed", "delivery has failed", "failed to deliver", "undeliverable", "did not reach the following",
	"invalid user address", "error delivering", "error message below", "not yet been delivered", "recipient address rejected", "user unknown", "unknown user", "no such user",
	"failed recipient", "failed address", "error occurred while trying to deliver", "error occurred while attempting to deliver", "reporting-mta:", "non-delivery report", "delivery failure", "has been postponed", "has been deferred", "was automatically rejected", "mailbox is full",
	"konnte nicht zugestellt werden", "n'a pas pu être", "n'a pas pu etre", "no se pudo entregar", "no se ha podido entregar", "não pôde ser entregue",
	"impossibile recapitare", "не может быть доставлено", "не удалось доставить", "не было доставлено", "退信", "无法投递", "無法送達",
	"送信できません", "配信できません", "配信できなかった", "お届けできません", "届けることができません", "エラーのため", "전달되지", "配送できません", "送信されません",
}

// hinted reports whether the subject speaks of a failed delivery somewhere, or
// the sender is called like a mail system. People write about such mail and
// administrators have such names: it says that the words are worth reading, no
// more. An answer to somebody is not.
func (s *signs) hinted() bool {
	return !s.cites && (containsAny(s.subject, hintSubjects) || s.senderIs(isMailSystem) || containsAny(strings.ToLower(field(s.m, "From")), systemNames))
}

// hintSubjects stand anywhere in the subjects of reports.
var hintSubjects = []string{
	"undeliver", "not delivered", "not be delivered", "non-deliver", "nondeliver", "non deliver", "delivery fail", "delivery error", "delivery problem", "delivery warning",
	"delivery status", "delivery report", "delivery notif", "failed deliver", "failure deliver", "failure notif", "failed mail", "mail fail", "mail error", "mail problem",
	"returned mail", "returned to sender", "returning message", "returning mail", "mail returned", "rejected mail", "mail rejected", "message rejected", "bounce",
	"user unknown", "unknown user", "unknown recipient", "unknown address", "no such user", "user not found", "recipient not found", "mailbox full", "mailbox is full", "over quota", "quota exceeded",
	"non remis", "non distribu", "échec", "unzustell", "nicht zugestellt", "zustellung fehl", "unbekannter empfänger", "no entreg", "não entreg", "error de entrega",
	"mancato recapito", "mancata consegna", "non recapit", "niet afgeleverd", "onbestelbaar", "niedostarcz", "nedoruč", "не доставлен", "недоставл", "ошибка доставки",
	"退信", "投递失败", "投遞失敗", "无法投递", "無法送達", "配信不能", "配信エラー", "送達できません", "배달 실패", "전송 실패",
}

// systemNames stand in the From fields of mail systems.
var systemNames = []string{
	"mail delivery", "mail system", "mail service", "mailer", "mail gateway", "mail server", "system administrator", "mail administrator", "postmaster", "email system", "e-mail system",
}

// isMailSystem reports whether a name is one that mail systems go by.
func isMailSystem(name string) bool {
	return containsAny(name, []string{"mdaemon", "maildelivery", "mailsystem", "mailservice", "mailer", "mailgateway", "smtp", "postmaster", "systemadministrator", "mailadmin"})
}
