package sqlstore

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// sentDocument is the document of a sent message. Text is in the form of
// encodeText.
type sentDocument struct {
	Tenant      string    `json:"tenant"`
	Mailbox     string    `json:"mailbox"`
	Key         string    `json:"key"`
	Provider    string    `json:"provider,omitempty"`
	IDs         []string  `json:"ids,omitempty"`
	Thread      string    `json:"thread,omitempty"`
	Token       string    `json:"token,omitempty"`
	ThreadIndex []byte    `json:"thread_index,omitempty"`
	Recipients  []string  `json:"recipients,omitempty"`
	Subject     string    `json:"subject,omitempty"`
	At          time.Time `json:"at,omitzero"`
	// Phrases are 8 bytes each, the first one first: half of what numbers take,
	// which other readers of JSON would round.
	Phrases []byte `json:"phrases,omitempty"`
}

// encodeSent returns the document of a sent message.
func encodeSent(m threading.SentMessage) ([]byte, error) {
	d := sentDocument{
		Tenant: encodeText(string(m.Tenant)), Mailbox: encodeText(string(m.Mailbox)), Key: encodeText(m.Key),
		Provider: encodeText(string(m.Provider)), IDs: encodeTexts(m.IDs), Thread: encodeText(string(m.Thread)),
		Token: encodeText(m.Token), ThreadIndex: []byte(m.ThreadIndex), Recipients: encodeTexts(m.Recipients),
		Subject: encodeText(m.Subject), At: m.At,
	}
	for _, p := range m.Phrases {
		d.Phrases = binary.BigEndian.AppendUint64(d.Phrases, p)
	}
	b, err := json.Marshal(d)
	if err != nil { // only times can fail
		return nil, mailbox.Invalid("at", "a time in the years 0 to 9999", "is out of range")
	}
	return b, nil
}

// decodeSent reads the document of a sent message. It has to be that of the row
// in which it is.
func decodeSent(document []byte, ref mailbox.Ref, key []byte) (threading.SentMessage, error) {
	var d sentDocument
	if json.Unmarshal(document, &d) != nil || len(d.Phrases)%8 != 0 {
		return threading.SentMessage{}, errDocument
	}
	t := textMapper{f: decodeText, ok: true}
	m := threading.SentMessage{
		Ref: mailbox.Ref{Tenant: decoded[mailbox.TenantID](&t, d.Tenant), Mailbox: decoded[mailbox.MailboxID](&t, d.Mailbox)},
		Key: decoded[string](&t, d.Key), Provider: decoded[mailbox.ProviderName](&t, d.Provider),
		IDs: decodedAll[mailbox.RFCMessageID](&t, d.IDs), Thread: decoded[mailbox.ThreadID](&t, d.Thread),
		Token: decoded[string](&t, d.Token), ThreadIndex: threading.ThreadIndex(d.ThreadIndex),
		Recipients: decodedAll[string](&t, d.Recipients), Subject: decoded[string](&t, d.Subject), At: d.At,
	}
	for p := d.Phrases; len(p) > 0; p = p[8:] {
		m.Phrases = append(m.Phrases, binary.BigEndian.Uint64(p))
	}
	if !t.ok || m.Ref != ref || m.Key != string(key) {
		return threading.SentMessage{}, errDocument
	}
	return m, nil
}

func encodeTexts[S ~string](list []S) []string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = encodeText(string(s))
	}
	return texts
}

func decoded[S ~string](t *textMapper, text string) S {
	mapped(t, &text)
	return S(text)
}

func decodedAll[S ~string](t *textMapper, texts []string) []S {
	if len(texts) == 0 {
		return nil
	}
	list := make([]S, len(texts))
	for i, text := range texts {
		list[i] = decoded[S](t, text)
	}
	return list
}
