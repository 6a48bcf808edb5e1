package outlooktest

import (
	"net/http"
	"time"
)

func folderNotFound(id string) *apiError {
	if _, _, ok := parseID(id); !ok {
		return malformedID()
	}
	return itemNotFound()
}

// discard is DELETE: to Deleted Items first, from there for good.
func (b *box) discard(it *item, now time.Time) {
	if trash := b.folder("deleteditems"); it.folder != trash {
		b.move(it, trash, now)
		return
	}
	b.remove(it, now)
}

// folderProperties are those of a folder, in any $select.
var folderProperties = []string{
	"id", "displayName", "parentFolderId", "childFolderCount", "unreadItemCount", "totalItemCount", "isHidden",
}

func (c *call) folderJSON(f *folder, want []string) map[string]any {
	unread := 0
	for _, it := range f.items {
		if !it.read {
			unread++
		}
	}
	all := map[string]any{
		"id": f.id, "displayName": f.display, "parentFolderId": c.box.rootID(), "childFolderCount": 0,
		"unreadItemCount": unread, "totalItemCount": len(f.items), "isHidden": false,
	}
	out := map[string]any{}
	for _, name := range want {
		out[name] = all[name]
	}
	return out
}

func (c *call) folderSelection() ([]string, error) {
	v := c.query.Get("$select")
	if v == "" {
		return folderProperties, nil
	}
	want := []string{"id"}
	for _, name := range splitList(v) {
		prop := find(folderProperties, name)
		if prop == "" {
			return nil, badRequest("Parsing OData Select and Expand failed: Could not find a property named '" + name + "' on type 'microsoft.graph.mailFolder'.")
		}
		want = append(want, prop)
	}
	return want, nil
}

func (c *call) listFolders() (answer, error) {
	if err := c.known("$select", "$top", "$skip", "$count", "includehiddenfolders"); err != nil {
		return answer{}, err
	}
	want, err := c.folderSelection()
	if err != nil {
		return answer{}, err
	}
	q := listQuery{}
	if q.top, err = c.number("$top", defaultTop); err != nil {
		return answer{}, err
	}
	if q.skip, err = c.number("$skip", 0); err != nil {
		return answer{}, err
	}
	from := min(q.skip, len(c.box.folders))
	to := min(from+max(q.top, 1), len(c.box.folders))
	page := []any{}
	for _, f := range c.box.folders[from:to] {
		page = append(page, c.folderJSON(f, want))
	}
	body := map[string]any{"@odata.context": c.context("mailFolders"), "value": page}
	if to < len(c.box.folders) {
		body["@odata.nextLink"] = c.next(q)
	}
	return answer{status: http.StatusOK, body: body}, nil
}

func (c *call) getFolder() (answer, error) {
	if err := c.known("$select", "includehiddenfolders"); err != nil {
		return answer{}, err
	}
	want, err := c.folderSelection()
	if err != nil {
		return answer{}, err
	}
	f := c.box.folder(c.vars[0])
	if f == nil {
		return answer{}, folderNotFound(c.vars[0])
	}
	body := c.folderJSON(f, want)
	body["@odata.context"] = c.context("mailFolders/$entity")
	return answer{status: http.StatusOK, body: body}, nil
}

func (c *call) createFolder() (answer, error) {
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	name, err := decode[string]("displayName", parameter(in, "displayName"))
	if err != nil {
		return answer{}, err
	}
	if name == "" {
		return answer{}, unreadableBody("displayName is required.")
	}
	for _, f := range c.box.folders {
		if f.display == name {
			return answer{}, refuse(http.StatusConflict, "ErrorFolderExists", "A folder with the specified name already exists.")
		}
	}
	body := c.folderJSON(c.box.addFolder("", name), folderProperties)
	body["@odata.context"] = c.context("mailFolders/$entity")
	return answer{status: http.StatusCreated, body: body}, nil
}

// translateIDs is POST translateExchangeIds.
func (c *call) translateIDs() (answer, error) {
	in, err := bodyMap(c.body)
	if err != nil {
		return answer{}, err
	}
	ids, err := decode[[]string]("inputIds", parameter(in, "inputIds"))
	if err != nil {
		return answer{}, err
	}
	target, err := decode[string]("targetIdType", parameter(in, "targetIdType"))
	if err != nil {
		return answer{}, err
	}
	if len(ids) > 1000 {
		return answer{}, badRequest("At most 1000 ids can be translated at a time.")
	}
	value := []any{}
	for _, id := range ids {
		it := c.box.byID[id]
		if it == nil {
			continue
		}
		to := it.mutableID()
		if target == "restImmutableEntryId" {
			to = it.immutableID()
		}
		value = append(value, map[string]any{"sourceId": id, "targetId": to})
	}
	return answer{status: http.StatusOK, body: map[string]any{"value": value}}, nil
}
