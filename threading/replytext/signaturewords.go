package replytext

// footerWords tell that the lines below a rule are the footer of a list or a
// tracker.
var footerWords = []string{
	"mailing list", "mailinglist", "unsubscribe", "listinfo", "reply to this email directly", "to post to this group",
	"you are receiving this", "you received this message because", "manage your subscription", "se désabonner", "abbestellen",
	"liste de diffusion", "lista de correo", "lista de discussão", "mailingliste", "lista dyskusyjna", "postilista", "рассылк",
	"post an article", "list archive", "list manager", "afmelden", "yahoo! groups", "mailman",
}

// deviceHeads are the beginnings of the lines that phones and apps put under a
// mail, deviceTails their ends in languages that write them the other way round.
var (
	deviceHeads = []string{
		"sent from", "sent via", "sent with", "sent using", "get outlook for", "envoyé de", "envoyé depuis", "envoyé à partir",
		"envoyé avec", "obtenir outlook", "télécharger outlook", "von meinem", "gesendet von", "gesendet mit", "gesendet aus",
		"diese nachricht wurde von meinem", "outlook für ", "holen sie sich outlook", "enviado desde", "enviado de", "enviado do",
		"enviado por", "enviado pelo", "enviado con", "obtener outlook", "obter o outlook", "baixe o outlook", "inviato da",
		"inviato dal", "inviato con", "scarica outlook", "ottieni outlook", "verzonden vanaf", "verstuurd vanaf", "verzonden met",
		"verstuurd met", "verzonden vanuit", "verstuurd vanuit", "verzonden via", "outlook voor", "skickat från", "skickades från", "hämta outlook", "skaffa outlook",
		"sendt fra", "sendt via", "sendt med", "hent outlook", "få outlook", "lähetetty", "hanki outlook", "wysłane z", "wysłano z",
		"pobierz program outlook", "pobierz outlook", "odesláno z", "odoslané z", "získat outlook", "získať outlook", "az iphone",
		"küldve", "elküldve", "outlook letöltése", "trimis de pe", "trimis din", "descărcați outlook", "στάλθηκε από",
		"αποστολή από", "отправлено с", "отправлено из", "отправлено от", "скачать outlook", "надіслано з", "завантажити outlook",
		"iphone'umdan", "iphone'dan", "נשלח מה", "נשלח מ", "أُرسلت من", "مرسل من", "تم الإرسال من", "发自我的", "發自我的", "从我的",
		"傳送自", "从 ", "获取 outlook", "取得 outlook", "iphoneから送信", "ipadから送信", "androidから送信", "outlook for ios",
		"나의 iphone", "내 iphone에서", "gửi từ", "đã gửi từ", "được gửi từ", "tải outlook", "dikirim dari", "dapatkan outlook", "enviat des",
		"изпратено от", "изпратен от", "poslano sa", "poslano s ", "poslano z", "poslato sa", "saadetud minu", "nosūtīts no",
		"išsiųsta iš", "ส่งจาก", "do not print this", "von unterwegs", "sendt frá", "senda úr", "enviado do meu",
	}
	deviceTails = []string{
		"gesendet", "傳送", "发送", "から送信", "から送信しました", "에서 보냄", "에서 전송", "gönderildi", "gönderilmiştir", "ile gönderildi", "küldve", "küldtem",
		"を使用して送信", "versandt", "verschickt",
	}
	devices = []string{
		"iphon", "ipad", "ipod", "android", "mobile", "mobil", "blackberry", "samsung", "galaxy", "outlook", "windows", "yahoo",
		"mail", "handy", "smartphone", "téléphone", "telefon", "teléfono", "móvil", "cellulare", "telefoon", "phone", "huawei",
		"xiaomi", "pixel", "nokia", "sony", "htc", "palm", "treo", "tablet", "device", "gmail", "proton", "spark", "superhuman",
		"hey", "thunderbird", "k-9", "fairemail", "aol", "verizon", "at&t", "t-mobile", "orange", "wireless", "pda", "telefonu",
		"puhelin", "телефон", "айфон", "устройств", "手机", "手機", "スマ", "モバイル", "휴대", "apple", "watch", "ios", "app", "zimbra", "nexus",
		"motorola", "oneplus", "honor", "redmi", "front", "mailbird", "boxer", "nine", "mac", "notion", "airmail", "readdle", "mutt", "emclient",
	}
)

// valedictions end a letter; a name follows on the next line.
var valedictions = index(map[bool]string{
	true: `regards regards, best sincerely cheers thanks thx rgds greetings br kr warmly yours respectfully cordially
		grüße grüsse gruß gruss mfg lg vg hochachtungsvoll grüßen grüssen danke dank
		cordialement bien salutations amicalement merci bàv sincèrement
		saludos saludo atentamente cordialmente gracias abrazo un
		atenciosamente abraços abs att obrigado obrigada cumprimentos
		saluti cordialità grazie distinti
		groet groeten groetjes mvg bedankt
		hälsningar hälsning mvh vänligen tack vh
		hilsen hilsner hilsener venlig vennlig dbh kh tak takk
		terveisin ystävällisin yst kiitos
		pozdrawiam pozdrowienia poważaniem dziękuję
		pozdravem pozdrav děkuji pozdravom ďakujem
		üdvözlettel üdv köszönettel tisztelettel
		stimă mulțumesc
		ευχαριστώ εκτίμηση χαιρετισμούς
		уважением спасибо повагою дякую уважение поздрави
		saygılarımla saygılar teşekkürler selamlar
		בברכה תודה
		تحياتي تحية شكرا
		敬具 よろしくお願いします 此致 祝好 谢谢 謝謝 감사합니다 드림
		trân trọng salam hormat salutacions atentament pozdravom lijep lp`,
})

// closingWords may stand beside a valediction.
var closingWords = index(map[bool]string{
	true: `and & you again in advance so much very truly a for your help best kind und et y e en och og im voraus por vooraf
		schöne viele liebe beste freundliche mit à vous d'avance antemano pela atenção på förhand til kindest warm many`,
})

// disclaimerWords are the words of legal notices.
var disclaimerWords = []string{
	"confidential", "intended recipient", "intended for", "intended solely", "privileged", "strictly forbidden", "prohibited",
	"by mistake", "in error", "disclaimer", "third party", "unauthorized", "unauthorised", "notify the sender", "virus",
	"vertraulich", "irrtümlich", "bestimmt", "unbefugt", "confidentiel", "destinataire", "par erreur", "confidencial", "destinatario",
	"destinatário", "por error", "por engano", "riservat", "vertrouwelijk", "geadresseerde", "fortrolig", "konfidentiell",
	"конфиденциальн",
}

// noticeHeads begin legal notices.
var noticeHeads = []string{
	"this e-mail", "this email", "this message", "this communication", "this transmission", "this mail", "the information contained", "the information in this",
	"the contents of this", "the content of this", "confidentiality notice", "disclaimer", "important notice", "legal notice", "privileged and confidential",
	"diese e-mail", "diese mail", "diese nachricht", "der inhalt dieser", "die informationen in dieser", "ce message", "ce courriel", "cet e-mail", "cet email",
	"este mensaje", "este correo", "este e-mail", "esta mensagem", "este email", "questo messaggio", "questa e-mail", "questa email", "le informazioni contenute",
	"dit bericht", "deze e-mail", "de informatie in dit", "detta meddelande", "denne e-post", "denne e-mail", "ta wiadomość", "niniejsza wiadomość", "настоящее сообщение", "это сообщение",
}

// companyWords are what the law of some countries asks firms to write under mail.
var companyWords = []string{
	"amtsgericht", "handelsregister", "registergericht", "hrb ", "geschäftsführ", "sitz der gesellschaft", "ust-id", "vorstand:", "aufsichtsrat",
	"registered in england", "registered in scotland", "registered office", "company number", "company no", "registered number", "registration number", "vat number",
}

// environmentWords ask not to print.
var environmentWords = []string{"consider the environment before", "denken sie an die umwelt", "pensez à l'environnement", "piense en el medio ambiente", "denk aan het milieu"}

// scannerHeads begin what virus scanners put under mail, scanners are their names.
var (
	scannerHeads = []string{"virus-free", "virenfrei", "sans virus", "libre de virus", "garantía de libre de virus", "privo di virus", "senza virus", "livre de vírus", "virusvrij", "wolny od wirusów"}
	scanners     = []string{"avast", "avg.com"}
)
