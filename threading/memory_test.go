package threading_test

import (
	"testing"

	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/threadingtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	threadingtest.TestIndex(t, func(*testing.T) threading.Index { return threading.NewMemory() })
}
