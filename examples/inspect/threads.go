package main

import (
	"context"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// threads puts all messages into threads, and then prints where each stands.
type threads struct {
	assembler *assembly.Assembler
	added     []threaded
}

type threaded struct {
	place
	MessageID mailbox.RFCMessageID `json:"message_id"`
	// Parent is the message it answers, empty if there is none.
	Parent mailbox.RFCMessageID `json:"parent"`
	// Root is the first message of the thread, itself if it stands alone.
	Root  mailbox.RFCMessageID `json:"root"`
	Level mailbox.Level        `json:"level"`
}

func newThreads() *threads {
	return &threads{assembler: assembly.New(assembly.Options{})}
}

func (c *threads) look(_ context.Context, f mailfiles.Message) (any, error) {
	m, err := read(f)
	if err != nil {
		return nil, err
	}
	c.added = append(c.added, threaded{place: placeOf(f), MessageID: c.assembler.Add(m)})
	return nil, nil
}

func (c *threads) end() []any {
	found := make(map[mailbox.RFCMessageID]assembly.Message, len(c.added))
	for t := range c.assembler.Threads() {
		for _, m := range t.Messages {
			found[m.ID] = m
			for _, id := range m.Others {
				found[id] = m
			}
		}
	}
	objects := make([]any, len(c.added))
	for i, t := range c.added {
		m := found[t.MessageID]
		t.Parent, t.Root, t.Level = m.Parent, m.Root, m.Level
		objects[i] = t
	}
	return objects
}
