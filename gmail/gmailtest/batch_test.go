package gmailtest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// reply is the answer to one part of a batch.
type reply struct {
	id     string
	status int
	body   string
}

// batch sends parts, each "Content-ID\nrequest", to a path.
func (w *world) batch(path string, parts ...string) (answer, []reply) {
	w.t.Helper()
	var b strings.Builder
	for _, p := range parts {
		id, req, _ := strings.Cut(p, "\n")
		b.WriteString("--b\r\nContent-Type: application/http\r\n")
		if id != "" {
			b.WriteString("Content-ID: <" + id + ">\r\n")
		}
		b.WriteString("\r\n" + req + "\r\n")
	}
	a := w.do(w.request("POST", path, "multipart/mixed; boundary=b", b.String()+"--b--\r\n"))
	if a.status != 200 {
		return a, nil
	}
	_, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []reply
	r := multipart.NewReader(bytes.NewReader(a.body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return a, out
		}
		if err != nil {
			w.t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(p), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, reply{p.Header.Get("Content-ID"), resp.StatusCode, string(body)})
	}
}

func get(id, message string) string {
	return id + "\nGET /gmail/v1/users/me/messages/" + message + "?format=minimal\r\n"
}

func TestBatch(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/batch", "/batch/gmail/v1"} {
		w := setup(t, gmailtest.Options{})
		var parts, order []string
		ids := map[string]string{}
		for i := range 20 {
			name := fmt.Sprintf("item%d", i)
			id := w.deliver(fmt.Sprintf("Subject: %d", i))
			ids["<response-"+name+">"] = id
			order = append(order, "<response-"+name+">")
			parts = append(parts, get(name, id))
		}
		_, replies := w.batch(path, parts...)
		var got []string
		for _, r := range replies {
			got = append(got, r.id)
			if r.status != 200 || !strings.Contains(r.body, `"id":"`+ids[r.id]+`"`) {
				t.Errorf("%s: %d %s", r.id, r.status, r.body)
			}
		}
		if slices.Equal(got, order) {
			t.Error("the answers came in the order of the requests")
		}
		slices.Sort(got)
		slices.Sort(order)
		if !slices.Equal(got, order) {
			t.Errorf("answers = %v", got)
		}
	}
}

func TestBatchPartsFailAlone(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Subject: x")
	_, bobs := w.Tokens(bob)
	_ = bobs
	access, _ := w.Tokens(bob)
	a, replies := w.batch("/batch",
		get("ok", id),
		get("gone", "18f0000000000000"),
		"own\nGET /gmail/v1/users/me/profile HTTP/1.1\r\nAuthorization: Bearer "+access+"\r\n\r\n",
		"write\nPOST /gmail/v1/users/me/messages/"+id+"/modify HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"removeLabelIds\":[\"UNREAD\"]}",
		"other\nGET /drive/v3/files\r\n",
		"upload\nPOST /upload/gmail/v1/users/me/messages/send?uploadType=media\r\n\r\n",
		"nested\nPOST /batch\r\n\r\n",
		"junk\nnonsense\r\n",
		"\nGET /gmail/v1/users/me/profile\r\n",
	)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := map[string]int{
		"<response-ok>": 200, "<response-gone>": 404, "<response-own>": 200, "<response-write>": 200, "<response-other>": 400,
		"<response-upload>": 400, "<response-nested>": 400, "<response-junk>": 400, "response-": 200,
	}
	for _, r := range replies {
		if r.status != want[r.id] {
			t.Errorf("%s: %d %s", r.id, r.status, r.body)
		}
		if r.id == "<response-own>" && !strings.Contains(r.body, bob) {
			t.Errorf("the part's own token was not used: %s", r.body)
		}
		delete(want, r.id)
	}
	if len(want) > 0 {
		t.Errorf("no answer to %v", want)
	}
	if w.find(ann, id).Has("UNREAD") {
		t.Error("the write had no effect")
	}
}

func TestBatchLimits(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Subject: x")
	parts := make([]string, 101)
	for i := range parts {
		parts[i] = get(fmt.Sprint(i), id)
	}
	if _, replies := w.batch("/batch", parts[:100]...); len(replies) != 100 {
		t.Errorf("%d answers to 100 parts", len(replies))
	}
	a, _ := w.batch("/batch", parts...)
	a.wantError(t, 400, "badRequest", "Inner request count exceeds the limit. Received: 101, Limit: 100")
	a, _ = w.batch("/batch")
	a.wantError(t, 400, "badRequest", "Failed to parse batch request")
	for contentType, body := range map[string]string{"application/json": "{}", "multipart/mixed": "", "multipart/mixed; boundary=b": "--b\r\ncut"} {
		w.do(w.request("POST", "/batch", contentType, body)).wantError(t, 400, "badRequest", "Failed to parse batch request")
	}
	w.ClearLog() // these break the contract on purpose
}

func TestBatchNeedsAToken(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.token = "wrong"
	if _, replies := w.batch("/batch", get("a", "18f0000000000000")); len(replies) != 1 || replies[0].status != 401 {
		t.Errorf("replies = %+v", replies)
	}
}

func TestBatchPartsAreLoggedAndFail(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	one, two, three := w.deliver("Subject: 1"), w.deliver("Subject: 2"), w.deliver("Subject: 3")
	w.Inject(gmailtest.Fault{Path: "*/messages/" + one, Status: 503, Body: `{"error":{"code":503,"message":"Backend Error"}}`})
	w.Inject(gmailtest.Fault{Path: "*/messages/" + two, Lose: true})
	w.ClearLog()
	_, replies := w.batch("/batch", get("1", one), get("2", two), get("3", three))
	status := map[string]int{}
	for _, r := range replies {
		status[r.id] = r.status
	}
	if len(status) != 2 || status["<response-1>"] != 503 || status["<response-3>"] != 200 {
		t.Errorf("replies = %v", status)
	}
	inner := 0
	for _, x := range w.Log() {
		if x.Inner {
			inner++
			if x.Method != "GET" || !strings.HasPrefix(x.URL, w.URL()+"/gmail/v1/") {
				t.Errorf("logged %s %s", x.Method, x.URL)
			}
		}
	}
	if inner != 3 || len(w.Log()) != 4 {
		t.Errorf("%d inner calls of %d are logged", inner, len(w.Log()))
	}
}

func TestBatchLatencyIsNotPerPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gmailtest.New(gmailtest.Options{Latency: time.Second})
		defer s.Close()
		w := populate(t, s)
		id := w.deliver("Subject: x")
		begin := time.Now()
		w.batch("/batch", get("1", id), get("2", id), get("3", id))
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}
