package outlooktest

import (
	"net/http"
)

// apiError is a refusal in the shape of Graph.
type apiError struct {
	status  int
	code    string
	message string
	header  http.Header
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

func badRequest(message string) *apiError {
	return refuse(http.StatusBadRequest, "BadRequest", message)
}

func unreadableBody(message string) *apiError {
	return refuse(http.StatusBadRequest, "RequestBodyRead", message)
}

func itemNotFound() *apiError {
	return refuse(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
}

func accessDenied() *apiError {
	return refuse(http.StatusForbidden, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
}

func malformedID() *apiError {
	return refuse(http.StatusBadRequest, "ErrorInvalidIdMalformed", "Id is malformed.")
}

func inefficientFilter() *apiError {
	return refuse(http.StatusBadRequest, "InefficientFilter", "The restriction or sort order is too complex for this operation.")
}

func syncStateNotFound() *apiError {
	return refuse(http.StatusGone, "syncStateNotFound", "The sync state generation is not found.")
}

func noMailbox() *apiError {
	return refuse(http.StatusNotFound, "MailboxNotEnabledForRESTAPI",
		"The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
}

func sendAsDenied() *apiError {
	return refuse(http.StatusForbidden, "ErrorSendAsDenied", "The user account which was used to submit this request "+
		"does not have the right to send mail on behalf of the specified sending account., Cannot submit message.")
}

func invalidRecipients() *apiError {
	return refuse(http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
}

// notModelled is the fake's own answer for what the package doc lists.
func notModelled(what string) *apiError {
	return refuse(http.StatusNotImplemented, "notImplemented", "outlooktest does not model "+what+".")
}
