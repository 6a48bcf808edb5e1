package quota_test

import (
	"testing"

	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/quota/quotatest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	quotatest.Run(t, func(*testing.T) quotatest.Harness {
		return quotatest.Harness{Store: quota.NewMemory()}
	})
}
