package threading

import "sync"

// What the subject of a machine's answer announces.
const (
	announcesAbsence   saying = iota // the words that mail systems put there
	announcesAutomatic               // an automatic answer of any kind; these two stand in brackets as well
	announcesAway                    // words that people choose for their absence, or write to others
	announcesTicket                  // a request has arrived
	announcesConfirm                 // the sender must confirm
	announcesCalendar                // an answer to an invitation, or an invitation
)

var subjectPhrases = sync.OnceValue(func() phrases {
	set := make(phrases)
	set.add(announcesAbsence, "", absenceSubjects)
	set.add(announcesAutomatic, "", automaticSubjects)
	set.add(announcesAway, "", awaySubjects)
	set.add(announcesTicket, "", ticketSubjects)
	set.add(announcesConfirm, "", confirmSubjects)
	set.add(announcesCalendar, "", calendarSubjects)
	return set
})

// absenceSubjects open the subject of an absence note, followed by a colon, a
// reply prefix or nothing: what Exchange, Gmail and sieve scripts write
// (StackOverflow 1027395 and sample mail, read 2026-11-20).
const absenceSubjects = "automatic reply|out of office|out-of-office|out of office autoreply|out of office reply|out of the office|automatic out of office reply|" +
	"autosvar|automatisk svar|automatiskt svar|automatisch antwoord|afwezigheidsbericht|niet aanwezig|" +
	"abwesenheitsnotiz|abwesenheit|abwesenheitsassistent|automatische antwort|automatische abwesenheitsnotiz|" +
	"non al computer|fuori sede|fuori ufficio|risposta automatica|risposta automatica di assenza|" +
	"respuesta automática|fuera de la oficina|fuera de oficina|réponse automatique|réponse automatique d'absence|absence du bureau|message d'absence|" +
	"resposta automática|fora do escritório|ausência temporária|resposta automàtica|frånvaro|frånvaromeddelande|fraværsmelding|fravær|ikke til stede|" +
	"automatyczna odpowiedź|poza biurem|automatická odpověď|automatická odpoveď|mimo kancelář|mimo kanceláriu|automatikus válasz|házon kívül|" +
	"automaattinen vastaus|poissaoloviesti|poissa|poissaoloilmoitus|răspuns automat|în afara biroului|" +
	"otomatik yanıt|otomatik cevap|ofis dışında|автоматический ответ|автоответ|автоматична відповідь|автоматичен отговор|" +
	"αυτόματη απάντηση|εκτός γραφείου|自动答复|自动回复|自動回覆|自動回复|自動応答|自動返信|不在通知|不在のお知らせ|休假自动回复|자동 회신|자동회신|자동 응답|부재중|부재중 알림|" +
	"תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|رد تلقائي|الرد التلقائي|خارج المكتب|trả lời tự động|thư trả lời tự động|balasan otomatis|jawaban otomatis|di luar kantor|" +
	"automatski odgovor|аутоматски одговор|samodejni odgovor|samodejno odgovarjanje|automaatvastus|automaatne vastus|automātiskā atbilde|automātiska atbilde|automatinis atsakymas"

const automaticSubjects = "auto reply|autoreply|auto-reply|auto response|auto-response|autoresponse|autoresponder|automated response|automated reply|automatic response|automatisierte antwort|autoantwort|accusé de réception automatique"

// awaySubjects need another sign: people write them to people.
const awaySubjects = "away until|away from|i am away|i'm away|away|back on|back in the office|on vacation|on holiday|on leave|on annual leave|annual leave|vacation|holiday|vacation reply|vacation response|out until|out of hours|out of town|office closed|we are closed|parental leave|maternity leave|i am out of the office|i am on|" +
	"urlaub|im urlaub|nicht im büro|abwesend|abwesenheit vom|elternzeit|betriebsurlaub|absent|absente|absence|en congé|en congés|en vacances|de vacaciones|vacaciones|ausente|ausencia|fuera|férias|em férias|ausência|assente|assenza|in ferie|ferie|" +
	"afwezig|vakantie|op vakantie|semester|på semester|tjänstledig|ferie|på ferie|lomalla|loma|urlop|nieobecność|na urlopie|dovolená|dovolenka|nepřítomnost|szabadság|szabadságon|concediu|în concediu|άδεια|απουσία|отпуск|в отпуске|відпустка|отсутствие|у відпустці|izinde|izindeyim|tatil|" +
	"休假|外出|休暇|不在|휴가|nghỉ phép|cuti|odsutnost|godišnji odmor|dopust|odsotnost|puhkus|puhkusel|atvaļinājums|atostogos|fora de l'oficina|vacances|חופשה|في إجازة|إجازة"

const ticketSubjects = "request received|we received your|we have received your|your request|your ticket|ticket received|ticket created|new ticket created|case created|case received|support request received|thank you for contacting|thanks for contacting|message received|we got your|confirmation of receipt|acknowledgement of receipt|acknowledgment|" +
	"ihre anfrage|eingangsbestätigung|ticket erstellt|wir haben ihre|accusé de réception|votre demande|nous avons bien reçu|hemos recibido|su solicitud|acuse de recibo|abbiamo ricevuto|la tua richiesta|conferma di ricezione|recebemos|sua solicitação|ontvangstbevestiging|wij hebben uw|ditt ärende|din henvendelse|potwierdzenie otrzymania|zgłoszenie|ваше обращение|ваша заявка|talebiniz|お問い合わせ|접수"

const confirmSubjects = "please confirm your message|please confirm your email|please confirm|confirm your message|confirmation required|confirmation needed|action required|sender verification|verification required|your message is waiting|your message awaits|bestätigung erforderlich|absenderbestätigung|confirmation requise|confirmación requerida|confirmación necesaria|conferma richiesta|confirmação necessária|bevestiging vereist|bekräftelse krävs|wymagane potwierdzenie|требуется подтверждение"

const calendarSubjects = "accepted|declined|tentative|tentatively accepted|invitation|updated invitation|canceled|cancelled|canceled event|cancelled event|new time proposed|zugesagt|abgesagt|abgelehnt|mit vorbehalt|einladung|accepté|refusé|provisoire|annulé|aceptada|aceptado|rechazada|rechazado|provisional|cancelado|accettato|accettata|rifiutato|provvisorio|annullato|aceito|aceite|recusado|geaccepteerd|geweigerd|voorlopig|geannuleerd|accepterat|avböjt|preliminärt|accepteret|afvist|akseptert|avslått|hyväksytty|hylätty|zaakceptowano|odrzucono|wstępna akceptacja|přijato|odmítnuto|принято|отклонено|kabul edildi|reddedildi|已接受|已拒绝|承諾|辞退|수락|거절"
