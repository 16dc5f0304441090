// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummary(t *testing.T) {
	tests := map[string]struct {
		events, want string
		ok           bool
		// verbose is -v, and times what is written with -times.
		verbose bool
		times   string
	}{
		"a passing test is counted and its output left out": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			want: "ok  \tp\t0.1s\n1 tests passed, 0 failed, 0 skipped\n",
			ok:   true, times: "0.0\tphase\tpass\tp\tTestA\n",
		},
		"tests side by side are shown one after the other, with the time that each took itself": {
			verbose: true,
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"a 1\n"}
{"Action":"attr","Package":"p","Test":"TestA","Key":"waited","Value":"0.0"}
{"Action":"output","Package":"p","Test":"TestB","Output":"b 1\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== NAME  TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"a 2\n"}
{"Action":"attr","Package":"p","Test":"TestB","Key":"waited","Value":"12.5"}
{"Action":"output","Package":"p","Test":"TestB/case","Output":"case\n"}
{"Action":"pass","Package":"p","Test":"TestB/case","Elapsed":2}
{"Action":"output","Package":"p","Test":"TestB","Output":"b 2\n"}
{"Action":"fail","Package":"p","Test":"TestB","Elapsed":20}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":30.25}
{"Action":"fail","Package":"p"}
`,
			want: "=== BEGIN TestA, which waited 0 s for others\n=== BEGIN TestB, which waited 12 s for others\n" +
				"case\nb 1\nb 2\na 1\na 2\n2 tests passed, 1 failed, 0 skipped\n",
			times: "7.5\tphase\tfail\tp\tTestB\n30.2\tphase\tpass\tp\tTestA\n",
		},
		"a failing test shows all it printed": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}
`,
			want:  "=== RUN   TestA\n    a_test.go:1: wrong\n0 tests passed, 1 failed, 0 skipped\n",
			times: "0.0\tphase\tfail\tp\tTestA\n",
		},
		"a test that never ends has failed and shows all it printed": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p/q","Test":"TestB","Output":"of a package that still runs\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out after 1s\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t1.0s\n"}
{"Action":"fail","Package":"p"}
{"Action":"pass","Package":"p/q","Test":"TestB"}
`,
			want:  "FAIL\tp\t1.0s\n=== RUN   TestA\npanic: test timed out after 1s\n1 tests passed, 1 failed, 0 skipped\n",
			times: "0.0\tphase\tpass\tp/q\tTestB\n",
		},
		"a skipped test is named with its reason": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: missing named\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
`,
			want: "SKIP  missing named\n      p TestA\n0 tests passed, 0 failed, 1 skipped\n",
			ok:   true, times: "0.0\tphase\tskip\tp\tTestA\n",
		},
		"a package that can't be built fails and says why": {
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p"}
`,
			want: "p/a.go:1: undefined: x\n0 tests passed, 0 failed, 0 skipped\n",
		},
		"what is no event is passed on": {
			events: "go: no such tool\n",
			want:   "go: no such tool\n0 tests passed, 0 failed, 0 skipped\n",
			ok:     true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, times strings.Builder
			s := summary{out: &out, times: &times, phase: "phase", verbose: test.verbose}
			ok, err := s.run(strings.NewReader(test.events))
			if err != nil {
				t.Fatal(err)
			}
			if ok != test.ok {
				t.Errorf("reports %v, want %v", ok, test.ok)
			}
			if diff := cmp.Diff(out.String(), test.want); diff != "" {
				t.Errorf("printed (-is +should be):\n%s", diff)
			}
			if diff := cmp.Diff(times.String(), test.times); diff != "" {
				t.Errorf("times (-is +should be):\n%s", diff)
			}
		})
	}
}
