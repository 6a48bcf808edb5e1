package gmailtest

import (
	"net/http"
	"strings"
)

// The scopes of the Gmail API that the fake knows (discovery document, revision
// 20261005).
const (
	ScopeFull     = "https://mail.google.com/"
	ScopeSend     = "https://www.googleapis.com/auth/gmail.send"
	ScopeCompose  = "https://www.googleapis.com/auth/gmail.compose"
	ScopeMetadata = "https://www.googleapis.com/auth/gmail.metadata"
	ScopeReadonly = "https://www.googleapis.com/auth/gmail.readonly"
	ScopeModify   = "https://www.googleapis.com/auth/gmail.modify"
	ScopeLabels   = "https://www.googleapis.com/auth/gmail.labels"
	ScopeSettings = "https://www.googleapis.com/auth/gmail.settings.basic"
)

// method is one method of the API.
type method struct {
	id      string
	route   string // as for http.ServeMux
	query   string // names of its query parameters
	upload  bool   // also under /upload
	scopes  []string
	units   int
	handle  func(*call) (any, *apiError)
	refused func(*call) *apiError // what gmail.metadata forbids beyond its scopes
}

// methods is the table of what the fake answers. Units are of the usage limits
// page of 2026-07-31, scopes of the discovery document.
func methods() []method {
	read := []string{ScopeFull, ScopeMetadata, ScopeModify, ScopeReadonly}
	full := []string{ScopeFull, ScopeModify, ScopeReadonly}
	modify := []string{ScopeFull, ScopeModify}
	drafts := []string{ScopeFull, ScopeCompose, ScopeModify}
	readDrafts := append(drafts, ScopeReadonly)
	labels := []string{ScopeFull, ScopeLabels, ScopeMetadata, ScopeModify, ScopeReadonly}
	const user = "/gmail/v1/users/{userId}"
	return []method{
		{id: "getProfile", route: "GET " + user + "/profile", scopes: append(read, ScopeCompose), units: 1, handle: (*call).getProfile},
		{id: "watch", route: "POST " + user + "/watch", scopes: read, units: 100, handle: (*call).startWatch},
		{id: "stop", route: "POST " + user + "/stop", scopes: read, units: 50, handle: (*call).stopWatch},

		{id: "messages.list", route: "GET " + user + "/messages", query: "q labelIds includeSpamTrash maxResults pageToken", scopes: read, units: 5, handle: (*call).messagesList, refused: noQuery},
		{id: "messages.get", route: "GET " + user + "/messages/{id}", query: "format metadataHeaders", scopes: read, units: 20, handle: (*call).messagesGet, refused: metadataOnly},
		{id: "messages.attachments.get", route: "GET " + user + "/messages/{messageId}/attachments/{id}", scopes: full, units: 20, handle: (*call).attachmentsGet},
		{id: "messages.send", route: "POST " + user + "/messages/send", upload: true, scopes: append(drafts, ScopeSend), units: 100, handle: (*call).messagesSend},
		{id: "messages.modify", route: "POST " + user + "/messages/{id}/modify", scopes: modify, units: 5, handle: (*call).messagesModify},
		{id: "messages.batchModify", route: "POST " + user + "/messages/batchModify", scopes: modify, units: 50, handle: (*call).messagesBatchModify},
		{id: "messages.trash", route: "POST " + user + "/messages/{id}/trash", scopes: modify, units: 20, handle: (*call).messagesTrash},
		{id: "messages.untrash", route: "POST " + user + "/messages/{id}/untrash", scopes: modify, units: 5, handle: (*call).messagesUntrash},
		{id: "messages.delete", route: "DELETE " + user + "/messages/{id}", scopes: []string{ScopeFull}, units: 10, handle: (*call).messagesDelete},

		{id: "threads.list", route: "GET " + user + "/threads", query: "q labelIds includeSpamTrash maxResults pageToken", scopes: read, units: 10, handle: (*call).threadsList, refused: noQuery},
		{id: "threads.get", route: "GET " + user + "/threads/{id}", query: "format metadataHeaders", scopes: read, units: 40, handle: (*call).threadsGet, refused: metadataOnly},

		{id: "drafts.create", route: "POST " + user + "/drafts", upload: true, scopes: drafts, units: 10, handle: (*call).draftsCreate},
		{id: "drafts.list", route: "GET " + user + "/drafts", query: "q includeSpamTrash maxResults pageToken", scopes: readDrafts, units: 5, handle: (*call).draftsList},
		{id: "drafts.get", route: "GET " + user + "/drafts/{id}", query: "format", scopes: readDrafts, units: 20, handle: (*call).draftsGet},
		{id: "drafts.update", route: "PUT " + user + "/drafts/{id}", upload: true, scopes: drafts, units: 15, handle: (*call).draftsUpdate},
		{id: "drafts.delete", route: "DELETE " + user + "/drafts/{id}", scopes: drafts, units: 10, handle: (*call).draftsDelete},
		{id: "drafts.send", route: "POST " + user + "/drafts/send", upload: true, scopes: drafts, units: 100, handle: (*call).draftsSend},

		{id: "history.list", route: "GET " + user + "/history", query: "startHistoryId historyTypes labelId maxResults pageToken", scopes: read, units: 2, handle: (*call).historyList},
		{id: "labels.list", route: "GET " + user + "/labels", scopes: labels, units: 1, handle: (*call).labelsList},
		{id: "labels.get", route: "GET " + user + "/labels/{id}", scopes: labels, units: 1, handle: (*call).labelsGet},
		{id: "labels.create", route: "POST " + user + "/labels", scopes: []string{ScopeFull, ScopeLabels, ScopeModify}, units: 5, handle: (*call).labelsCreate},
		{id: "settings.sendAs.list", route: "GET " + user + "/settings/sendAs", scopes: append(full, ScopeSettings), units: 1, handle: (*call).sendAsList},
		{id: "settings.sendAs.get", route: "GET " + user + "/settings/sendAs/{sendAsEmail}", scopes: append(full, ScopeSettings), units: 1, handle: (*call).sendAsGet},
	}
}

func (s *Server) routes() {
	for _, m := range methods() {
		m.id = "gmail.users." + m.id
		if cost, ok := s.opts.Quota.Units[m.id]; ok {
			m.units = cost
		}
		verb, path, _ := strings.Cut(m.route, " ")
		s.mux.HandleFunc(verb+" "+path, func(w http.ResponseWriter, r *http.Request) { s.api(w, r, m, false) })
		if m.upload {
			s.mux.HandleFunc(verb+" /upload"+path, func(w http.ResponseWriter, r *http.Request) { s.api(w, r, m, true) })
		}
	}
	s.mux.HandleFunc("POST /batch", s.batch)
	s.mux.HandleFunc("POST /batch/gmail/v1", s.batch)
	s.mux.HandleFunc("/o/oauth2/v2/auth", s.OAuth.Authorize)
	s.mux.HandleFunc("/token", s.OAuth.Token)
	s.mux.HandleFunc("/revoke", s.OAuth.Revoke)
	s.mux.HandleFunc("/v1/userinfo", s.userinfo)
	s.mux.HandleFunc("GET /oauth2/v3/certs", s.OAuth.Keys)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range []string{"/gmail/", "/upload/", "/resumable/"} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				http.Error(w, "gmailtest does not model "+r.Method+" "+r.URL.Path, http.StatusNotImplemented)
				return
			}
		}
		writePage(w, http.StatusNotFound, "The requested URL was not found on this server.")
	})
}
