package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const conversation = `From ann@example.com Mon Mar  2 09:00:00 2026
From: Ann <ann@example.com>
To: ben@example.org
Subject: A second warehouse
Date: Mon, 02 Mar 2026 09:00:00 +0000
Message-ID: <offer.1@example.com>

Could we talk about the price of three hundred square metres next week?

From mailer-daemon@example.org Mon Mar  2 09:01:00 2026
From: Mail Delivery System <MAILER-DAEMON@example.org>
To: ann@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <bounce.2@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Final-Recipient: rfc822; ben@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ben@example.org>: User unknown

--b
Content-Type: text/rfc822-headers

Message-ID: <offer.1@example.com>

--b--

From ben@example.org Mon Mar  2 10:00:00 2026
From: Ben <ben@example.org>
To: ann@example.com
Subject: Re: A second warehouse
Date: Mon, 02 Mar 2026 10:00:00 +0000
Message-ID: <answer.3@example.org>
In-Reply-To: <offer.1@example.com>

Gladly. On Tuesday?

On Mon, 2 Mar 2026 at 09:00, Ann <ann@example.com> wrote:
> Could we talk about the price of three hundred square metres next week?
-- 
Ben

From cleo@example.net Mon Mar  2 11:00:00 2026
From: cleo@example.net
To: ann@example.com
Subject: Lunch
Date: Mon, 02 Mar 2026 11:00:00 +0000
Message-ID: <lunch.4@example.net>

Are you hungry?
`

// inspected runs the command on standard input and returns the objects it prints.
func inspected(t *testing.T, stdin string, args ...string) []map[string]any {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), args, strings.NewReader(stdin), &out); err != nil {
		t.Fatal(err)
	}
	return objects(t, out.String())
}

func objects(t *testing.T, lines string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(lines) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, object)
	}
	return all
}

func only(list []map[string]any, keys ...string) []map[string]any {
	var all []map[string]any
	for _, object := range list {
		part := make(map[string]any)
		for _, k := range keys {
			if v, ok := object[k]; ok {
				part[k] = v
			}
		}
		all = append(all, part)
	}
	return all
}

type object = map[string]any

func TestClassify(t *testing.T) {
	t.Parallel()
	got := inspected(t, conversation, "classify", "-")
	want := []object{
		{"file": "-", "index": 0.0, "message_id": "offer.1@example.com", "kind": "human", "sub": "", "level": "medium"},
		{"file": "-", "index": 1.0, "message_id": "bounce.2@example.org", "kind": "bounce", "sub": "", "level": "certain", "bounce": object{
			"original_message_id": "offer.1@example.com",
			"recipients": []any{object{
				"address": "ben@example.org", "action": "failed", "status": "5.1.1", "smtp": 550.0, "category": "user_unknown", "hard": true,
			}},
		}},
		{"file": "-", "index": 2.0, "message_id": "answer.3@example.org", "kind": "human", "sub": "", "level": "high"},
		{"file": "-", "index": 3.0, "message_id": "lunch.4@example.net", "kind": "human", "sub": "", "level": "medium"},
	}
	if diff := cmp.Diff(want, only(got, "file", "index", "message_id", "kind", "sub", "level", "bounce", "until")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, o := range got {
		evidence, ok := o["evidence"].([]any)
		if !ok || len(evidence) == 0 || evidence[0].(object)["rule"] == nil {
			t.Errorf("evidence is %v", o["evidence"])
		}
	}
}

func TestClassifySaysUntilWhen(t *testing.T) {
	t.Parallel()
	got := inspected(t, `From: ben@example.org
To: ann@example.com
Subject: Out of Office: A second warehouse
Date: Mon, 02 Mar 2026 10:00:00 +0000
Auto-Submitted: auto-replied

I am out of the office until 9 March 2026.
`, "classify", "-")
	want := []object{{"kind": "auto_reply", "sub": "out_of_office", "until": "2026-03-09"}}
	if diff := cmp.Diff(want, only(got, "kind", "sub", "until")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, me := range [][]string{{"-me", "Ann@Example.com"}, {"-me", "ann+tag@example.com", "-me", "other@example.com"}} {
		got := inspected(t, conversation, append(append([]string{"match"}, me...), "-")...)
		want := []object{
			{"message_id": "bounce.2@example.org", "matched": "offer.1@example.com", "thread": "offer.1@example.com", "level": "certain"},
			{"message_id": "answer.3@example.org", "matched": "offer.1@example.com", "thread": "offer.1@example.com", "level": "certain"},
			{"message_id": "lunch.4@example.net", "matched": "", "thread": "", "level": "none"},
		}
		if diff := cmp.Diff(want, only(got, "message_id", "matched", "thread", "level")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// The message that is answered is named by its own id, whichever the answer
// cites, and its thread by the first message.
func TestMatchNamesTheMessage(t *testing.T) {
	t.Parallel()
	got := inspected(t, `From x Mon Mar  2 09:00:00 2026
From: cleo@example.net
Message-ID: <question@example.net>

From x Mon Mar  2 09:00:00 2026
From: ann@example.com
To: cleo@example.net
Message-ID: <new@example.com>
X-Google-Original-Message-ID: <old@example.com>
In-Reply-To: <question@example.net>

From x Mon Mar  2 09:00:00 2026
From: cleo@example.net
Message-ID: <thanks@example.net>
References: <question@example.net> <old@example.com>
`, "match", "-me", "ann@example.com", "-")
	want := []object{
		{"message_id": "question@example.net", "matched": "", "thread": "", "level": "none"},
		{"message_id": "thanks@example.net", "matched": "new@example.com", "thread": "question@example.net", "level": "high"},
	}
	if diff := cmp.Diff(want, only(got, "message_id", "matched", "thread", "level")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestThreads(t *testing.T) {
	t.Parallel()
	got := inspected(t, conversation+"\n"+conversation, "threads", "-")
	want := []object{
		{"message_id": "offer.1@example.com", "parent": "", "root": "offer.1@example.com", "level": "none"},
		{"message_id": "bounce.2@example.org", "parent": "", "root": "bounce.2@example.org", "level": "none"},
		{"message_id": "answer.3@example.org", "parent": "offer.1@example.com", "root": "offer.1@example.com", "level": "certain"},
		{"message_id": "lunch.4@example.net", "parent": "", "root": "lunch.4@example.net", "level": "none"},
	}
	if diff := cmp.Diff(append(want, want...), only(got, "message_id", "parent", "root", "level")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	got := inspected(t, conversation, "reply", "-")
	want := object{"file": "-", "text": "Gladly. On Tuesday?", "quoted_lines": 1.0, "signature": "--\nBen"}
	if diff := cmp.Diff([]object{want}, only(got[2:3], "file", "text", "quoted_lines", "signature")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReplyReadsBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"1.txt":  "Yes.\n\n> No?\n",
		"2.html": `<p>Yes.</p><div class="gmail_quote">On Monday Ann wrote:<blockquote>No?</blockquote></div>`,
		"3.eml":  "Subject: x\n\nYes.\n> No?\n",
		"4.json": "{}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := inspected(t, "", "reply", dir)
	var texts []any
	for _, o := range got {
		texts = append(texts, filepath.Base(o["file"].(string)), o["text"])
	}
	if diff := cmp.Diff([]any{"1.txt", "Yes.", "2.html", "Yes.", "3.eml", "Yes."}, texts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A bad message stops nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.eml")
	for _, command := range [][]string{{"classify"}, {"match", "-me", "ann@example.com"}, {"threads"}, {"reply"}} {
		got := inspected(t, conversation, append(command, missing, "-")...)
		if len(got) < 4 || got[0]["file"] != missing || got[0]["error"] == nil || got[1]["error"] != nil {
			t.Errorf("%q gives %v", command, got)
		}
	}
	var out strings.Builder
	cut := io.MultiReader(strings.NewReader(conversation), iotest.ErrReader(errors.New("cut off")))
	if err := run(t.Context(), []string{"classify", "-"}, cut, &out); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, out.String()); len(got) != 4 || got[3]["error"] != "cut off" {
		t.Errorf("got %v", got)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		nil, {"classify"}, {"match", "-"}, {"match", "-me", "a@b"}, {"sort", "-"}, {"classify", "-me", "a@b", "-"}, {"-h"},
	} {
		if err := run(t.Context(), args, strings.NewReader(""), io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: error is %v, want how to use it", args, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := run(t.Context(), []string{"classify", missing}, nil, io.Discard); err == nil || errors.Is(err, errUsage) {
		t.Errorf("nothing opened: error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"classify", "-"}, strings.NewReader(conversation), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

// The commands that the README shows work as they stand there.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(readme)) {
		args, found := strings.CutPrefix(strings.TrimSpace(line), "go run ./examples/inspect ")
		if !found {
			continue
		}
		n++
		if got := inspected(t, conversation, strings.Fields(strings.ReplaceAll(args, "FILE…", "-"))...); len(got) == 0 {
			t.Errorf("inspect %s prints nothing", args)
		}
	}
	if n != 4 {
		t.Errorf("%d commands, want 4", n)
	}
}
