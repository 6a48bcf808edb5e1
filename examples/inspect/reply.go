package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/threading/replytext"
)

// reply shows what the author of each message wrote.
type reply struct{ atOnce }

type replied struct {
	place
	Text string `json:"text"`
	// QuotedLines is how many lines of other people's text there are.
	QuotedLines int    `json:"quoted_lines"`
	Signature   string `json:"signature"`
}

// bodyExtensions are those of files that hold a body without a header.
var bodyExtensions = []string{".txt", ".html", ".htm"}

func (reply) look(_ context.Context, f mailfiles.Message) (any, error) {
	r, err := parse(f)
	if err != nil {
		return nil, err
	}
	return replied{place: placeOf(f), Text: r.Text, QuotedLines: len(r.Quoted), Signature: r.Signature}, nil
}

func parse(f mailfiles.Message) (replytext.Reply, error) {
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(f.File, ".gz"))) {
	case ".txt":
		return replytext.Parse(string(f.Raw)), nil
	case ".html", ".htm":
		return replytext.ParseHTML(string(f.Raw)), nil
	}
	m, err := read(f)
	if err != nil {
		return replytext.Reply{}, err
	}
	return replytext.ParseBody(m.Body.Text, m.Body.HTML), nil
}
