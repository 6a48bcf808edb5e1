package threading

// causes are the words for one cause each, most telling first. They are folded
// (see fold), and a word of up to three letters counts only whole.
type causes []struct {
	category string
	words    []string
}

// category returns the first cause that text names, or fallback.
func (all causes) category(text, fallback string) string {
	for _, cause := range all {
		if says(text, cause.words) {
			return cause.category
		}
	}
	return fallback
}

// plainWords leave no doubt that the address is not to blame, or only for now.
// They hold whatever the code says: Gmail answers 5.2.1 to "receiving mail too
// quickly", Exchange 5.2.2 to our own submission quota, and filters like to
// answer 5.1.1.
var plainWords = causes{
	{CategoryMailboxFull, []string{"too many messages on the server", "too many messages in the mailbox", "zuviele mails auf dem server", "zu viele mails auf dem server"}},
	{CategoryTooLarge, []string{"max message size exceeded", "maximum message size exceeded", "message size exceeds", "message size limit exceeded"}},
	{CategoryRate, []string{
		"too quickly", "at a rate", "rate limit", "ratelimit", "rate-limit", "unusual rate", "too many messages", "too many connections",
		"too many recipients", "too many concurrent", "submissionquota", "submission quota", "sending limit", "sending quota",
		"throttl", "greylist", "graylist", "grey listed", "sending rate", "exceeded the rate", "too many emails", "too many mails", "too many errors", "too many e-mails",
		"frequency limited", "connection frequency", "daily limit", "limit exceeded for", "exceeded the maximum number of messages", "hourly limit",
		"messages per connection", "connections from your", "try again later, too", "too many invalid", "too many unknown", "too many sessions",
		"too many bad", "too many failed", "too many rcpt", "too much mail", "emails per hour", "messages per hour", "per day limit", "unexpected volume",
		"excessive volume", "high volume of", "credits exceeded", "recipients per day", "concurrent connections", "connection limit", "connection rate",
		"invalid recipients exceeded", "exceeded your quota for sending", "max number of connections", "maximum number of connections",
		"zu viele verbindungen", "zu viele nachrichten", "zu viele e-mails", "trop de connexions", "trop de messages", "demasiados mensajes", "demasiadas conexiones",
		"troppi messaggi", "troppe connessioni", "muitas mensagens", "muitas conexoes", "te veel berichten", "te veel verbindingen", "zbyt wiele", "zbyt duzo",
		"слишком много", "слишком часто", "发送频率", "发信频率", "频率限制", "过于频繁", "频率过高", "頻率", "送信数の上限", "발송 한도", "너무 많은",
	}},
	{CategoryMailboxFull, []string{
		"mailbox full", "mailbox is full", "full mailbox", "over quota", "overquota", "over-quota", "quota exceeded", "exceeded storage", "user is full", "account is full", "account full", "maildir full",
		"out of storage", "insufficient storage", "inbox full", "not enough space", "not enough storage", "mail quota", "mailfolder is full", "mailbox size", "exceeds allowed size", "exceeds the allowed size",
		"inbox is full", "quota exceed", "quotaexceed", "exceeds quota", "exceeded quota", "exceeded their", "exceeded his quota", "exceeded its quota", "over the quota", "mailbox_full", "mail box full",
		"mail box is full", "mailbox for user is full", "disk quota", "disk space limit", "over the maximum allowed", "over its limit", "overquotaperm", "overquotatemp", "storage limit", "mailbox limit",
		"postfach voll", "mailbox voll", "ist voll", "speicherplatz ersch", "kontingent uberschritten", "boite pleine", "boite aux lettres pleine", "est pleine", "quota depasse",
		"buzon lleno", "esta lleno", "esta llena", "caixa cheia", "caixa postal cheia", "esta cheia", "casella piena", "casella e piena", "e piena", "mailbox is vol", "postvak vol", "skrzynka pelna",
		"jest pelna", "przepelnion", "schranka je plna", "postafiok megtelt", "posta kutusu dolu", "переполнен", "邮箱已满", "邮箱空间不足", "空间已满", "信箱已滿", "空間不足",
		"容量オーバー", "容量を超え", "容量が一杯", "がいっぱい", "が一杯", "満杯", "용량 초과", "용량을 초과", "용량이 부족",
		"message delivery limit",
	}},
	{CategoryAuth, []string{ // the domain or host that is not found is ours
		"sender verify failed", "sender verification failed", "sender address rejected: domain", "sender address rejected: unverified", "sender address rejected: undeliverable",
		"could not verify sender", "sender domain", "sender's domain", "domain of sender", "domain of the sender", "from domain must", "helo command rejected", "ehlo command rejected", "invalid helo", "bad helo",
		"helo name", "helo host", "cannot find your hostname", "cannot find your reverse hostname", "reverse dns", "reverse hostname", "reverse lookup", "ptr record", "ptr resource", "no ptr",
		"bad dns ptr", "ptr lookup", "inverse dns", "unverifiable sending", "cannot resolve your address", "resolve your ip", "your domain does not exist",
		"authentication checks failed", "due to dmarc", "dmarc policy", "dmarc verification", "failed dmarc", "spf check", "spf fail", "reason: spf", "not authorized to send from", "sender is unauthenticated",
		"email is unauthenticated", "dkim fail", "反向解析",
	}},
	{CategoryBlocked, []string{
		"blacklist", "black listed", "black list", "blocklist", "block list", "blocking list", "on a block", "dnsbl", "block for spam", "is_blocked", "listed at", "listed in dns", "listed on", "listed by", "rbl", "spamhaus", "spamcop",
		"reputation", "client host blocked", "banned", "your ip is blocked", "your ip has been blocked", "sperrliste", "liste noire", "lista negra", "lista nera", "czarnej liscie",
		"черном списке", "черныи список", "黑名单", "黑名單", "ブラックリスト", "블랙리스트",
	}},
	{CategorySpam, []string{
		"unsolicited", "antispam check", "anti-spam check", "mass mailer", "bulk email", "bulk e-mail", "likely spam", "looks like spam", "look like spam", "as spam", "identified as junk", "spam score", "spam points", "spam message", "spam content", "spam detected", "spam email", "spam mail",
		"is spam", "suspicion of spam", "suspected spam", "spam-like", "spam like", "considered spam", "was spam", "spam/", "message contains spam", "dt:spm", "virus", "malware", "phishing",
		"als spam", "comme spam", "comme indesirable", "como spam", "come spam", "za spam", "no deseado", "подозрени", "спам", "垃圾邮件", "垃圾郵件", "迷惑メール", "スパム", "스팸",
	}},
	{CategoryDisabled, []string{
		"account is disabled", "account has been disabled", "account disabled", "mailbox is disabled", "mailbox disabled", "mailbox has been disabled", "user is disabled", "user disabled", "temporarily disabled", "disableduser",
		"disabled or discontinued", "has been disabled", "is suspended", "account suspended", "account has been suspended", "suspended or inactive", "is inactive", "account inactive", "due to inactivity", "because of inactivity", "for inactivity",
		"is not active", "user is blocked", "account is blocked", "mailbox is blocked", "is locked", "has been locked", "temporarily locked", "is frozen", "was frozen", "deactivated", "account expired", "account has expired",
		"deaktiviert", "gesperrt", "desactive", "suspendu", "suspendid", "deshabilitad", "desactivad", "disabilitat", "disattivat", "desativad", "suspens", "geblokkeerd", "gedeactiveerd", "uitgeschakeld",
		"zablokowan", "nieaktywn", "deaktivovan", "заблокирован", "отключен", "приостановлен", "已停用", "被禁用", "已被禁", "冻结", "被锁定", "已锁定", "停止されて", "凍結", "利用停止", "정지된", "휴면",
	}},
	{CategoryPolicy, []string{
		"recipient preferences", "sender address rejected", "rejected by policy", "rejected due to policy", "due to policy", "due to local policy", "local policy", "policy restrictions", "policy reasons", "policy violation", "security policy",
		"administrative prohibition", "administratively prohibited", "its content presents", "relaying denied", "relay access denied", "relay not permitted", "relaying is not", "unable to relay", "cannot relay", "allowed rcpthosts",
		"authentication required", "requires confirmation", "mail with attachments", "may not exist, or you", "senders are allowed", "notauthorized",
	}},
	{CategoryNetwork, []string{ // the name service failed, not the name
		"host not found, try again", "failed temporarily", "temporary lookup failure", "dns server failure", "servfail", "dns query failed", "dns lookup timed out", "temporarily unable to resolve", "temporary dns",
	}},
	{CategoryExpired, []string{"in the queue too long", "queue.expired"}},
}

// causeWords are common words of refusals, for which a code that is more than
// vague is the better witness.
var causeWords = causes{
	{CategoryTooLarge, []string{
		"message size", "too large", "too big", "size limit", "maximum size", "sizelimit", "size exceeds", "max message size", "zu gross", "trop volumineux", "trop gros", "demasiado grande", "troppo grande", "muito grande",
		"te groot", "zbyt duz", "слишком большо", "邮件过大", "邮件大小", "郵件過大", "サイズが大き", "サイズを超え", "크기를 초과",
	}},
	{CategoryHostUnknown, []string{
		"host unknown", "host not found", "domain not found", "unknown host", "unknown domain", "no such domain", "null mx", "host name is unknown", "nxdomain",
		"name or service not known", "unrouteable mail domain", "does not accept mail", "domain name not found", "couldn't find any host",
		"no mx record", "no mx found", "no mx for", "no mx or a", "no smtp service", "no such host", "nonexistent domain", "non-existent domain", "domain does not exist", "domain is not reachable", "domain doesn't exist",
		"couldn't find a mail exchanger", "unable to resolve", "dns resolution", "domain not exist", "point to non-existent hosts", "host does not exist", "host doesn't exist", "no a record",
		"unable to route", "nullmx", "not resolve", "does not receive mail", "dns hard error", "domain unbekannt", "domane existiert nicht", "domain existiert nicht", "unbekannte domain", "host unbekannt", "domaine inconnu", "domaine n'existe pas", "hote inconnu",
		"dominio desconocido", "dominio no existe", "el dominio no", "dominio sconosciuto", "dominio inesistente", "dominio non esiste", "dominio desconhecido", "dominio nao", "dominio inexistente", "onbekend domein", "domein bestaat niet",
		"nieznana domena", "domena nie istnieje", "домен не", "домена не", "域名不存在", "找不到域名", "網域不存在", "ドメインが存在しません", "ドメインが見つかりません", "도메인을 찾을 수 없", "존재하지 않는 도메인",
	}},
	{CategoryUserUnknown, []string{
		"user unknown", "unknown user", "no such user", "nosuchuser", "unknown e-mail", "unknown email", "does not exist", "doesn't exist", "do not exist", "unknown recipient", "not exist", "nonexistent", "non-existent", "non existent",
		"recipient unknown", "recipientnotfound", "recipnotfound", "recipient not found", "recipient not known", "not found in directory", "no such recipient", "no such person", "no such account", "no such mailbox", "no such address", "no such e-mail", "no such email", "no such local",
		"unknown address", "unknown local", "unknown account", "unknown addressee", "addressee unknown", "unknown mailbox", "mailbox unknown", "account unknown", "no mailbox", "invalid recipient", "invalid mailbox", "invalid rcpt", "user not found", "user not known", "not a known",
		"unrouteable address", "unroutable address", "not our customer", "bad destination mailbox", "bad recipient", "bad_recipient", "not an active address", "bad address", "bad destination address", "wrong recipient", "incorrect recipient",
		"user doesn't have", "not listed in", "invalid final delivery", "no valid recipients", "not a registered", "unable to find user", "unable to find recipient", "cannot find user", "can't find user",
		"recipient name is not recognized", "wasn't recogni", "not a valid", "isn't a valid", "is not valid", "mailbox not found", "mail-box not found", "mailbox unavailable or not", "mailbox does not", "mailbox name", "undeliverable address", "account not found", "address not found", "wasn't found at",
		"couldn't be found", "could not be found", "can't be found", "cannot be found", "is not found", "was not found", "invalid user", "invalid address", "invalid e-mail", "invalid email", "invalid account", "no account by that name", "no mail box", "address error", "address unknown",
		"user is unknown", "is unknown", "were unknown", "was unknown", "not known at this", "not known here", "recipient does not", "user does not", "unknown or illegal alias", "badly formatted address", "need fully-qualified",
		"no one here", "nobody here", "not on this server", "not hosted here", "not local", "is not here", "not my user", "validrcptto", "alias not found",
		"no longer available", "no longer on server", "no longer employed", "no longer with", "no longer work", "no longer valid", "no longer accept", "no longer exist", "no longer in use", "no longer active", "no longer a ", "no longer at ", "no longer here", "no longer in service",
		"account closed", "account has been closed", "account is closed", "has been closed", "has been deleted", "was deleted", "is deleted", "account deleted", "mailbox deleted", "has been removed", "has been terminated", "is terminated", "has been discontinued", "mailbox has moved", "mailbox moved", "user has moved",
		"empfanger unbekannt", "empfanger ist unbekannt", "unbekannter empfanger", "unbekannter benutzer", "benutzer unbekannt", "adresse unbekannt", "unbekannte adresse", "unbekannte empfanger", "existiert nicht", "nicht existier", "kein postfach", "kein benutzer", "ungultige empfanger", "ungultige adresse", "ungultiger empfanger", "nicht gefunden", "nicht bekannt", "nicht mehr gultig", "nicht vorhanden",
		"adresse inconnue", "adresse email inconnue", "adresse e-mail inconnue", "utilisateur inconnu", "destinataire inconnu", "compte inconnu", "boite inconnue", "n'existe pas", "n'existe plus", "inexistant", "introuvable", "destinataire invalide", "adresse invalide", "n'est plus valide", "n'est plus utilis",
		"usuario desconocido", "destinatario desconocido", "direccion desconocida", "no existe", "no se encontro", "no encontrad", "no se ha encontrado", "direccion no valida", "direccion invalida", "destinatario no valido", "inexistente",
		"usuario desconhecido", "destinatario desconhecido", "nao existe", "nao encontrad", "nao foi encontrad", "endereco invalido", "destinatario invalido",
		"utente sconosciuto", "destinatario sconosciuto", "indirizzo sconosciuto", "non esiste", "inesistente", "non e stato trovato", "non trovat", "indirizzo non valido",
		"onbekende gebruiker", "gebruiker onbekend", "onbekende ontvanger", "ontvanger onbekend", "bestaat niet", "onbekend adres", "adres onbekend", "niet gevonden", "ongeldig adres",
		"nieznany uzytkownik", "nieznany odbiorca", "nieznany adres", "nie istnieje", "nie ma takiego", "nie znaleziono", "neexistuje", "neznamy uzivatel", "neznamy prijemce", "nenalezen", "ismeretlen", "nem letezik",
		"okand mottagare", "okand anvandare", "finns inte", "ukendt modtager", "ukendt bruger", "findes ikke", "eksisterer ikke", "ukjent mottaker", "ukjent bruker", "finnes ikke", "tuntematon", "ei ole olemassa", "ei loydy",
		"kullanici yok", "kullanici bulunamadi", "bulunamadi", "bilinmeyen kullanici", "gecersiz alici", "αγνωστος", "δεν υπαρχει", "δεν βρεθηκε", "utilizator necunoscut", "destinatar necunoscut", "nu exista",
		"пользователь не наиден", "ящик не наиден", "адрес не наиден", "получатель не наиден", "не существует", "нет такого", "неизвестныи пользователь", "неизвестныи получатель", "неизвестныи адрес", "недеиствительныи адрес", "не знаидено", "не існує", "невідомии",
		"不存在", "无此用户", "無此用戶", "查无此", "查無此", "找不到收件", "找不到用户", "找不到使用者", "无效的收件", "收件人无效", "未找到收件", "无效地址",
		"アドレスが見つかりません", "ユーザが見つかりません", "ユーザーが見つかりません", "存在しません", "存在しない", "宛先不明", "宛先が不明", "宛先が見つかりません", "該当する", "無効なアドレス", "アドレスが無効", "使われておりません", "使われていません",
		"존재하지 않", "찾을 수 없", "없는 사용자", "알 수 없는 사용자", "잘못된 수신자", "المستخدم غير موجود", "غير موجود", "לא נמצא", "לא קיים", "ไมพบผูใช", "ไมมีผูใช", "khong ton tai", "tidak ditemukan", "tidak ada",
	}},
	{CategoryDisabled, []string{"disabled", "inactive", "suspended"}},
	{CategoryAuth, []string{"spf", "dkim", "dmarc", "rdns", "ptr", "unauthenticated", "fcrdns"}},
	{CategoryBlocked, []string{"blocked", "poor reputation", "barred", "deny list", "denylist", "bloque par", "bloqueado", "bloccat"}},
	{CategorySpam, []string{"spam", "junk", "bulk mail", "content rejected", "indesirable"}},
	{CategoryExpired, []string{
		"expired", "too long", "retry timeout", "retry time not reached", "multiple retries", "giving up", "given up", "not been collected after", "cannot send message for",
		"maximum retries", "maximum delivery attempts", "delivery time limit", "max retry", "could not deliver for the last", "cannot send message within", "could not be delivered for", "неудачных попыток", "delivery temporarily suspended",
	}},
	{CategoryNetwork, []string{
		"timed out", "timeout", "connection refused", "connection reset", "no route", "unreachable", "starttls", "certificate",
		"lost connection", "network", "socket error", "did not accept our requests to connect", "not reachable", "unable to connect", "could not connect",
		"connection failed", "establish an smtp connection", "can't connect", "cannot connect", "failed to connect", "connection closed", "broken pipe", "conversation with", "tls",
		"deferred: connection", "protocol error", "connection dropped", "zeituberschreitung", "keine verbindung", "delai depasse", "connexion refusee", "tiempo de espera", "conexion rechazada", "tempo scaduto", "connessione rifiutata",
		"tempo esgotado", "conexao recusada", "时间超时", "连接超时", "接続できません", "タイムアウト",
	}},
	{CategoryPolicy, []string{
		"policy", "policies", "not allowed", "not permitted", "relay", "access denied", "not accepted", "not authorized", "prohibited", "administratively",
		"permission to post", "restricted", "message rejected", "sender was rejected", "refused by", "security", "politique", "politica", "richtlinie",
	}},
}

// missingWords tell that a server looked for the mailbox: so Yandex, Gmail, qmail
// and hostedemail.com say it beside 5.7.1 (sample mail of
// Mail::DeliveryStatus::BounceParser and Chatwoot, read 2026-11-26). The other
// words for unknown users are what relays and filters like to say.
var missingWords = []string{"no such user", "no mailbox found", "mailbox not found", "mail-box not found", "user does not exist", "mailbox does not exist"}

// unavailableWords are what RFC 5321 proposes for the reply 550, where nothing
// more is said. Outlook.com and GMX mean that the mailbox does not exist.
var unavailableWords = []string{"mailbox unavailable", "mailbox is unavailable", "mailbox not available", "account is unavailable", "recipient unavailable"}

// guessWords tell of causes that may be, as reports without a code do for people
// who know no codes.
var guessWords = []string{
	"possible reasons", "possible causes", "moglicherweise", "mogliche ursache", "mogliche grunde", " oder ", "peut-etre", "causes possibles", "raisons possibles", "posibles causas", "posiblemente", "possibili cause",
	"possiveis causas", "возможно", "возможные причины", " или ", "либо", "可能", "或者", "或", "または", "又は", "もしくは", "あるいは", "かもしれ", "恐れ", "거나", "또는",
}
