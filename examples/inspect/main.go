// Command inspect shows what mailtether makes of mail that lies in files: what
// kind of answer each message is, which sent message it answers, how a mailbox
// falls into threads, and what the author of a reply wrote. It prints one JSON
// object for each message.
//
//	inspect classify FILE…
//	inspect match -me ADDRESS [-me ADDRESS…] FILE…
//	inspect threads FILE…
//	inspect reply FILE…
//
// A FILE is a message (.eml), a mailbox file (mbox), either of them gzipped, a
// folder of these, or "-" for standard input. For reply it may also be a bare
// body, whose name ends in .txt or .html.
//
// A message that cannot be read gives an object with "error", and the next one
// follows. The exit status is 0 unless nothing could be opened (1) or the
// arguments make no sense (2).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "inspect:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New(`usage: inspect classify FILE…
       inspect match -me ADDRESS [-me ADDRESS…] FILE…
       inspect threads FILE…
       inspect reply FILE…

A FILE is a message, an mbox, either of them gzipped, a folder, or "-" for standard input`)

// command looks at one message after the other, and may have more to say at the
// end. A nil result prints nothing.
type command interface {
	look(ctx context.Context, f mailfiles.Message) (any, error)
	end() []any
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var me addresses
	if args[0] == "match" {
		flags.Var(&me, "me", "an `address` of the mailbox")
	}
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() == 0 {
		return errUsage
	}
	var c command
	var bodies []string
	switch {
	case args[0] == "classify":
		c = classify{}
	case args[0] == "match" && len(me) > 0:
		c = newMatch(me)
	case args[0] == "threads":
		c = newThreads()
	case args[0] == "reply":
		c, bodies = reply{}, bodyExtensions
	default:
		return errUsage
	}
	out := bufio.NewWriter(stdout)
	err := inspect(ctx, c, flags.Args(), bodies, stdin, out)
	return errors.Join(err, out.Flush())
}

// failure stands for a message that could not be read.
type failure struct {
	place
	Error string `json:"error"`
}

// place says which message an object is about.
type place struct {
	File  string `json:"file"`
	Index int    `json:"index"`
}

func placeOf(f mailfiles.Message) place { return place{f.File, f.Index} }

func inspect(ctx context.Context, c command, paths, bodies []string, stdin io.Reader, out io.Writer) error {
	objects := json.NewEncoder(out)
	objects.SetEscapeHTML(false)
	opened := false
	for f := range mailfiles.All(stdin, paths, bodies...) {
		if err := ctx.Err(); err != nil {
			return err
		}
		opened = opened || !f.Unopened
		object, err := any(nil), f.Err
		if err == nil {
			object, err = c.look(ctx, f)
		}
		if err != nil {
			object = failure{placeOf(f), err.Error()}
		}
		if object != nil {
			if err := objects.Encode(object); err != nil {
				return err
			}
		}
	}
	for _, object := range c.end() {
		if err := objects.Encode(object); err != nil {
			return err
		}
	}
	if !opened {
		return errors.New("nothing could be opened")
	}
	return nil
}

// read reads a message with its body.
func read(f mailfiles.Message) (*mailbox.Message, error) {
	return compose.Read(bytes.NewReader(f.Raw), compose.ReadOptions{})
}

// atOnce is a command that has nothing to say at the end.
type atOnce struct{}

func (atOnce) end() []any { return nil }
