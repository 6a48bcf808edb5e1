package conformance_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/conformance"
	"github.com/mailtether/mailtether/internal/discovery"
	"github.com/mailtether/mailtether/internal/fakeserver"
)

var traffic = flag.String("traffic", "", "check the recordings of this folder instead of running the tests of the root module")

// packages of the root module whose tests use a fake.
var packages = []string{".", "./gmail/...", "./outlook/...", "./mailbox/..."}

// needed are operations that the tests have to exercise: a check of nothing
// must not pass.
var needed = map[string]int{
	"POST /me/messages":                                              5,
	"POST /me/messages/{message-id}/send":                            5,
	"POST /me/messages/{message-id}/createReply":                     2,
	"POST /me/sendMail":                                              2,
	"GET /me/messages/{message-id}":                                  5,
	"PATCH /me/messages/{message-id}":                                2,
	"GET /me/mailFolders/{mailFolder-id}/messages":                   2,
	"GET /me/mailFolders/{mailFolder-id}/messages/delta":             10,
	"POST /me/messages/{message-id}/attachments":                     1,
	"POST /me/messages/{message-id}/attachments/createUploadSession": 1,
	"POST /$batch": 2,
}

// neededGmail is how many exchanges of Gmail have to be there.
const neededGmail = 50

func checker(t testing.TB) conformance.Checker {
	t.Helper()
	raw, err := os.ReadFile("testdata/graph-mail.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	graph, err := conformance.LoadGraph(raw)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := exec.Command("go", "list", "-C", "..", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "gmail", "v1", "gmail-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	gmail, err := discovery.Load(raw)
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Checker{Graph: graph, Gmail: gmail}
}

// TestTraffic runs the tests of the root module and checks all that their
// drivers and fakes said to each other.
func TestTraffic(t *testing.T) {
	if testing.Short() {
		t.Skip("runs all tests of the root module")
	}
	dir := *traffic
	if dir == "" {
		dir = t.TempDir()
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1"}, packages...)...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), fakeserver.RecordEnv+"="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("the tests of the root module failed: %v\n%s", err, out)
		}
	}
	c := checker(t)
	checked, outside := map[string]int{}, map[string]int{}
	faults := 0
	for r, err := range conformance.Traffic(dir) {
		if err != nil {
			t.Fatal(err)
		}
		result := c.Check(r)
		if result.Outside != "" {
			outside[result.Operation+": "+result.Outside]++
		} else {
			checked[result.Operation]++
		}
		for _, p := range result.Problems {
			if faults++; faults <= 30 {
				t.Errorf("%s %s\n%s", r.File, result.Operation, p)
			}
		}
	}
	if faults > 30 {
		t.Errorf("%d faults in all", faults)
	}
	report(t, "checked", checked)
	report(t, "not in a description", outside)
	gmail := 0
	for op, n := range checked {
		if strings.HasPrefix(op, "gmail ") {
			gmail += n
		}
	}
	if gmail < neededGmail {
		t.Errorf("%d exchanges of Gmail were checked, want at least %d", gmail, neededGmail)
	}
	for op, n := range needed {
		if checked[op] < n {
			t.Errorf("%s was checked %d times, want at least %d", op, checked[op], n)
		}
	}
}

func report(t *testing.T, what string, counts map[string]int) {
	t.Helper()
	var b strings.Builder
	for _, op := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "\n%6d  %s", counts[op], op)
	}
	t.Logf("%s:%s", what, b.String())
}
