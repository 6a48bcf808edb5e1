package quota_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/quota"
)

func TestCostTables(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]quota.CostTable{
		"gmail": quota.GmailCosts(), "gmail legacy": quota.GmailLegacyCosts(), "graph": quota.GraphCosts(),
	} {
		if u, err := url.Parse(table.Source); err != nil || u.Scheme != "https" {
			t.Errorf("%s: source %q", name, table.Source)
		}
		_, day := time.Parse(time.DateOnly, table.Date)
		_, month := time.Parse("2006-01", table.Date)
		if day != nil && month != nil {
			t.Errorf("%s: date %q", name, table.Date)
		}
		for method, units := range table.Units {
			if units < 1 || units > table.Other {
				t.Errorf("%s: %s costs %d units, others %d", name, method, units, table.Other)
			}
		}
	}
	now, legacy := quota.GmailCosts(), quota.GmailLegacyCosts()
	for method, units := range legacy.Units {
		if now.Units[method] < units {
			t.Errorf("%s costs %d units, and used to cost %d: the default is not the stricter one", method, now.Units[method], units)
		}
	}
	got := []int{
		now.Of("gmail.users.messages.get", 25), legacy.Of("gmail.users.messages.get", 25), now.Of("gmail.users.history.list", 1),
		now.Of("gmail.users.messages.send", 1), now.Of("new", 2), quota.GraphCosts().Of("graph.batch", 20),
	}
	if diff := cmp.Diff([]int{500, 125, 2, 100, 200, 20}, got); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}
