package outlooktest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// box is one mailbox. It is guarded by Server.mu.
type box struct {
	user   User
	number uint32

	folders []*folder
	byID    map[string]*item // immutable ids and present mutable ids
	items   map[uint64]*item
	byRFC   map[mailbox.RFCMessageID][]*item
	topics  map[[16]byte]string // conversation GUID → its topic

	objects uint64 // numbers objects
	seq     uint64 // numbers changes
	lag     time.Duration
	recent  []change // those that delta does not tell of yet

	hideInTransport bool

	full, fullReads bool
	sendRefusal     *apiError
	recipients      []sentAt // for the send limit
	requests        []time.Time
	inFlight        int
	challenge       string // claims that tokens have to be issued for
}

// change tells when a change happened.
type change struct {
	seq uint64
	at  time.Time
}

type sentAt struct {
	at time.Time
	n  int
}

// folder is one mail folder.
type folder struct {
	number    uint64
	id        string
	name      string // well-known name, empty for others
	display   string
	items     map[uint64]*item
	removed   map[uint64]tombstone
	chains    []*chain
	chainNext uint64
}

// tombstone remembers that an item left a folder.
type tombstone struct {
	item    *item
	seq     uint64
	deleted bool // for good, not moved
	// mutable is the id that the item had in the folder.
	mutable  string
	received time.Time
}

// wellKnown are the folders every mailbox has, by the names that may stand for
// their ids (learn.microsoft.com/graph/api/resources/mailfolder).
var wellKnown = []struct{ name, display string }{
	{"archive", "Archive"},
	{"deleteditems", "Deleted Items"},
	{"drafts", "Drafts"},
	{"inbox", "Inbox"},
	{"junkemail", "Junk Email"},
	{"outbox", "Outbox"},
	{"sentitems", "Sent Items"},
}

// root is the number of msgfolderroot, the parent of all folders.
const root = 1

func newBox(u User, number uint32, o Options) *box {
	b := &box{
		user: u, number: number, lag: o.DeltaLag, hideInTransport: o.HideInTransport, objects: root,
		byID: map[string]*item{}, items: map[uint64]*item{},
		byRFC: map[mailbox.RFCMessageID][]*item{}, topics: map[[16]byte]string{},
	}
	for _, w := range wellKnown {
		b.addFolder(w.name, w.display)
	}
	return b
}

func (b *box) addFolder(name, display string) *folder {
	b.objects++
	f := &folder{
		number: b.objects, id: makeID(kindFolder, b.number, b.objects, 0), name: name, display: display,
		items: map[uint64]*item{}, removed: map[uint64]tombstone{},
	}
	b.folders = append(b.folders, f)
	return f
}

// folder finds a folder by id or well-known name.
func (b *box) folder(id string) *folder {
	for _, f := range b.folders {
		if f.id == id || f.name != "" && strings.EqualFold(f.name, id) {
			return f
		}
	}
	return nil
}

// hidden reports whether the item is with transport and cannot be seen.
func (b *box) hidden(it *item) bool { return b.hideInTransport && it.submitted > 0 }

func (b *box) rootID() string { return makeID(kindFolder, b.number, root, 0) }

// owns reports whether address delivers to the mailbox. Exchange Online
// delivers "local+tag" to "local".
func (b *box) owns(address string) bool {
	match := func(own string) bool {
		if mailbox.SameAddress(own, address) {
			return true
		}
		local, domain, ok := strings.Cut(address, "@")
		base, _, tagged := strings.Cut(local, "+")
		return ok && tagged && mailbox.SameAddress(own, base+"@"+domain)
	}
	return match(b.user.Address) || slices.ContainsFunc(b.user.Aliases, match)
}

// is reports whether id names the mailbox in a URL.
func (b *box) is(id string) bool {
	return b.owns(id) || b.user.ID == id || strings.EqualFold(b.user.UserPrincipalName, id)
}

// item is one message.
type item struct {
	box        *box
	number     uint64
	generation uint32 // of the mutable id
	folder     *folder

	entered uint64 // change number of its arrival in the folder
	moved   bool   // it came from another folder
	changed uint64 // change number of its last change

	created, modified, received, sent time.Time

	read, draft bool
	submitted   int // how many times it was accepted for sending and is not filed yet
	gone        bool

	content
}

func (it *item) immutableID() string { return makeID(kindImmutable, it.box.number, it.number, 0) }

func (it *item) mutableID() string {
	return makeID(kindMutable, it.box.number, it.number, it.generation)
}

// changeKey names the version of the item.
func (it *item) changeKey() string {
	return makeID([3]byte{0x09, 0x00, 0x00}, it.box.number, it.number, uint32(it.changed))[:40]
}

// bump numbers a change.
func (b *box) bump(now time.Time) uint64 {
	b.seq++
	if b.lag > 0 {
		b.recent = append(b.recent, change{b.seq, now})
	}
	return b.seq
}

// settled is the number of the last change that delta may tell of.
func (b *box) settled(now time.Time) uint64 {
	for len(b.recent) > 0 && now.Sub(b.recent[0].at) >= b.lag {
		b.recent = b.recent[1:]
	}
	if len(b.recent) > 0 {
		return b.recent[0].seq - 1
	}
	return b.seq
}

// add files a new item.
func (b *box) add(f *folder, it *item) *item {
	b.objects++
	it.box, it.number, it.folder = b, b.objects, f
	it.entered = b.bump(it.created)
	it.changed = it.entered
	b.items[it.number] = it
	b.byID[it.immutableID()] = it
	b.byID[it.mutableID()] = it
	f.items[it.number] = it
	delete(f.removed, it.number)
	b.indexRFC(it)
	return it
}

// indexRFC makes the item findable by its Message-ID.
func (b *box) indexRFC(it *item) {
	id := it.rfcID()
	if id == "" || slices.Contains(b.byRFC[id], it) {
		return
	}
	b.byRFC[id] = append(b.byRFC[id], it)
}

// touch notes that the item changed.
func (b *box) touch(it *item, now time.Time) {
	it.changed, it.modified = b.bump(now), now
}

// move takes the item to another folder; its mutable id changes.
func (b *box) move(it *item, to *folder, now time.Time) {
	if it.folder == to {
		return
	}
	b.leave(it, false, now)
	it.generation++
	it.entered = b.bump(now)
	it.folder, it.changed, it.modified, it.moved = to, it.entered, now, true
	to.items[it.number] = it
	b.byID[it.mutableID()] = it
}

// remove deletes the item for good.
func (b *box) remove(it *item, now time.Time) {
	b.leave(it, true, now)
	it.gone = true
	delete(b.items, it.number)
	delete(b.byID, it.immutableID())
}

func (b *box) leave(it *item, deleted bool, now time.Time) {
	delete(it.folder.items, it.number)
	it.folder.removed[it.number] = tombstone{
		item: it, seq: b.bump(now), deleted: deleted, mutable: it.mutableID(), received: it.received,
	}
	delete(b.byID, it.mutableID())
}

// sorted returns the items of a folder (nil: of all folders), newest first.
func (b *box) sorted(f *folder) []*item {
	from := b.items
	if f != nil {
		from = f.items
	}
	items := make([]*item, 0, len(from))
	for _, it := range from {
		items = append(items, it)
	}
	slices.SortFunc(items, newestFirst)
	return items
}

func newestFirst(a, b *item) int {
	if c := b.received.Compare(a.received); c != 0 {
		return c
	}
	return cmp.Compare(b.number, a.number)
}
