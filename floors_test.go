package mailtether_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mailtether/mailtether"

// floor is where a package stands. An import only ever points down. The last
// matching prefix counts.
var floors = []struct {
	prefix string
	floor  int
}{
	{"mailbox", 1},
	{"threading/replytext", 1},
	{"threading", 2},
	{"threading/assembly", 3},
	{"quota", 2},
	{"tokenstore", 2},
	{"mailbox/compose", 2},
	{"internal/corpustest", 3},
	{"internal/discovery", 2},
	{"internal/gate", 2},
	{"internal/fakeserver", 3},
	{"gmail", 4},
	{"gmail/gmailtest", 4},
	{"outlook", 4},
	{"outlook/outlooktest", 4},
	{"outlook/internal/graph", 3},
	{"mailbox/connect", 4},
	{"mailbox/outbox", 4},
	{"mailbox/inbox", 4},
	{"mailbox/mailboxtest", 4},
	{"mailbox/sqlstore", 5},
	{"", 6},
	{"examples/internal", 7},
	{"examples", 8},
}

func floorOf(pkg string) int {
	best, at := 0, -1
	for _, f := range floors {
		if (pkg == f.prefix || f.prefix != "" && strings.HasPrefix(pkg, f.prefix+"/")) && len(f.prefix) > at {
			best, at = f.floor, len(f.prefix)
		}
	}
	return best
}

// forbidden lists imports that a package, and everything below it in the tree,
// must not have, with the reason.
var forbidden = []struct {
	in, imports, reason string
	except              []string
}{
	{"", "github.com/microsoftgraph/", "msgraph-sdk-go takes minutes to build: it stays in one room", []string{"outlook/internal/graph"}},
	{"", "github.com/microsoft/kiota", "comes with msgraph-sdk-go", []string{"outlook/internal/graph"}},
	{"", "google.golang.org/api/", "only the Gmail driver speaks Google's client", []string{"gmail"}},
	{"gmail/gmailtest", "google.golang.org/api/", "a fake must not share a misunderstanding with the driver's client", nil},
	{"gmail/gmailtest", module + "/gmail", "a fake must not share a misunderstanding with the driver", []string{"gmail/gmailtest"}},
	{"outlook/outlooktest", module + "/outlook", "a fake must not share a misunderstanding with the driver", []string{"outlook/outlooktest"}},
	{"mailbox", "database/sql", "stores of a database live in a room of their own", []string{"mailbox/sqlstore"}},
}

// imports returns the imports of every package of the root module, tests
// apart, by directory.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != "." && (name == "testdata" || strings.HasPrefix(name, ".") || isModule(file)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(path.Dir(filepath.ToSlash(file)), ".")
		found[pkg] = append(found[pkg], "")
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found[pkg] = append(found[pkg], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isModule reports whether a directory is a module of its own.
func isModule(dir string) bool {
	matches, err := filepath.Glob(filepath.Join(dir, "go.mod"))
	return err == nil && len(matches) > 0
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for pkg, names := range imports(t) {
		for _, name := range names {
			own, ok := strings.CutPrefix(name, module)
			if !ok {
				continue
			}
			own = strings.TrimPrefix(own, "/")
			if own == pkg || helps(pkg, own) {
				continue
			}
			if floorOf(own) >= floorOf(pkg) {
				t.Errorf("%q (floor %d) imports %q (floor %d)", pkg, floorOf(pkg), own, floorOf(own))
			}
		}
	}
}

// helps reports whether pkg may import own although it is not lower: a test
// suite imports the package it is for, a subpackage its parent's internals.
func helps(pkg, own string) bool {
	return strings.HasSuffix(pkg, "test") && strings.HasPrefix(pkg, own+"/")
}

func TestForbiddenImports(t *testing.T) {
	t.Parallel()
	for pkg, names := range imports(t) {
		for _, f := range forbidden {
			if f.in != "" && pkg != f.in && !strings.HasPrefix(pkg, f.in+"/") {
				continue
			}
			if slices.ContainsFunc(f.except, func(e string) bool { return pkg == e || strings.HasPrefix(pkg, e+"/") && f.in != e }) {
				continue
			}
			for _, name := range names {
				if strings.HasPrefix(name, f.imports) {
					t.Errorf("%q imports %q: %s", pkg, name, f.reason)
				}
			}
		}
	}
}

func TestOnlyTestPackagesImportTesting(t *testing.T) {
	t.Parallel()
	for pkg, names := range imports(t) {
		if slices.Contains(names, "testing") && !strings.HasSuffix(pkg, "test") {
			t.Errorf("%q imports testing", pkg)
		}
	}
}

func TestVocabularyNeedsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, name := range dependencies(t, "./mailbox") {
		if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") && name != module+"/mailbox" {
			t.Errorf("mailbox needs %q", name)
		}
	}
}

// A host that uses only Gmail must never compile Microsoft's client.
func TestGmailHostDoesNotCompileGraph(t *testing.T) {
	t.Parallel()
	for _, name := range dependencies(t, ".", "./gmail") {
		if strings.Contains(name, "microsoft") || strings.Contains(name, "outlook") {
			t.Errorf("root and gmail need %q", name)
		}
	}
}

func TestRootImportsNoDriver(t *testing.T) {
	t.Parallel()
	for _, name := range dependencies(t, ".") {
		if name == module+"/gmail" || name == module+"/outlook" {
			t.Errorf("the root package needs %q", name)
		}
	}
}

// dependencies returns every package that the packages are built from.
func dependencies(t *testing.T, packages ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, packages...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	names := strings.Fields(string(out))
	if len(names) < 10 {
		t.Fatalf("go list gave only %q", names)
	}
	return names
}
