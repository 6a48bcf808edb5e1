package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// The causes in [mailbox.BounceRecipient.Category]. Only CategoryUserUnknown and
// CategoryHostUnknown can be hard.
const (
	CategoryUserUnknown = "user_unknown" // no such mailbox, moved, or not an address
	CategoryHostUnknown = "host_unknown" // no such domain, or one that takes no mail
	CategoryMailboxFull = "mailbox_full"
	CategoryDisabled    = "disabled" // the mailbox exists and takes no mail
	CategoryBlocked     = "blocked"  // our address, domain, host or account has a bad name
	CategorySpam        = "spam"     // the content was taken for spam
	CategoryPolicy      = "policy"   // a rule of the recipient's organisation
	CategoryAuth        = "auth"     // SPF, DKIM, DMARC or reverse DNS
	CategoryTooLarge    = "too_large"
	CategoryRate        = "rate"    // too much in too short a time
	CategoryNetwork     = "network" // no connection, or it broke
	CategoryExpired     = "expired" // given up after many tries
	CategoryOther       = "other"
)

// Bounce returns what the report says in the terms of a verdict, nil when it
// names neither a recipient nor the original message. Recipients carry the
// address the mail was sent to, if the report tells it.
//
// Hard means that the address does not exist, permanently: never a rate or
// quota reply, never a full or disabled mailbox, never a delay, never a reply of
// the 4xx class, and never a refusal of the content.
func (rep Report) Bounce() *mailbox.Bounce {
	if len(rep.Recipients) == 0 && rep.OriginalMessageID == "" {
		return nil
	}
	b := &mailbox.Bounce{OriginalMessageID: rep.OriginalMessageID}
	for _, r := range rep.Recipients {
		b.Recipients = append(b.Recipients, r.bounce())
	}
	return b
}

func (r ReportRecipient) bounce() mailbox.BounceRecipient {
	out := mailbox.BounceRecipient{Address: r.Original, Action: r.Action, Status: r.Status}
	if out.Address == "" {
		out.Address = r.Final
	}
	diagnostic := strings.ToLower(clip(r.Diagnostic))
	// Trust the words of the server that refused over the summary of the one
	// that reports: "5.0.0" says nothing, and a gateway's own code comes first.
	if told := lastStatus(diagnostic); !vague(told) && told[0] != '2' {
		out.Status = told
	}
	out.SMTP = findReply(diagnostic)
	switch r.outcome() {
	case actionDelivered, actionRelayed, actionExpanded:
		return out
	}
	if out.Status == "" && diagnostic == "" {
		return out // nothing is known
	}
	out.Category = category(out.Status, out.SMTP, withoutAddresses(diagnostic))
	permanent := !strings.HasPrefix(out.Status, "4") && (out.SMTP == 0 || out.SMTP >= 500)
	// Filters say "user unknown" when they refuse the content, and long words
	// without a code tell what may have happened.
	doubtful := r.AfterData && out.Status != "5.1.1" || out.Status == "" && out.SMTP == 0 && len(diagnostic) > maxPlainWords
	out.Hard = gone(out.Category) && permanent && !doubtful && r.outcome() == actionFailed
	return out
}

// maxPlainWords is how long the words for one cause are, in bytes.
const maxPlainWords = 400

// gone reports whether a cause means that the address does not exist.
func gone(category string) bool {
	return category == CategoryUserUnknown || category == CategoryHostUnknown
}

func vague(status string) bool { return status == "" || strings.HasSuffix(status, ".0.0") }

// category finds the cause. Words for a rate or a quota come first, since no
// code may override them; then the code; then the words.
func category(status string, smtp int, text string) string {
	if containsAny(text, rateWords) {
		return CategoryRate
	}
	if containsAny(text, []string{"recipient preferences", "sender address rejected"}) {
		return CategoryPolicy
	}
	if c := categoryOfStatus(status, text); c != "" {
		return c
	}
	fallback := CategoryOther
	if smtp == 452 || smtp == 552 { // RFC 5321, 4.2.3: exceeded storage allocation
		fallback = CategoryMailboxFull
	}
	return categoryOfWords(text, fallback)
}

func categoryOfWords(text, fallback string) string {
	for _, cause := range causeWords {
		if containsAny(text, cause.words) {
			return cause.category
		}
	}
	return fallback
}

// categoryOfStatus reads the enhanced status code (IANA registry of 2024-12-06;
// the Exchange rows from non-delivery-reports-in-exchange-online, 2026-01). ""
// means that the words decide.
func categoryOfStatus(status, text string) string {
	class, detail, _ := strings.Cut(status, ".")
	switch detail {
	case "1.0":
		if strings.Contains(text, "address rejected") && !strings.Contains(text, "sender") {
			return CategoryUserUnknown
		}
	case "1.1", "1.3", "1.6":
		return CategoryUserUnknown
	case "1.10": // Exchange: recipient not found; IANA: the domain takes no mail (null MX)
		if strings.Contains(text, "null mx") {
			return CategoryHostUnknown
		}
		return CategoryUserUnknown
	case "1.2", "4.4":
		if containsAny(text, []string{"try again", "malformed"}) { // the name service failed, not the name
			return CategoryNetwork
		}
		return CategoryHostUnknown
	case "1.8", "1.90", // Exchange: our mailbox is barred or over its daily limit
		"7.501", "7.502", "7.503", "7.508", "7.511", "7.513", "7.705", "7.708", "7.750":
		return CategoryBlocked
	case "2.1":
		return categoryOfWords(text, CategoryDisabled)
	case "2.2":
		return CategoryMailboxFull
	case "2.3", "3.4":
		return CategoryTooLarge
	case "2.121", "2.122", "7.28", "7.232", "7.233":
		return CategoryRate
	case "3.2":
		if class == "4" {
			return CategoryRate
		}
	case "4.1":
		// Exchange uses 5.4.1 for directory blocking and for a refused relay.
		switch {
		case strings.Contains(text, "recipient address rejected"):
			return CategoryUserUnknown
		case strings.Contains(text, "relay"):
			return CategoryPolicy
		}
		return CategoryNetwork
	case "4.2", "4.316", "7.321", "7.322", "7.323", "7.324", "7.325":
		return CategoryNetwork
	case "4.7", "4.300":
		return CategoryExpired
	case "7.12", "7.124", "7.133", "7.134", "7.135", "7.136", "7.703":
		return CategoryPolicy
	case "7.20", "7.21", "7.22", "7.23", "7.24", "7.25", "7.26", "7.509", "7.515":
		return CategoryAuth
	case "7.1":
		if c := categoryOfWords(text, CategoryPolicy); !gone(c) { // the address exists, whatever a relay says
			return c
		}
		return CategoryPolicy
	}
	if n, ok := strings.CutPrefix(detail, "7."); ok && len(n) == 3 {
		switch { // three digits each, so they compare as numbers
		case "606" <= n && n <= "649", class == "4" && ("500" <= n && n <= "699" || "850" <= n && n <= "899"):
			return CategoryBlocked
		}
	}
	return ""
}

// rateWords tell of a rate or of our own sending quota, whatever the code says:
// Gmail answers 5.2.1 to "receiving mail too quickly" and Exchange 5.2.2 to our
// own submission quota.
var rateWords = []string{
	"too quickly", "at a rate", "rate limit", "ratelimit", "too many messages", "too many connections",
	"too many recipients", "too many concurrent", "submissionquota", "submission quota", "sending limit",
	"throttl", "greylist", "graylist", "sending rate", "exceeded the rate", "too many emails", "too many mails", "too many errors",
	"frequency limited", "connection frequency", "daily limit", "limit exceeded for", "exceeded the maximum number of messages",
	"messages per connection", "connections from your", "try again later, too", "zu viele verbindungen", "trop de connexions",
	"слишком много", "发送频率", "发信频率", "频率限制",
}

// causeWords are common words of refusals, most telling first.
var causeWords = []struct {
	category string
	words    []string
}{
	{CategoryMailboxFull, []string{
		"mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded", "exceeded storage",
		"out of storage", "insufficient storage", "inbox full", "not enough space", "mail quota", "mailfolder is full", "mailbox size",
		"inbox is full", "quota exceed", "exceeds quota", "exceeded quota", "exceeded their", "over the quota", "mailbox_full", "mail box full", "disk quota",
		"postfach voll", "postfach ist voll", "boite pleine", "boîte pleine", "boite aux lettres pleine", "quota dépassé", "buzón lleno", "buzon lleno", "caixa cheia",
		"caixa postal cheia", "casella piena", "ящик переполнен", "переполнен", "邮箱已满", "邮箱空间不足", "容量オーバー", "メールボックスがいっぱい",
		"message delivery limit",
	}},
	{CategoryTooLarge, []string{"message size", "too large", "too big", "size limit", "maximum size"}},
	{CategoryUserUnknown, []string{
		"user unknown", "unknown user", "no such user", "nosuchuser", "unknown e-mail", "does not exist", "doesn't exist", "unknown recipient",
		"recipient unknown", "recipientnotfound", "recipient not found", "not found in directory", "no such recipient",
		"unknown address", "unknown local", "no mailbox", "invalid recipient", "invalid mailbox", "user not found",
		"no longer available", "unrouteable address", "not our customer", "no such address", "bad destination mailbox",
		"user doesn't have", "not listed in", "invalid final delivery", "no valid recipients", "not a registered", "unable to find user",
		"recipient name is not recognized", "not a valid mailbox", "not a valid user", "mailbox not found", "mailbox unavailable or not", "no such mailbox",
		"mailbox does not", "undeliverable address", "account not found", "address not found", "wasn't found at", "isn't a valid", "is not a known user", "invalid user",
		"invalid address", "invalid e-mail address", "no account by that name", "no mail box here", "no mailbox here by that name", "address error", "address unknown",
		"user is unknown", "addresses were unknown", "address was unknown", "address is unknown", "not known at this", "recipient does not", "user does not", "unknown or illegal alias", "badly formatted address",
		"unknown mailbox", "empfänger unbekannt", "unbekannter empfänger", "unbekannter benutzer", "existiert nicht", "adresse inconnue", "utilisateur inconnu",
		"destinataire inconnu", "n'existe pas", "adresse d au moins un destinataire invalide", "invalid recipient", "usuario desconocido", "no existe",
		"usuário desconhecido", "não existe", "utente sconosciuto", "non esiste", "пользователь не найден", "не существует", "нет такого", "ящик не найден",
		"收件人不存在", "用户不存在", "邮箱不存在", "地址不存在", "无此用户", "メールアドレスが見つかりません", "存在しません", "宛先不明", "該当する",
	}},
	{CategoryDisabled, []string{
		"disabled", "inactive", "suspended", "deactivated", "account has been locked", "account is locked", "account closed", "account expired", "frozen",
		"no longer active", "no longer in use", "temporarily locked", "account is not active", "заблокирован", "отключен", "deaktiviert", "gesperrt", "désactivé",
		"已停用", "被禁用", "冻结",
	}},
	{CategoryHostUnknown, []string{
		"host unknown", "host not found", "domain not found", "unknown host", "no such domain", "null mx",
		"name or service not known", "unrouteable mail domain", "does not accept mail", "domain name not found", "couldn't find any host",
		"no mx record", "no smtp service", "no such host", "nonexistent domain", "non-existent domain", "domain does not exist", "domain is not reachable",
		"couldn't find a mail exchanger", "unable to resolve", "dns resolution", "domain not exist", "all relevant mx records point to non-existent hosts",
		"unable to route", "nullmx", "not resolve", "does not receive mail", "domain unbekannt", "domaine inconnu", "dominio desconocido",
		"домен не найден", "域名不存在", "找不到域名",
	}},
	{CategoryAuth, []string{
		"spf", "dkim", "dmarc", "reverse dns", "ptr record", "rdns", "unauthenticated", "reverse lookup", "ptr lookup", "no ptr", "unverifiable sending",
		"reverse hostname", "cannot resolve your address", "resolve your ip", "authentication checks failed", "sender verify failed", "反向解析",
	}},
	{CategoryBlocked, []string{
		"blacklist", "blocklist", "block list", "black list", "blocked", "reputation", "dnsbl", "rbl", "spamhaus",
		"poor reputation", "banned",
	}},
	{CategorySpam, []string{"spam", "unsolicited", "junk", "bulk mail", "content rejected", "virus", "спам", "垃圾邮件", "迷惑メール", "スパム"}},
	{CategoryPolicy, []string{
		"policy", "policies", "not allowed", "not permitted", "relay", "access denied", "not accepted", "not authorized", "prohibited", "administratively",
		"permission to post", "recipient preferences", "restricted", "message rejected", "sender address rejected", "sender was rejected", "refused by", "security",
	}},
	{CategoryExpired, []string{
		"expired", "too long", "retry timeout", "retry time not reached", "multiple retries", "giving up", "given up", "not been collected after", "cannot send message for",
		"maximum retries", "delivery time limit", "max retry", "could not deliver for the last", "cannot send message within", "неудачных попыток",
	}},
	{CategoryNetwork, []string{
		"timed out", "timeout", "connection refused", "connection reset", "no route", "unreachable", "starttls",
		"lost connection", "network", "socket error", "did not accept our requests to connect", "not reachable", "unable to connect", "could not connect",
		"connection failed", "establish an smtp connection", "can't connect", "cannot connect", "connection closed", "broken pipe", "conversation with", "tls",
		"deferred: connection", "protocol error", "connection dropped",
	}},
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// findStatus returns the first enhanced status code (RFC 3463) in s, or "". A
// part of an IP address or of a version number is none.
func findStatus(s string) string {
	for i := 0; i+4 < len(s); i++ {
		if s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] != '.' || i > 0 && partOfWord(s[i-1]) {
			continue
		}
		subject := digits(s[i+2:])
		mid := i + 2 + subject
		if subject == 0 || subject > 3 || mid >= len(s) || s[mid] != '.' {
			continue
		}
		detail := digits(s[mid+1:])
		end := mid + 1 + detail
		if detail == 0 || detail > 3 || end+1 < len(s) && s[end] == '.' && digits(s[end+1:]) > 0 {
			continue
		}
		return s[i:end]
	}
	return ""
}

// lastStatus returns the last enhanced status code in s, or "": a relay puts the
// words of the server behind it last.
func lastStatus(s string) string {
	last := ""
	for {
		code := findStatus(s)
		if code == "" {
			return last
		}
		last = code
		s = s[strings.Index(s, code)+len(code):]
	}
}

// findReply returns the first SMTP reply code of a failure in s, or 0.
func findReply(s string) int {
	i := replyIndex(s)
	if i < 0 {
		return 0
	}
	return int(s[i]-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0')
}

// replyIndex returns where the first SMTP reply code of a failure stands in s,
// or -1.
func replyIndex(s string) int {
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '4' && s[i] != '5' || i > 0 && (partOfWord(s[i-1]) || s[i-1] == '-') || digits(s[i:]) != 3 {
			continue
		}
		// The second digit is 0 to 5 (RFC 5321, 4.2.1); "550.1" and "550kB" are no replies.
		if end := i + 3; s[i+1] > '5' || end < len(s) && partOfWord(s[end]) && !strings.HasPrefix(s[end:], ". ") {
			continue
		}
		return i
	}
	return -1
}

// digits returns how many of the first four bytes of s are digits.
func digits(s string) int {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func partOfWord(c byte) bool {
	return c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
