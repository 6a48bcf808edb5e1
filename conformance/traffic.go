package conformance

import (
	"bufio"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/internal/discovery"
	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Traffic ranges over the exchanges that fakes recorded into a folder (see
// fakeserver.RecordEnv), each with the name of its file. The last pair of a
// failed reading has the error.
func Traffic(dir string) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		if err != nil {
			yield(Recorded{}, err)
			return
		}
		for _, file := range files {
			if !readFile(file, yield) {
				return
			}
		}
	}
}

// Recorded is an exchange and where it comes from.
type Recorded struct {
	File string
	fakeserver.Exchange
}

func readFile(file string, yield func(Recorded, error) bool) bool {
	f, err := os.Open(file)
	if err != nil {
		yield(Recorded{}, err)
		return false
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	for d.More() {
		r := Recorded{File: filepath.Base(file)}
		if err := d.Decode(&r.Exchange); err != nil {
			return yield(r, err)
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// OfFake reports whether the exchange was made by the tests of a fake, which
// send wrong requests on purpose.
func (r Recorded) OfFake() bool {
	return strings.HasPrefix(r.File, "outlooktest.test") || strings.HasPrefix(r.File, "gmailtest.test")
}

// Beside are paths of the fakes that belong to no API description, with the
// reason. OAuth is checked by the tests of connect and tokenstore.
var Beside = []struct{ Path, Reason string }{
	{"/o/oauth2/v2/auth", "OAuth (Google)"},
	{"/token", "OAuth (Google)"},
	{"/revoke", "OAuth (Google)"},
	{"/v1/userinfo", "OpenID Connect (Google)"},
	{"/oauth2/v3/certs", "OpenID Connect (Google)"},
	{"/authorize", "the in-memory provider of mailboxtest, which is no service"},
	{"*/oauth2/v2.0/authorize", "OAuth (Microsoft)"},
	{"*/oauth2/v2.0/token", "OAuth (Microsoft)"},
	{"*/v2.0/adminconsent", "OAuth (Microsoft)"},
	{"*/discovery/v2.0/keys", "OpenID Connect (Microsoft)"},
	{"/upload/*", "the pre-authenticated upload URLs of Graph are opaque"},
}

// Checker checks exchanges of both services.
type Checker struct {
	Graph *Graph
	Gmail *discovery.Document
}

// Check checks one recorded exchange. The parts of a batch are exchanges of
// their own.
func (c Checker) Check(r Recorded) Result {
	u, err := url.Parse(r.URL)
	if err != nil {
		return Result{Operation: "?", Problems: []string{"the URL cannot be read"}}
	}
	if r.Status == http.StatusNotImplemented && !r.Scripted { // the fake's own answer, no provider's
		result := Result{Operation: r.Method + " " + u.Path, Outside: "not modelled by the fake"}
		if !r.OfFake() {
			result.Problems = []string{"request: the fake does not model this call"}
		}
		return result
	}
	switch {
	case c.Gmail != nil && c.Gmail.Covers(r.URL):
		return c.checkGmail(r, u)
	case strings.HasPrefix(u.Path, base+"/"):
		return c.Graph.Check(r.Exchange, !r.OfFake())
	}
	for _, b := range Beside {
		suffix, isSuffix := strings.CutPrefix(b.Path, "*")
		prefix, isPrefix := strings.CutSuffix(b.Path, "*")
		if u.Path == b.Path || isSuffix && strings.HasSuffix(u.Path, suffix) || isPrefix && strings.HasPrefix(u.Path, prefix) {
			return Result{Operation: r.Method + " " + b.Path, Outside: b.Reason}
		}
	}
	result := Result{Operation: r.Method + " " + u.Path}
	if !r.OfFake() {
		result.Problems = []string{"request: no description covers this URL"}
	}
	return result
}

func (c Checker) checkGmail(r Recorded, u *url.URL) Result {
	result := Result{Operation: "gmail " + r.Method + " " + generic(u.Path)}
	answered := !r.Lost && !r.Scripted
	for _, v := range c.Gmail.Check(r.Method, r.URL, r.RequestHeader, r.RequestBody, r.Status, r.ResponseHeader, r.ResponseBody) {
		ofPart := strings.HasPrefix(v.At, "<") // checked with the part, where it is known whether a fault made it up
		switch {
		case v.Side == discovery.Answer && (!answered || ofPart):
		case v.Side == discovery.Request && r.OfFake() && (r.Status >= 400 || ofPart):
		default:
			result.Problems = append(result.Problems, v.String())
		}
	}
	return result
}

// generic takes ids out of a Gmail path, so that operations can be counted.
func generic(path string) string {
	collections := []string{"users", "messages", "drafts", "threads", "labels", "attachments", "sendAs"}
	methods := []string{"send", "import", "batchModify", "batchDelete"}
	segments := strings.Split(path, "/")
	for i := 1; i < len(segments); i++ {
		if slices.Contains(collections, segments[i-1]) && !slices.Contains(methods, segments[i]) {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}
