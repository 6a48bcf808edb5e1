package gmail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// batchPath is where batches go (batchPath of the discovery document, revision
// 20261005).
const batchPath = "batch"

const (
	// maxTries is how often one part of a batch is tried again.
	maxTries = 4
	// maxPause is the longest wait that is sat out here. A longer one is left to
	// the caller.
	maxPause = time.Minute
)

// part is one call of a batch.
type part struct {
	method, path string
	body         []byte // JSON, if there is any
}

// batchCall runs parts, which all call the same method of the API, in as many
// batches as that takes, and hands each answer to take, which must not keep it.
// An error of take means that the answer is damaged.
//
// A batch is answered 200 whatever becomes of its parts, and several 429 among
// them are Gmail's normal answer to overload. The transport cannot act on them:
// they are waited for here, and tried again in batches of half the size. Refusals
// that stay and concern a part alone are in failed, by its index. Any other one
// is the error, and failed is not complete then.
func (m *Mailbox) batchCall(ctx context.Context, method string, parts []part, take func(i int, body []byte) error) (failed map[int]*mailbox.Error, err error) {
	failed = map[int]*mailbox.Error{}
	tries := make([]int, len(parts))
	todo := make([]int, len(parts))
	for i := range todo {
		todo[i] = i
	}
	renewed := make([]bool, len(parts))
	size := m.provider.batchSize
	for len(todo) > 0 {
		now := todo[:min(size, len(todo))]
		todo = todo[len(now):]
		refused, err := m.batch(ctx, method, parts, now, take)
		if e, ok := errors.AsType[*mailbox.Error](err); ok && e.Code == gate.TooLarge {
			if len(now) == 1 {
				failed[now[0]] = e
				continue
			}
			size = len(now) / 2
			todo = append(slices.Clone(now), todo...)
			continue
		}
		if err != nil {
			return failed, err
		}
		var wait time.Duration
		var stale bool
		for _, i := range now {
			e := refused[i]
			if e == nil {
				continue
			}
			again := e.RetryAfter <= maxPause && tries[i] < maxTries
			switch e.Class {
			case mailbox.ClassThrottled:
				size = max(1, len(now)/2)
			case mailbox.ClassUnavailable:
				if !again {
					failed[i] = e
					continue
				}
			case mailbox.ClassReconnect:
				again = again && !renewed[i]
				stale, renewed[i] = true, true
			case mailbox.ClassNotFound, mailbox.ClassInvalid, mailbox.ClassUnknown:
				failed[i] = e
				continue
			default: // not about the part
				again = false
			}
			if !again {
				return failed, e
			}
			tries[i]++
			todo = append(todo, i)
			wait = max(wait, e.RetryAfter, backoff(tries[i]))
		}
		if stale {
			// The token died where the gate cannot see it. A call of its own makes
			// the gate get another one.
			if _, err := m.historyID(m.call(ctx, mailbox.Call{Method: methodProfile})); err != nil {
				return failed, err
			}
		}
		if wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return failed, err
			}
		}
	}
	return failed, nil
}

// backoff is one second, doubled with every try, and up to half of it more, so
// that mailboxes that were refused together do not come back together.
func backoff(try int) time.Duration {
	d := time.Second << (try - 1)
	return d + rand.N(d/2)
}

// batch sends the parts with these indices in one request. A part without a
// usable answer is refused as ClassUnavailable.
func (m *Mailbox) batch(ctx context.Context, method string, parts []part, now []int, take func(int, []byte) error) (refused map[int]*mailbox.Error, err error) {
	body, contentType, err := encodeBatch(parts, now)
	if err != nil {
		return nil, err
	}
	ctx = m.call(ctx, mailbox.Call{Method: method, Parallel: len(now), Upload: int64(len(body))})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.provider.api.JoinPath(batchPath).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", userAgent)
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()

	call, _ := mailbox.CallOf(ctx)
	refused = make(map[int]*mailbox.Error, len(now))
	for _, i := range now {
		refused[i] = &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "no_answer_in_batch"}
	}
	source := &keepError{r: resp.Body}
	err = decodeBatch(resp.Header.Get("Content-Type"), source, func(i int, a gate.Answer) {
		if refused[i] == nil {
			return // not asked for, or answered twice
		}
		if a.Status/100 != 2 {
			a.Call = call
			refused[i] = m.gate.Refuse(a)
			return
		}
		if take(i, a.Body) == nil {
			delete(refused, i)
		}
	})
	if source.err != nil {
		err = source.err
	}
	if e, ok := errors.AsType[*mailbox.Error](err); ok && e.Code == gate.TooLarge {
		return nil, err
	}
	if len(refused) == len(now) && err != nil {
		return nil, err
	}
	return refused, nil // the answer may have broken off behind some of the parts
}

// keepError remembers how reading failed, which the readers above it may turn
// into complaints about form.
type keepError struct {
	r   io.Reader
	err error
}

func (k *keepError) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}

// encodeBatch writes the parts with these indices as a multipart/mixed body.
func encodeBatch(parts []part, now []int) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, i := range now {
		p := parts[i]
		pw, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Type": {"application/http"},
			"Content-ID":   {"<item-" + strconv.Itoa(i) + ">"},
		})
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(pw, "%s %s\r\n", p.method, p.path)
		if len(p.body) > 0 {
			fmt.Fprintf(pw, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(p.body))
		}
		fmt.Fprintf(pw, "\r\n%s", p.body)
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), "multipart/mixed; boundary=" + w.Boundary(), nil
}

// errNotBatch is an answer that is no batch at all.
var errNotBatch = errors.New("gmail: the answer to a batch is not multipart/mixed")

// decodeBatch hands over the answers of a batch, each with the index of its
// part. Parts that cannot be read or name no index are left out. The body of an
// answer is valid until take returns. An error is what ended the reading.
func decodeBatch(contentType string, body io.Reader, take func(i int, a gate.Answer)) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return errNotBatch
	}
	var content bytes.Buffer
	var lines bufio.Reader
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		i, ok := partIndex(p.Header.Get("Content-ID"))
		if !ok {
			continue
		}
		lines.Reset(p)
		resp, err := http.ReadResponse(&lines, nil)
		if err != nil {
			continue
		}
		content.Reset()
		_, err = content.ReadFrom(resp.Body)
		resp.Body.Close()
		if err != nil {
			continue
		}
		take(i, gate.Answer{Status: resp.StatusCode, Header: resp.Header, Body: content.Bytes()})
	}
}

// partIndex reads the index out of the Content-ID of an answer: Google puts
// "response-" in front of the id of the request.
func partIndex(id string) (int, bool) {
	id = strings.Trim(id, "<> \t")
	id = strings.TrimPrefix(id, "response-")
	digits, ok := strings.CutPrefix(id, "item-")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0
}
