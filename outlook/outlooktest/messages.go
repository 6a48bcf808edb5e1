package outlooktest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func newGUIDBytes() (g [16]byte) {
	rand.Read(g[:])
	return g
}

// item finds the message that the path names.
func (c *call) item() (*item, error) {
	id := c.vars[0]
	kind, number, ok := parseID(id)
	switch {
	case !ok || kind != kindMutable && kind != kindImmutable:
		return nil, malformedID()
	case number != c.box.number:
		return nil, refuse(http.StatusBadRequest, "ErrorInvalidMailboxItemId", "Item Id doesn't belong to the current mailbox.")
	}
	it := c.box.byID[id]
	if it == nil || c.box.hidden(it) {
		return nil, itemNotFound()
	}
	if c.s.options.StrictIDs && (kind == kindImmutable) != c.immutable {
		return nil, itemNotFound()
	}
	return it, nil
}

func (c *call) listMessages() (answer, error) { return c.list(nil) }

func (c *call) listFolderMessages() (answer, error) {
	f := c.box.folder(c.vars[0])
	if f == nil {
		return answer{}, folderNotFound(c.vars[0])
	}
	return c.list(f)
}

func (c *call) list(f *folder) (answer, error) {
	q, err := c.listQuery()
	if err != nil {
		return answer{}, err
	}
	all := q.items(c.box, f)
	from := min(q.skip, len(all))
	to := min(from+q.top, len(all))
	p := projector{c, q.want}
	page := make([]any, 0, to-from)
	for _, it := range all[from:to] {
		page = append(page, p.message(it))
	}
	body := map[string]any{"@odata.context": c.context("messages"), "value": page}
	if q.count {
		body["@odata.count"] = len(all)
	}
	if to < len(all) {
		body["@odata.nextLink"] = c.next(q)
	}
	return answer{status: http.StatusOK, body: body}, nil
}

func (c *call) countMessages() (answer, error) { return c.count(nil) }

func (c *call) countFolderMessages() (answer, error) {
	f := c.box.folder(c.vars[0])
	if f == nil {
		return answer{}, folderNotFound(c.vars[0])
	}
	return c.count(f)
}

func (c *call) count(f *folder) (answer, error) {
	q := listQuery{}
	var err error
	if err = c.known("$filter", "$search"); err != nil {
		return answer{}, err
	}
	if q.filter, err = c.filter(); err != nil {
		return answer{}, err
	}
	return answer{
		status: http.StatusOK, kind: "text/plain",
		raw: []byte(strconv.Itoa(len(q.items(c.box, f)))),
	}, nil
}

func (c *call) refuseDelta() (answer, error) {
	return answer{}, badRequest("Change tracking is not supported against 'microsoft.graph.message'.")
}

func (c *call) getMessage() (answer, error) {
	if err := c.known("$select", "$expand", "includehiddenmessages"); err != nil {
		return answer{}, err
	}
	want, err := c.selection()
	if err != nil {
		return answer{}, err
	}
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	return c.one(http.StatusOK, it, want), nil
}

// one answers with one message.
func (c *call) one(status int, it *item, want selection) answer {
	if want.properties == nil {
		want.properties = defaultProperties
	}
	body := projector{c, want}.message(it)
	body["@odata.context"] = c.context("messages/$entity")
	return answer{status: status, body: body, header: http.Header{"Etag": {`W/"` + it.changeKey() + `"`}}}
}

func (c *call) createMessage() (answer, error) { return c.create(c.box.folder("drafts")) }

// createInFolder writes a draft into another folder; MIME is taken at
// /messages only.
func (c *call) createInFolder() (answer, error) {
	f := c.box.folder(c.vars[0])
	switch {
	case f == nil:
		return answer{}, folderNotFound(c.vars[0])
	case c.mediaType() != "application/json":
		return answer{}, unsupportedType()
	}
	return c.create(f)
}

func unsupportedType() *apiError {
	return refuse(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content type is not supported.")
}

func (c *call) create(f *folder) (answer, error) {
	it, err := c.readDraft()
	if err != nil {
		return answer{}, err
	}
	c.s.fileDraft(c.box, f, it)
	a := c.one(http.StatusCreated, it, selection{})
	a.header.Set("Location", c.s.URL()+c.root+"/messages/"+c.idOf(it))
	return a, nil
}

// readDraft reads a request body that is a message, in either form.
func (c *call) readDraft() (*item, error) {
	switch c.mediaType() {
	case "text/plain":
		return draftFromMIME(c.body)
	case "application/json":
		in, err := bodyMap(c.body)
		if err != nil {
			return nil, err
		}
		return c.draftFromJSON(in)
	}
	return nil, unsupportedType()
}

func (c *call) patchMessage() (answer, error) {
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	if err := c.ifMatch(it); err != nil {
		return answer{}, err
	}
	subject := it.subject
	if err := c.apply(it, in); err != nil {
		return answer{}, err
	}
	if it.draft && it.subject != subject {
		c.box.retopic(&it.content)
	}
	c.box.indexRFC(it)
	c.box.touch(it, c.s.now())
	return c.one(http.StatusOK, it, selection{}), nil
}

// ifMatch compares the etag a client sends.
func (c *call) ifMatch(it *item) error {
	if v := c.r.Header.Get("If-Match"); v != "" && v != "*" && v != `W/"`+it.changeKey()+`"` {
		return refuse(http.StatusPreconditionFailed, "ErrorIrresolvableConflict",
			"The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.")
	}
	return nil
}

func (c *call) deleteMessage() (answer, error) {
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	if err := c.ifMatch(it); err != nil {
		return answer{}, err
	}
	c.box.discard(it, c.s.now())
	return answer{status: http.StatusNoContent}, nil
}

func (c *call) moveMessage() (answer, error) {
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	id, err := decode[string]("destinationId", parameter(in, "destinationId"))
	if err != nil {
		return answer{}, err
	}
	to := c.box.folder(id)
	if to == nil {
		return answer{}, folderNotFound(id)
	}
	c.box.move(it, to, c.s.now())
	return c.one(http.StatusCreated, it, selection{}), nil
}

// parameter finds an action parameter; its first letter may be a capital.
func parameter(in map[string]json.RawMessage, name string) json.RawMessage {
	for have, raw := range in {
		if strings.EqualFold(have, name) {
			return raw
		}
	}
	return json.RawMessage("null")
}

func (c *call) getValue() (answer, error) {
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, raw: it.mime(c.s.now(), true), kind: "text/plain"}, nil
}
