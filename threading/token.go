package threading

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	tokenBytes  = 15
	tokenLength = tokenBytes * 8 / 5
	// tokenAlphabet is that of RFC 4648, 6, in lower case: mail systems change
	// the case of addresses.
	tokenAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// Token returns the keyed token of a message: 24 letters and digits that nobody
// can guess without the secret. The same message has the same token every time,
// so it need not be stored before the message goes out. Put it into what answers
// carry back, the left side of the Message-ID ("TOKEN.x@example.com") or the
// Reply-To address ([TokenAddress]). The outbox notes it in [SentMessage.Token],
// and [Matcher] finds the message by it, whatever became of the rest of the id.
//
// The secret should have 32 random bytes. Who changes it loses nothing: tokens
// are looked up, not computed again.
func Token(secret []byte, ref mailbox.Ref, key string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range []string{string(ref.Tenant), string(ref.Mailbox), key} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	return base32.NewEncoding(tokenAlphabet).EncodeToString(mac.Sum(nil)[:tokenBytes])
}

// TokenAddress returns the address with the token as its tag,
// "ann+TOKEN@example.com" (RFC 5233), which Gmail and Exchange Online deliver to
// the mailbox of ann. A tag that was there is replaced. What is no addr-spec is
// returned as it is.
func TokenAddress(address, token string) string {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 {
		return address
	}
	local, _, _ := strings.Cut(address[:at], "+")
	return local + "+" + token + address[at:]
}

// FindToken returns the first token in the ids or addresses of a message that is
// sent, or "".
func FindToken[T ~string](list ...T) string {
	for _, s := range list {
		if found := keyedTokens(string(s)); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// keyedTokens returns what looks like a token in an id or an address: words of the
// length and the alphabet of one.
func keyedTokens(s string) []string {
	var found []string
	for begin, i := 0, 0; i <= len(s); i++ {
		if i < len(s) && isWordByte(s[i]) {
			continue
		}
		if i-begin == tokenLength {
			if word := strings.ToLower(s[begin:i]); strings.Trim(word, tokenAlphabet) == "" {
				found = append(found, word)
			}
		}
		begin = i + 1
	}
	return found
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
