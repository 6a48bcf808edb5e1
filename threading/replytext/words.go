package replytext

// verbs are the words of an opener that say that somebody wrote, with the
// language as far as it matters for dates. Of a phrase ("a écrit") only the word
// stands here that tells it. Sources: the answers of Gmail, Outlook, Apple Mail,
// Thunderbird, Roundcube and mutt in the languages of their users (well known).
var verbs = index(map[string]string{
	"en": "wrote writes sent",
	"de": "schrieb schreibt geschrieben",
	"fr": "écrit écrivait écrivit",
	"es": "escribió escribio escribe escrito escribía",
	"pt": "escreveu escreve escrevera",
	"it": "scritto scrisse scrive",
	"nl": "schreef geschreven verzond geskryf",
	"sv": "skrev skriver skrevet skrivit skrifaði",
	"fi": "kirjoitti",
	"et": "kirjutas",
	"pl": "napisał napisała napisał(a napisano napisana pisze",
	"cs": "napsal napsala napísal napísala",
	"hu": "írta",
	"ro": "scris",
	"el": "έγραψε",
	"ru": "пишет писал писала написал написала",
	"uk": "пише писав написав",
	"bg": "написа",
	"hr": "napisao napisala piše написао написала",
	"tr": "yazdı yazmış",
	"he": "כתב כתבה",
	"ar": "كتب كتبت كتابة نوشت",
	"zh": "写道 寫道 写到 撰写",
	"ja": "書きました",
	"ko": "작성 작성함 썼습니다 쓰셨습니다 썼어요",
	"vi": "viết",
	"id": "menulis",
	"ca": "escriure escriví",
	"lt": "rašė parašė",
	"lv": "rakstīja",
	"hi": "लिखा",
	"th": "เขียนว่า เขียน",
})

// gluedVerbs are verbs of languages that write no spaces, at the end of a word.
var gluedVerbs = []struct{ ending, lang string }{
	{"写道", "zh"},
	{"寫道", "zh"},
	{"写到", "zh"},
	{"書きました", "ja"},
	{"のメール", "ja"},
	{"のメッセージ", "ja"},
	{"작성", "ko"},
	{"썼습니다", "ko"},
	{"เขียนว่า", "th"},
}

// leads are the words that begin an opener whose date comes first.
var leads = index(map[string]string{
	"en": "on at",
	"de": "am vom",
	"fr": "le",
	"es": "el",
	"pt": "em no",
	"it": "il",
	"nl": "op",
	"sv": "den på þann",
	"pl": "w we dnia wiadomość",
	"cs": "dne dňa",
	"hu": "ekkor",
	"ro": "în în",
	"el": "στις την",
	"ru": "в во",
	"uk": "у",
	"bg": "на",
	"hr": "dana u",
	"sl": "v",
	"he": "בתאריך ב ביום",
	"ar": "في بتاريخ در",
	"zh": "在 于 於",
	"vi": "vào lúc ngày",
	"id": "pada",
	"ca": "missatge",
	"et": "kuupäev",
	"th": "เมื่อ",
})

// dayFirst are the languages that write the day before the month in dates of
// numbers alone.
var dayFirst = index(map[bool]string{
	true: "de fr es pt it nl sv fi et pl cs ro el ru uk bg hr sl tr he ar vi id ca lv th no",
})

// noise are words that stand around the date and the author of an opener and
// belong to neither.
var noise = index(map[bool]string{
	true: `on at am um uhr le à a el la las il giorno alle ore em às as op om den de kl klo kello w we dnia dniu o godz
		godzinie dne dňa v ve în la στις ο η χρήστης в во у г год года на pada tanggal pukul vào lúc ngày dana u je oseba
		ob odesílatel používateľ používateľka uživatel uživatelka lietotājs kasutaja kell via from by mailto has hat ha a
		ezt időpont tarihinde şunu şunları tarihli saat ב בשעה מאת في تمت ما يلي بواسطة الساعة 于 在 於 님이 님이 the following
		and missatge del dia les plkst an p ora tis din data van von user de hour sent wrote said message following email
		mail att så här folgendes пользователь користувач от від przez wiadomość keltezéssel`,
})

// field is what a line of a header block holds.
type field int

const (
	fieldNone field = iota
	fieldFrom
	fieldSent
	fieldTo
	fieldSubject
	fieldOther // known, says nothing
	fieldRaw   // of a raw header, that no client puts above a quote
)

// fields are the names of header fields in the languages of mail clients.
var fields = func() map[string]field {
	table := make(map[string]field)
	for f, names := range map[field][]string{
		fieldFrom: {
			"from", "von", "de", "da", "van", "från", "fra", "lähettäjä", "od", "από", "от", "від", "kimden", "gönderen",
			"מאת", "من", "发件人", "寄件者", "寄件人", "差出人", "送信者", "보낸 사람", "보낸사람", "보내는 사람", "từ", "người gửi",
			"dari", "feladó", "de la", "expéditeur", "mittente", "remitente", "remetente", "absender", "avsender", "afsender",
			"avsändare", "odosielateľ", "odesílatel", "nadawca", "saatja", "no", "nuo", "จาก", "pošiljatelj", "šalje", "од", "frá",
			"از", "प्रेषक", "отправитель", "відправник", "изпратено от", "sender",
		},
		fieldSent: {
			"sent", "date", "gesendet", "gesendet am", "datum", "envoyé", "envoyé le", "enviado", "enviado el", "enviado em",
			"enviada em", "enviada", "fecha", "data", "inviato", "verzonden", "skickat", "sendt", "dato", "lähetetty", "päiväys",
			"päivämäärä", "pvm", "wysłano", "wysłane", "odesláno", "odoslané", "dátum", "elküldve", "küldve", "trimis", "data trimiterii",
			"στάλθηκε", "ημερομηνία", "отправлено", "дата", "надіслано", "відправлено", "gönderildi", "gönderme tarihi", "tarih",
			"נשלח", "תאריך", "تاريخ الإرسال", "التاريخ", "تم الإرسال", "تاريخ", "发送时间", "发送日期", "日期", "时间", "寄件日期", "傳送時間",
			"送信日時", "日付", "日時", "보낸 날짜", "날짜", "보낸날짜", "đã gửi", "ngày", "ngày gửi", "tanggal", "terkirim", "dikirim", "enviat",
			"изпратено", "poslano", "poslato", "saadetud", "kuupäev", "nosūtīts", "išsiųsta", "ส่ง", "วันที่", "sent on", "date sent",
			"sent at", "message du", "dags", "датум", "tid", "когда", "ارسال شده", "दिनांक",
		},
		fieldTo: {
			"to", "an", "à", "a", "para", "aan", "til", "till", "vastaanottaja", "do", "komu", "címzett", "către", "catre", "προς",
			"кому", "до", "kime", "alıcı", "אל", "إلى", "收件人", "收件者", "宛先", "받는 사람", "받는사람", "tới", "đến", "kepada", "per a",
			"prima", "za", "saaja", "kam", "ถึง", "destinataire", "empfänger", "destinatario", "pro", "za", "към", "за", "cc", "kopie",
			"kopia", "copie", "kopi", "kopio", "másolat", "κοιν", "κοινοποίηση", "копия", "копія", "bilgi", "עותק", "نسخة", "抄送",
			"副本", "참조", "c.c", "bcc", "dw", "kópia", "másolatot kap", "copia", "cópia", "copia a", "copie à", "til kopi", "копие", "सेवा में",
		},
		fieldSubject: {
			"subject", "betreff", "objet", "sujet", "asunto", "assunto", "oggetto", "onderwerp", "ämne", "emne", "aihe", "temat", "předmět",
			"predmet", "tárgy", "subiect", "θέμα", "тема", "konu", "נושא", "הנדון", "الموضوع", "主题", "主題", "主旨", "件名", "제목", "chủ đề",
			"tiêu đề", "perihal", "subjek", "subyek", "assumpte", "относно", "teema", "temats", "tema", "เรื่อง", "efni", "наслов",
			"naslov", "zadeva", "موضوع", "विषय",
		},
		fieldOther: {
			"importance", "wichtigkeit", "priorität", "priority", "attachments", "anlagen", "anhänge", "pièces jointes", "bijlagen",
			"adjuntos", "anexos", "allegati", "bilagor", "vedhæftede filer", "liitteet", "załączniki", "reply-to", "antwort an",
			"répondre à", "organization", "organisation", "sensitivity", "when", "where", "required", "optional", "importancia",
			"prioridade", "priorità", "belang", "newsgroups", "resent-from", "重要性", "附件", "添付ファイル", "첨부",
		},
		fieldRaw: {
			"received", "message-id", "mime-version", "content-type", "content-transfer-encoding", "return-path", "delivered-to",
			"dkim-signature", "user-agent", "in-reply-to", "references", "x-mailer", "x-originating-ip", "x-spam-status", "list-id",
			"received-spf", "authentication-results", "content-disposition", "precedence",
		},
	} {
		for _, name := range names {
			if _, ok := table[name]; !ok || f < table[name] {
				table[name] = f
			}
		}
	}
	return table
}()

// englishFields are those of a block whose dates of numbers are ambiguous.
var englishFields = index(map[bool]string{true: "sent date from"})

// messageWords are the words by which a line of dashes announces the message
// that is answered or forwarded.
var messageWords = []string{
	"message", "nachricht", "bericht", "mensaje", "mensagem", "messaggio", "meddelande", "meddelelse", "melding", "viesti",
	"wiadomość", "wiadomosc", "сообщение", "письмо", "повідомлення", "лист", "zpráva", "správa", "üzenet", "mesaj", "ileti",
	"邮件", "郵件", "原始信件", "メッセージ", "메시지", "메일", "הודעה", "رسالة", "الرسالة", "μήνυμα", "mesajul", "missatge", "thư",
	"tin nhắn", "pesan", "съобщение", "poruka", "appointment", "original", "mail", "sporočilo", "kiri", "ziņojums", "laiškas",
	"ข้อความ", "besked", "beskjed", "skilaboð", "mensaxe", "mezua", "порука", "порака", "پیام", "संदेश",
}

// originalWords go with them when the message is answered.
var originalWords = []string{
	"original", "ursprüngliche", "ursprungliche", "oorspronkelijk", "ursprung", "oprindelig", "opprinnelig", "alkuperäinen",
	"oryginalna", "pierwotna", "исходное", "оригинал", "вихідне", "оригінальне", "původní", "pôvodná", "eredeti", "orijinal",
	"özgün", "asıl", "原始", "原邮件", "元の", "オリジナル", "원본", "מקורית", "الأصلية", "αρχικό", "gốc", "asli", "izvorna",
	"antwort", "reply", "réponse", "d'origine", "d’origine", "izvirno", "algne", "sākotnējais", "pradinis", "originální",
	"upphafleg", "orixinal", "jatorrizko", "اصلی", "मूल",
}

// forwardWords go with them when the message is forwarded.
var forwardWords = []string{
	"forward", "weitergeleitet", "transféré", "transfere", "reenviad", "encaminhad", "inoltrat", "doorgestuurd", "vidarebefordra",
	"videresend", "videresendt", "välitetty", "edelleenlähetetty", "przekazan", "przesłan", "пересыла", "пересланн", "перенаправл",
	"переслан", "přeposlan", "preposlan", "továbbított", "továbbítva", "iletilen", "yönlendirilen", "转发", "轉寄", "轉發", "転送",
	"전달", "הועבר", "מועבר", "محول", "مُحوّل", "معاد توجيه", "redirecționat", "προωθημ", "chuyển tiếp", "diteruskan", "reenviat",
	"препрат", "proslijeđen", "prosleđen", "posredovan", "edastatud", "pārsūtīt", "persiųst", "ส่งต่อ",
}
