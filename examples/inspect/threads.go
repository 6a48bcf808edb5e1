package main

import (
	"context"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
)

type threads struct{ atOnce }

func newThreads() *threads { return &threads{} }

func (*threads) look(_ context.Context, f mailfiles.Message) (any, error) {
	_, err := read(f)
	return nil, err
}
