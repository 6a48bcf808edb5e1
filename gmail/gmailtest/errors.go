package gmailtest

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
)

// apiError is a refusal by the API, in the terms of Google's error body.
type apiError struct {
	code    int
	status  string // google.rpc.Code
	domain  string
	reason  string
	message string
	// location names the culprit, with its kind.
	location, locationType string
	// info is the reason of a google.rpc.ErrorInfo, if there is one.
	info     string
	metadata map[string]string
	header   http.Header
	// page answers with HTML, as the front end does.
	page bool
}

func badArgument(format string, args ...any) *apiError {
	return &apiError{
		code: http.StatusBadRequest, status: "INVALID_ARGUMENT", domain: "global", reason: "invalidArgument",
		message: fmt.Sprintf(format, args...),
	}
}

// badRequest is like badArgument for requests that never reached the method.
func badRequest(format string, args ...any) *apiError {
	e := badArgument(format, args...)
	e.reason = "badRequest"
	return e
}

func notFound() *apiError {
	return &apiError{
		code: http.StatusNotFound, status: "NOT_FOUND", domain: "global", reason: "notFound",
		message: "Requested entity was not found.",
	}
}

func forbidden(message string) *apiError {
	return &apiError{
		code: http.StatusForbidden, status: "PERMISSION_DENIED", domain: "global", reason: "forbidden", message: message,
	}
}

func failedPrecondition(message string) *apiError {
	return &apiError{
		code: http.StatusBadRequest, status: "FAILED_PRECONDITION", domain: "global", reason: "failedPrecondition",
		message: message,
	}
}

func unauthenticated() *apiError {
	return &apiError{
		code: http.StatusUnauthorized, status: "UNAUTHENTICATED", domain: "global", reason: "authError",
		message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or " +
			"other valid authentication credential. See " +
			"https://developers.google.com/identity/sign-in/web/devconsole-project.",
		location: "Authorization", locationType: "header",
		header: http.Header{"Www-Authenticate": {`Bearer realm="https://accounts.google.com/", error="invalid_token"`}},
	}
}

func scopesInsufficient(method string) *apiError {
	return &apiError{
		code: http.StatusForbidden, status: "PERMISSION_DENIED", domain: "global", reason: "insufficientPermissions",
		message: "Request had insufficient authentication scopes.",
		info:    "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
		metadata: map[string]string{
			"service": "gmail.googleapis.com",
			"method":  method,
		},
	}
}

func notConfigured(project string) *apiError {
	return &apiError{
		code: http.StatusForbidden, status: "PERMISSION_DENIED", domain: "usageLimits", reason: "accessNotConfigured",
		message: "Gmail API has not been used in project " + project + " before or it is disabled. Enable it by visiting " +
			"https://console.developers.google.com/apis/api/gmail.googleapis.com/overview?project=" + project + " then retry.",
		info:     "SERVICE_DISABLED",
		metadata: map[string]string{"service": "gmail.googleapis.com", "consumer": "projects/" + project},
	}
}

// exhausted is a 429 of a mailbox.
func exhausted(message string) *apiError {
	return &apiError{
		code: http.StatusTooManyRequests, status: "RESOURCE_EXHAUSTED", domain: "usageLimits", reason: "rateLimitExceeded",
		message: message,
	}
}

// errorBody is the documented body of an error.
type errorBody struct {
	Error errorObject `json:"error"`
}

type errorObject struct {
	Code    int           `json:"code"`
	Message string        `json:"message"`
	Errors  []errorItem   `json:"errors,omitempty"`
	Status  string        `json:"status,omitempty"`
	Details []errorDetail `json:"details,omitempty"`
}

type errorItem struct {
	Message      string `json:"message"`
	Domain       string `json:"domain"`
	Reason       string `json:"reason"`
	Location     string `json:"location,omitempty"`
	LocationType string `json:"locationType,omitempty"`
}

type errorDetail struct {
	Type     string            `json:"@type"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// write sends the error. The query parameter $.xgafv selects the old format
// (1: errors) or the new one (2: details).
func (e *apiError) write(w http.ResponseWriter, shape ErrorShape, xgafv string) {
	for name, values := range e.header {
		w.Header()[name] = values
	}
	if e.page {
		writePage(w, e.code, e.message)
		return
	}
	body := errorBody{errorObject{Code: e.code, Message: e.message, Status: e.status}}
	if !shape.NoErrors && xgafv != "2" {
		item := errorItem{
			Message: e.message, Domain: e.domain, Reason: e.reason,
			Location: e.location, LocationType: e.locationType,
		}
		switch e.reason {
		case "authError":
			item.Message = "Invalid Credentials"
		case "insufficientPermissions":
			item.Message = "Insufficient Permission"
		}
		body.Error.Errors = []errorItem{item}
	}
	if e.info != "" && !shape.NoDetails && xgafv != "1" {
		body.Error.Details = []errorDetail{{
			Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: e.info,
			Domain: "googleapis.com", Metadata: e.metadata,
		}}
	}
	if shape.NoStatus {
		body.Error.Status = ""
	}
	var v any = body
	if shape.Array {
		v = []errorBody{body}
	}
	writeJSON(w, e.code, v)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
}

// writePage answers as the front end does that never asked the API.
func writePage(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=en>\n<title>Error %d (%s)!!1</title>\n<p><b>%d.</b> <ins>That’s an error.</ins>\n<p>%s <ins>That’s all we know.</ins>\n",
		status, http.StatusText(status), status, html.EscapeString(message))
}
