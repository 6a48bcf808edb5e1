package outlooktest

import "strings"

type handler func(*call) (answer, error)

// route is one operation of the mail API.
type route struct {
	method  string
	pattern string
	scopes  []string // any of them
	handler handler
}

// Scopes that allow reading, from least to most.
var (
	scopesBasic = []string{"Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"}
	scopesRead  = []string{"Mail.Read", "Mail.ReadWrite"}
	scopesWrite = []string{"Mail.ReadWrite"}
	scopesSend  = []string{"Mail.Send"}
)

// routes below /me and /users/{id}, with the scopes that the reference page of
// each operation names.
var routes = []route{
	{"GET", "messages", scopesBasic, (*call).listMessages},
	{"POST", "messages", scopesWrite, (*call).createMessage},
	{"GET", "messages/$count", scopesBasic, (*call).countMessages},
	{"GET", "messages/delta", scopesBasic, (*call).refuseDelta},
	{"GET", "messages/delta()", scopesBasic, (*call).refuseDelta},
	{"GET", "messages/*", scopesBasic, (*call).getMessage},
	{"PATCH", "messages/*", scopesWrite, (*call).patchMessage},
	{"DELETE", "messages/*", scopesWrite, (*call).deleteMessage},
	{"GET", "messages/*/$value", scopesRead, (*call).getValue},
	{"POST", "messages/*/send", scopesSend, (*call).sendDraft},
	{"POST", "messages/*/move", scopesWrite, (*call).moveMessage},
	{"POST", "messages/*/createReply", scopesWrite, (*call).createReply},
	{"POST", "messages/*/createReplyAll", scopesWrite, (*call).createReplyAll},
	{"POST", "messages/*/reply", scopesSend, (*call).reply},
	{"POST", "messages/*/replyAll", scopesSend, (*call).replyAll},
	{"GET", "messages/*/attachments", scopesRead, (*call).listAttachments},
	{"POST", "messages/*/attachments", scopesWrite, (*call).addAttachment},
	{"POST", "messages/*/attachments/createUploadSession", scopesWrite, (*call).createUpload},
	{"GET", "messages/*/attachments/*", scopesRead, (*call).getAttachment},
	{"DELETE", "messages/*/attachments/*", scopesWrite, (*call).deleteAttachment},
	{"POST", "sendMail", scopesSend, (*call).sendMail},
	{"GET", "mailFolders", scopesBasic, (*call).listFolders},
	{"POST", "mailFolders", scopesWrite, (*call).createFolder},
	{"POST", "mailFolders/*/messages", scopesWrite, (*call).createInFolder},
	{"GET", "mailFolders/*", scopesBasic, (*call).getFolder},
	{"GET", "mailFolders/*/messages", scopesBasic, (*call).listFolderMessages},
	{"GET", "mailFolders/*/messages/$count", scopesBasic, (*call).countFolderMessages},
	{"GET", "mailFolders/*/messages/delta", scopesBasic, (*call).delta},
	{"GET", "mailFolders/*/messages/delta()", scopesBasic, (*call).delta},
	{"POST", "translateExchangeIds", []string{"User.ReadBasic", "User.ReadBasic.All", "User.Read", "User.Read.All", "User.ReadWrite"}, (*call).translateIDs},
}

// match compares path segments with a pattern; "*" stands for any one segment.
func match(pattern string, path []string) (vars []string, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(path) {
		return nil, false
	}
	for i, w := range want {
		if w == "*" {
			vars = append(vars, path[i])
		} else if w != path[i] {
			return nil, false
		}
	}
	return vars, true
}
