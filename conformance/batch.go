package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// checkBatch checks the envelope of $batch, which the description leaves out:
// learn.microsoft.com/graph/json-batching (read 2026-11). The parts are
// exchanges of their own. Without refusedToo, requests are not looked at closely:
// see Graph.Check.
func checkBatch(x fakeserver.Exchange, answered, refusedToo bool) (problems []string) {
	fault := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if x.Status >= 400 && answered {
		return nil // refused as a whole
	}
	if x.Method != http.MethodPost {
		fault("request: $batch is POST")
	}
	body, err := requestBody(x)
	if err != nil {
		fault("request: %v", err)
		return problems
	}
	var in struct {
		Requests []struct {
			ID, Method, URL string
			Headers         map[string]string
			Body            json.RawMessage
			DependsOn       []string
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		fault("request: %v", err)
		return problems
	}
	if n := len(in.Requests); n == 0 || n > 20 {
		fault("request: %d parts", n)
	}
	asked := map[string]bool{}
	for _, r := range in.Requests {
		id := strings.ToLower(r.ID)
		if id == "" || asked[id] {
			fault("request: the id %q is empty or used twice", r.ID)
		}
		asked[id] = true
		if !refusedToo {
			continue
		}
		if u, err := url.Parse(r.URL); err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(r.URL, base) {
			fault("request %s: the url has to be relative to the version", r.ID)
		}
		if typed := headerValue(r.Headers, "Content-Type") != ""; len(r.Body) > 0 && !typed {
			fault("request %s: a body needs a Content-Type", r.ID)
		}
		if r.Method == "" {
			fault("request %s: the method is missing", r.ID)
		}
	}
	if !answered {
		return problems
	}
	var out struct {
		Responses []struct {
			ID     string
			Status int
		}
	}
	if err := json.Unmarshal(x.ResponseBody, &out); err != nil {
		fault("answer: %v", err)
		return problems
	}
	for _, r := range out.Responses {
		id := strings.ToLower(r.ID)
		if !asked[id] {
			fault("answer: the id %q was not asked for, or is answered twice", r.ID)
		}
		delete(asked, id)
		if r.Status < 200 || r.Status > 599 {
			fault("answer %s: status %d", r.ID, r.Status)
		}
	}
	if len(asked) > 0 {
		fault("answer: %d parts are not answered", len(asked))
	}
	return problems
}

func headerValue(h map[string]string, name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}
