package outlook

import (
	"context"
	"net/http"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// folderNames are the well-known names that Graph takes in place of an id.
var folderNames = []struct {
	folder mailbox.Folder
	name   string
}{
	{mailbox.FolderInbox, "inbox"},
	{mailbox.FolderSent, "sentitems"},
	{mailbox.FolderDrafts, "drafts"},
	{mailbox.FolderSpam, "junkemail"},
	{mailbox.FolderTrash, "deleteditems"},
	{mailbox.FolderArchive, "archive"},
}

// folderName returns the well-known name, "" if there is none.
func folderName(f mailbox.Folder) string {
	for _, known := range folderNames {
		if known.folder == f {
			return known.name
		}
	}
	return ""
}

// folderMap tells which folder an id stands for. Folder ids never change.
type folderMap struct {
	byID map[string]mailbox.Folder
	at   time.Time // the time of the server when it was asked, possibly zero
}

// of returns FolderOther for folders of the user's own, and nothing without an
// id.
func (f *folderMap) of(id string) mailbox.Folder {
	if id == "" {
		return ""
	}
	if name, ok := f.byID[id]; ok {
		return name
	}
	return mailbox.FolderOther
}

// folderMap asks for the ids of the well-known folders once. Two goroutines may
// ask at the same time; the answers are equal.
func (m *Mailbox) folderMap(ctx context.Context) (*folderMap, error) {
	if f := m.folders.Load(); f != nil {
		return f, nil
	}
	f, err := m.askFolders(ctx)
	if err == nil {
		m.folders.Store(f)
	}
	return f, err
}

func (m *Mailbox) askFolders(ctx context.Context) (*folderMap, error) {
	var calls []graph.Inner
	for _, known := range folderNames {
		calls = append(calls, m.graph.GetFolder(known.name))
	}
	answers, at, err := m.batch(ctx, calls, graph.MaxBatch)
	if err != nil {
		return nil, err
	}
	f := &folderMap{byID: map[string]mailbox.Folder{}, at: at}
	for i, a := range answers {
		if a.Status == http.StatusNotFound {
			continue // a mailbox need not have an archive
		}
		if err := m.refused(calls[i], a); err != nil {
			return nil, err
		}
		if id := graph.ParseID(a.Body); id != "" {
			f.byID[id] = folderNames[i].folder
		}
	}
	return f, nil
}
