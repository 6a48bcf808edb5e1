package graph

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// ListOptions narrow a list or a delta round. Zero values are left out.
type ListOptions struct {
	Select          []string
	Filter, OrderBy string
	// Size is how many messages a page may have.
	Size int
}

// List returns the first page of a folder.
func (c *Client) List(ctx context.Context, folder string, o ListOptions) (Page, error) {
	top := ""
	if o.Size > 0 {
		top = strconv.Itoa(o.Size)
	}
	return c.page(ctx, request{
		name: "graph.messages.list", method: http.MethodGet,
		url: c.Base + c.path("mailFolders", folder, "messages") + query(
			"$select", strings.Join(o.Select, ","), "$filter", o.Filter, "$orderby", o.OrderBy, "$top", top),
	})
}

// ListNext follows the link of an earlier page, as it is.
func (c *Client) ListNext(ctx context.Context, link string) (Page, error) {
	return c.next(ctx, request{name: "graph.messages.list", method: http.MethodGet, url: link})
}

// Delta begins a delta round of a folder.
func (c *Client) Delta(ctx context.Context, folder string, o ListOptions) (Page, error) {
	return c.page(ctx, request{
		name: "graph.messages.delta", method: http.MethodGet,
		url: c.Base + c.path("mailFolders", folder, "messages", "delta") + query(
			"$select", strings.Join(o.Select, ","), "$filter", o.Filter),
		prefer: pageSize(o.Size),
	})
}

// DeltaNext follows the link of an earlier page or round, as it is.
func (c *Client) DeltaNext(ctx context.Context, link string, size int) (Page, error) {
	return c.next(ctx, request{name: "graph.messages.delta", method: http.MethodGet, url: link, prefer: pageSize(size)})
}

// pageSize is a wish that has to be repeated with every request: links do not
// carry it.
func pageSize(n int) []string {
	if n <= 0 {
		return nil
	}
	return []string{"odata.maxpagesize=" + strconv.Itoa(n)}
}

// next is page for a request that follows a link.
func (c *Client) next(ctx context.Context, r request) (Page, error) {
	if err := c.checkLink(r.url); err != nil {
		return Page{}, c.badAnswer(ctx, r, err)
	}
	return c.page(ctx, r)
}

func (c *Client) page(ctx context.Context, r request) (Page, error) {
	text, _, err := c.text(ctx, r)
	if err != nil {
		return Page{}, err
	}
	p, err := ParsePage(text)
	for _, link := range []string{p.NextLink, p.DeltaLink} {
		if err == nil && link != "" {
			err = c.checkLink(link)
		}
	}
	if err != nil {
		return Page{}, c.badAnswer(ctx, r, err)
	}
	return p, nil
}

// checkLink refuses a link that the gate would not follow, before somebody
// stores it in place of a good one, and one that leads from a mailbox of
// somebody else to the user's own. Which user a link names cannot be compared:
// Graph may spell it by address, sign-in name or id.
func (c *Client) checkLink(link string) error {
	refused := func(code, problem string) error {
		return &mailbox.Error{Class: mailbox.ClassUnavailable, Code: code, Err: errors.New("graph: a link leads to " + problem)}
	}
	origin, err := gate.Origin("link", link)
	if err != nil || !slices.Contains(c.Gate.Origins, origin) {
		return refused("foreign_host", "a host that is not configured")
	}
	if c.User == "" {
		return nil
	}
	base, baseErr := url.Parse(c.Base)
	u, err := url.Parse(link)
	if err != nil || baseErr != nil {
		return refused("foreign_mailbox", "nowhere")
	}
	path, below := strings.CutPrefix(u.Path, base.Path+"/")
	first := path[:max(0, strings.IndexAny(path+"/", "/("))]
	dots := strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./")
	if !below || !strings.EqualFold(first, "users") || dots {
		return refused("foreign_mailbox", "another mailbox")
	}
	return nil
}

// Get reads one message.
func (c *Client) Get(ctx context.Context, id mailbox.MessageID, fields []string) (Message, error) {
	return c.message(ctx, request{
		name: "graph.messages.get", method: http.MethodGet,
		url: c.Base + c.path("messages", string(id)) + query("$select", strings.Join(fields, ",")),
	})
}

// Inbox reads the inbox folder's id: a probe whether there is a mailbox.
func (c *Client) Inbox(ctx context.Context) error {
	return c.exec(ctx, request{
		name: "graph.mailFolders.get", method: http.MethodGet,
		url: c.Base + c.path("mailFolders", "inbox") + query("$select", "id"),
	})
}

// Raw reads a whole message (RFC 5322) of at most limit bytes.
func (c *Client) Raw(ctx context.Context, id mailbox.MessageID, limit int64) ([]byte, error) {
	resp, ctx, err := c.send(ctx, request{
		name: "graph.messages.value", method: http.MethodGet, url: c.Base + c.path("messages", string(id), "$value"),
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = mailbox.Invalid("message size", "at most "+strconv.FormatInt(limit, 10)+" bytes", "is larger")
	}
	if err != nil {
		return nil, c.Gate.Error(ctx, err)
	}
	return raw, nil
}
