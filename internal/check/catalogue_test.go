// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"fmt"
	"testing"

	"github.com/xmppfed/xmppfed/internal/check"
)

func TestTheCatalogueHasEveryCheckOnceWithAllThatItsPageNeeds(t *testing.T) {
	const last = 37
	all := check.Catalogue()
	if len(all) != last {
		t.Errorf("got %d checks, want %d", len(all), last)
	}
	for i, c := range all {
		if want := check.ID(fmt.Sprintf("D%02d", i+1)); c.ID != want {
			t.Errorf("at place %d: got %s, want %s", i, c.ID, want)
		}
		if c.Title == "" || c.Tries == "" || c.Expects == "" {
			t.Errorf("%s lacks a text: %+v", c.ID, c)
		}
		if (len(c.Vantages) == 0) != (c.Unbuilt != "") {
			t.Errorf("%s is either made from somewhere, or has a reason why not: %+v", c.ID, c)
		}
		if found := check.Find(c.ID); found.Title != c.Title {
			t.Errorf("%s is found as %+v", c.ID, found)
		}
	}
	if found := check.Find("D99"); found.ID != "" {
		t.Errorf("found %+v", found)
	}
}
