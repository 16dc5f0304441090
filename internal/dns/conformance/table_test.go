// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dns/conformance"
)

func TestTheTableShowsWhatWasRunAndWhy(t *testing.T) {
	var table conformance.Table
	if got := table.String(); got != "" {
		t.Errorf("an empty table is %q", got)
	}
	note := func(provider, name string, result conformance.Result) {
		table.Case(t, provider, name, func(*testing.T) conformance.Result { return result })
	}
	note("one", "first case", conformance.OK)
	note("one", "second case", conformance.NotApplicable("that is why"))
	note("two", "first case", conformance.BestEffort)
	note("two", "third case", conformance.Differs("that is why"))
	want := `Conformance of DNS providers  one       two
first case                    ok        best effort
second case                   n.a. [1]  -
third case                    -         differs [1]
[1] that is why
best effort: holds as long as nobody else changes the same records at the same moment
-: does not concern the provider
`
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("the table differs (-want +got):\n%s", diff)
	}
}
