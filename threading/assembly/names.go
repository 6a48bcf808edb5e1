package assembly

import (
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// name stands for an id of a message, present or cited. Its number tells when it
// was first seen and must decide nothing.
type name int32

// names numbers the ids, so that an id that is cited by thousands is kept once.
type names struct {
	number map[mailbox.RFCMessageID]name
	list   []mailbox.RFCMessageID
}

func newNames() names { return names{number: make(map[mailbox.RFCMessageID]name)} }

func (n *names) of(id mailbox.RFCMessageID) name {
	if have, ok := n.number[id]; ok {
		return have
	}
	id = mailbox.RFCMessageID(strings.Clone(string(id))) // not the field it was cut from
	x := name(len(n.list))
	n.number[id] = x
	n.list = append(n.list, id)
	return x
}

// cited returns the names of cited ids; of very many the first and the last.
func (n *names) cited(ids []mailbox.RFCMessageID) []name {
	if len(ids) > maxCited {
		ids = append([]mailbox.RFCMessageID{ids[0]}, ids[len(ids)-maxCited+1:]...)
	}
	var all []name
	for _, id := range ids {
		if usable(id) {
			all = append(all, n.of(id))
		}
	}
	return slices.Clip(all)
}

// The likeness of an id that no message of the mailbox has. E-mail addresses in
// In-Reply-To are the classic cause of threads that swallow a mailbox.
const (
	likeAddress   = iota // an address, for all one can see
	likeEither           // could be an address with a number, could be a short id
	likeGenerated        // what mail software makes
)

const (
	// Addresses are hardly ever that long, those with a number even less.
	longLeft, longNumbered = 36, 24
	// fewDigits is how long a year or a counter at the end of a name is.
	fewDigits = 4
)

func likeness(id mailbox.RFCMessageID) int {
	left := string(id[:max(0, strings.LastIndexByte(string(id), '@'))])
	digits := 0
	for i := range len(left) {
		if c := left[i]; '0' <= c && c <= '9' {
			digits++
		}
	}
	trailing := len(left) - len(strings.TrimRight(left, "0123456789"))
	switch {
	case len(left) >= longLeft, len(left) >= longNumbered && digits > 0:
		return likeGenerated
	case digits == 0:
		return likeAddress
	case digits <= fewDigits && digits == trailing && digits < len(left):
		return likeEither
	}
	return likeGenerated
}
