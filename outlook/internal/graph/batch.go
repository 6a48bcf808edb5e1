package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// MaxBatch is how many calls a batch may hold (Microsoft Graph, "Combine
// multiple HTTP requests using JSON batching", 2025-02).
const MaxBatch = 20

// batchParallel is how many calls of a batch the service runs at a time for
// Outlook (Microsoft Graph, "Service-specific throttling limits").
const batchParallel = 4

// An Inner is one call inside a batch.
type Inner struct {
	Name   string // as in mailbox.Call.Method
	Method string
	// Path begins behind the root of the API.
	Path string
	// Body is JSON, or empty.
	Body string
}

// An Answer is the answer to one call of a batch. Status 0 is a missing answer.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// GetMessage describes reading one message.
func (c *Client) GetMessage(id mailbox.MessageID, fields []string) Inner {
	return Inner{
		Name: "graph.messages.get", Method: http.MethodGet,
		Path: c.path("messages", string(id)) + query("$select", strings.Join(fields, ",")),
	}
}

// GetAttachments describes reading what is attached, without content.
func (c *Client) GetAttachments(id mailbox.MessageID) Inner {
	return Inner{
		Name: "graph.attachments.list", Method: http.MethodGet,
		Path: c.path("messages", string(id), "attachments") + query("$select", "id,name,contentType,size,isInline"),
	}
}

// GetFolder describes reading the id of a folder.
func (c *Client) GetFolder(name string) Inner {
	return Inner{
		Name: "graph.mailFolders.get", Method: http.MethodGet,
		Path: c.path("mailFolders", name) + query("$select", "id"),
	}
}

// SetRead describes marking one message.
func (c *Client) SetRead(id mailbox.MessageID, read bool) Inner {
	return Inner{
		Name: "graph.messages.update", Method: http.MethodPatch,
		Path: c.path("messages", string(id)), Body: `{"isRead":` + strconv.FormatBool(read) + `}`,
	}
}

type batchItem struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// Batch carries out at most MaxBatch calls in one request and returns their
// answers in the same order, and the time of the server, zero if it did not
// tell. The service decides on every call for itself: a successful batch says
// nothing about its calls.
func (c *Client) Batch(ctx context.Context, calls []Inner) ([]Answer, time.Time, error) {
	items := make([]batchItem, len(calls))
	for i, call := range calls {
		items[i] = batchItem{
			ID: strconv.Itoa(i + 1), Method: call.Method, URL: call.Path,
			Headers: map[string]string{"Prefer": immutableID},
		}
		if call.Body != "" {
			items[i].Headers["Content-Type"] = "application/json"
			items[i].Body = json.RawMessage(call.Body)
		}
	}
	r := request{
		name: "graph.batch", method: http.MethodPost, url: c.Base + "/$batch", contentType: "application/json",
		calls: len(calls), parallel: min(len(calls), batchParallel),
	}
	var err error
	if r.body, err = json.Marshal(map[string]any{"requests": items}); err != nil {
		return nil, time.Time{}, c.badRequest(ctx, err)
	}
	text, resp, err := c.text(ctx, r)
	if err != nil {
		return nil, time.Time{}, err
	}
	answers, err := ParseBatch(text, len(calls))
	if err != nil {
		return nil, time.Time{}, c.badAnswer(ctx, r, err)
	}
	now, _ := http.ParseTime(resp.Header.Get("Date"))
	return answers, now, nil
}

// ParseBatch decodes the answer to a batch of n calls with the ids 1 to n.
// Answers come in any order; those with a foreign id are left out.
func ParseBatch(text string, n int) ([]Answer, error) {
	answers := make([]Answer, n)
	r := reader{s: text}
	if r.peek() != '{' {
		r.fail()
	}
	r.object(func(name string) {
		if name != "responses" {
			r.skip()
			return
		}
		r.array(func() {
			var id string
			var a Answer
			r.object(func(name string) {
				switch name {
				case "id":
					id = r.str()
				case "status":
					a.Status = int(r.integer())
				case "headers":
					a.Header = http.Header{}
					r.object(func(name string) { a.Header.Add(name, r.str()) })
				case "body":
					a.Body = strings.Clone(r.raw())
				default:
					r.skip()
				}
			})
			if i, err := strconv.Atoi(id); err == nil && i >= 1 && i <= n {
				answers[i-1] = a
			}
		})
	})
	return answers, r.err
}

// ParseID reads the id of any resource.
func ParseID(text string) string {
	var id string
	r := reader{s: text}
	r.object(func(name string) {
		if name == "id" {
			id = r.str()
		} else {
			r.skip()
		}
	})
	return id
}

// ParseAttachments decodes a list of attachments.
func ParseAttachments(text string) ([]mailbox.Attachment, error) {
	var all []mailbox.Attachment
	r := reader{s: text}
	r.object(func(name string) {
		if name != "value" {
			r.skip()
			return
		}
		r.array(func() {
			var a mailbox.Attachment
			r.object(func(name string) {
				switch name {
				case "id":
					a.ID = r.str()
				case "name":
					a.Name = r.str()
				case "contentType":
					a.ContentType = r.str()
				case "contentId":
					a.ContentID = strings.Trim(r.str(), "<>")
				case "size":
					a.Size = r.integer()
				case "isInline":
					a.Inline = r.boolean()
				default:
					r.skip()
				}
			})
			if a != (mailbox.Attachment{}) {
				all = append(all, a)
			}
		})
	})
	return all, r.err
}
