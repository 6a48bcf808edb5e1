package threading

// isPublicMail reports whether a domain gives mailboxes to anybody, so that two
// addresses in it have nothing to do with each other. The list holds the large
// services; a domain it lacks costs a lookup and no more, because a shared domain
// alone links nothing.
func isPublicMail(domain string) bool {
	switch domain {
	case "gmail.com", "googlemail.com",
		"outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "outlook.fr", "hotmail.co.uk", "hotmail.fr",
		"yahoo.com", "ymail.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.co.jp", "yahoo.co.in", "yahoo.com.br",
		"aol.com", "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "zoho.com", "fastmail.com",
		"gmx.de", "gmx.net", "gmx.at", "gmx.com", "web.de", "t-online.de", "freenet.de", "mail.com",
		"orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "libero.it", "virgilio.it", "tiscali.it",
		"mail.ru", "yandex.ru", "yandex.com", "bk.ru", "list.ru", "inbox.ru", "rambler.ru", "ukr.net",
		"qq.com", "163.com", "126.com", "sina.com", "foxmail.com", "naver.com", "daum.net", "docomo.ne.jp",
		"uol.com.br", "bol.com.br", "terra.com.br", "wp.pl", "o2.pl", "onet.pl", "interia.pl", "seznam.cz",
		"comcast.net", "verizon.net", "att.net", "sbcglobal.net", "btinternet.com", "rediffmail.com":
		return true
	}
	return false
}
