package mailtether_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADMEShowsCodeThatCompiles finds every Go snippet of the README, apart
// from its indentation, in a file that is built.
func TestREADMEShowsCodeThatCompiles(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(string(b), "")
	}
	var code strings.Builder
	for _, name := range []string{"examples/minimal/main.go", "mailbox/sqlstore/example_test.go", "quota/example_test.go"} {
		code.WriteString(read(name))
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read("README.md"), -1)
	if len(snippets) < 2 {
		t.Fatalf("%d snippets", len(snippets))
	}
	for _, s := range snippets {
		if !strings.Contains(code.String(), s[1]) {
			t.Errorf("no example has the snippet\n%s", s[1])
		}
	}
}
