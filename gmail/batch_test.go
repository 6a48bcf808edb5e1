package gmail

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/gate"
)

func TestEncodeBatch(t *testing.T) {
	t.Parallel()
	parts := []part{
		{method: "GET", path: "/a"},
		{method: "GET", path: "/b?c=d"},
		{method: "POST", path: "/e", body: []byte(`{"f":1}`)},
	}
	body, contentType, err := encodeBatch(parts, []int{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("Content-Type %q: %v", contentType, err)
	}
	var got []string
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s\n%s", p.Header.Get("Content-Type"), p.Header.Get("Content-ID"), content))
	}
	want := []string{
		"application/http <item-2>\nPOST /e\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"f\":1}",
		"application/http <item-1>\nGET /b?c=d\r\n\r\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const batchType = "multipart/mixed; boundary=B"

// batchAnswer writes the parts of an answer, in which "\n" is a line end.
func batchAnswer(parts ...string) string {
	return strings.ReplaceAll("--B\n"+strings.Join(parts, "\n--B\n")+"\n--B--\n", "\n", "\r\n")
}

// inner is one part of an answer.
func inner(id, status, body string) string {
	return "Content-Type: application/http\nContent-ID: " + id + "\n\nHTTP/1.1 " + status +
		"\nContent-Type: application/json; charset=UTF-8\nContent-Length: " + fmt.Sprint(len(body)) + "\n\n" + body
}

func TestDecodeBatch(t *testing.T) {
	t.Parallel()
	ok := inner("<response-item-0>", "200 OK", "{}")
	tests := []struct {
		name        string
		contentType string
		body        string
		want        []string
		err         error // nil: none; io.EOF: any
	}{
		{name: "one", body: batchAnswer(ok), want: []string{"0 200 {}"}},
		{
			name: "any order, any status",
			body: batchAnswer(inner("<response-item-7>", "404 Not Found", "{}"), ok, inner("response-item-3", "429 Too Many Requests", "x")),
			want: []string{"7 404 {}", "0 200 {}", "3 429 x"},
		},
		{name: "id as it was sent", body: batchAnswer(inner("<item-4>", "200 OK", "{}")), want: []string{"4 200 {}"}},
		{
			name: "ids that are none are left out",
			body: batchAnswer(inner("", "200 OK", "{}"), inner("<response-item->", "200 OK", "{}"), inner("<response-item--1>", "200 OK", "{}"),
				inner("<response-item-99999999999999999999>", "200 OK", "{}"), inner("<other>", "200 OK", "{}"), ok),
			want: []string{"0 200 {}"},
		},
		{
			name: "parts that are no answer are left out",
			body: batchAnswer("Content-ID: <response-item-1>\n\nGET / HTTP/1.1\n\n", "Content-ID: <response-item-2>\n\n", ok),
			want: []string{"0 200 {}"},
		},
		{
			name: "shorter than its Content-Length",
			body: batchAnswer("Content-ID: <response-item-1>\n\nHTTP/1.1 200 OK\nContent-Length: 500\n\n{}", ok),
			want: []string{"0 200 {}"},
		},
		{
			name: "without Content-Length",
			body: batchAnswer("Content-ID: <response-item-1>\n\nHTTP/1.1 200 OK\n\n{}"),
			want: []string{"1 200 {}"},
		},
		{
			name: "broken off between parts",
			body: strings.TrimSuffix(batchAnswer(ok), "--B--\r\n") + "--B\r\nContent-ID: <response-item-1>\r\n",
			want: []string{"0 200 {}"},
		},
		{name: "quoted boundary", contentType: `Multipart/Mixed; boundary="B"`, body: batchAnswer(ok), want: []string{"0 200 {}"}},
		{name: "HTML", contentType: "text/html", body: "<html>", err: errNotBatch},
		{name: "no type", contentType: " ", body: batchAnswer(ok), err: errNotBatch},
		{name: "no boundary", contentType: "multipart/mixed", body: batchAnswer(ok), err: errNotBatch},
		{name: "other boundary", contentType: "multipart/mixed; boundary=C", body: batchAnswer(ok), err: io.EOF},
		{name: "empty", body: "", err: io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			contentType := tt.contentType
			if contentType == "" {
				contentType = batchType
			}
			var got []string
			err := decodeBatch(contentType, strings.NewReader(tt.body), func(i int, a gate.Answer) {
				got = append(got, fmt.Sprintf("%d %d %s", i, a.Status, bytes.TrimSpace(a.Body)))
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			switch {
			case tt.err == nil && err != nil, tt.err != nil && err == nil, tt.err == errNotBatch && err != errNotBatch:
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add(batchType, []byte(batchAnswer(inner("<response-item-0>", "200 OK", `{"id":"1"}`), inner("<response-item-1>", "404 Not Found", ""))))
	f.Add(batchType, []byte("--B\r\nContent-ID: <response-item-0>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n--B--"))
	f.Add("text/html", []byte("<html>"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		total := 0
		decodeBatch(contentType, bytes.NewReader(body), func(i int, a gate.Answer) {
			if i < 0 {
				t.Errorf("index %d", i)
			}
			total += len(a.Body)
			if _, err := decodeMessage(a.Body); err != nil {
				return
			}
		})
		if total > len(body) {
			t.Errorf("%d bytes of answers out of %d", total, len(body))
		}
	})
}
