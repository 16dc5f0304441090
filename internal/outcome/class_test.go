// SPDX-License-Identifier: Apache-2.0

package outcome_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/testkit/reasons"
)

func TestEveryReasonHasARowInTheTable(t *testing.T) {
	all := reasons.Constants(t)
	if len(all) < 80 {
		t.Fatalf("only %d reasons were found", len(all))
	}
	for _, reason := range all {
		if outcome.ClassOf(reason) == outcome.Undeclared {
			t.Errorf("reason %s has no row in the table of classes", reason)
		}
	}
}

func TestAReasonThatNobodyDeclaredCountsAsFailed(t *testing.T) {
	if allowed, limited := outcome.ClassOf("NoSuchReason").Deadline(); allowed != 0 || !limited {
		t.Errorf("got a deadline of %s, %t", allowed, limited)
	}
}

// What tools that wait are told about the commonest reasons. The tests against kstatus take classes and deadlines from the code, so
// these are held here.
func TestWhatCanAppearByItselfIsWaitedForAndWhatCanNotHealFails(t *testing.T) {
	for class, all := range map[outcome.Class][]string{
		outcome.Awaited: {v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonConfigMapNotFound, v1alpha1.ReasonZoneNotFound},
		outcome.Doubtful: {
			v1alpha1.ReasonImagePullFailed, v1alpha1.ReasonUnschedulable, v1alpha1.ReasonContainerCrashing, v1alpha1.ReasonPodsRejected,
			v1alpha1.ReasonNodeLost, v1alpha1.ReasonPodTerminating, v1alpha1.ReasonVolumeFull,
		},
		outcome.Blocked: {
			v1alpha1.ReasonTSIGBadSignature, v1alpha1.ReasonTSIGKeyUnknown, v1alpha1.ReasonCredentialsRejected,
			v1alpha1.ReasonUpdateRefused, v1alpha1.ReasonRecordExistsUnowned, v1alpha1.ReasonOwnershipConflict,
			v1alpha1.ReasonKeyPairInvalid, v1alpha1.ReasonObjectRefused, v1alpha1.ReasonDomainNotAllowed,
		},
		outcome.Progressing: {v1alpha1.ReasonRollingOut, v1alpha1.ReasonAddressPending, v1alpha1.ReasonServerUnavailable},
	} {
		for _, reason := range all {
			if got := outcome.ClassOf(reason); got != class {
				t.Errorf("%s is %q, want %q", reason, got, class)
			}
		}
	}
	for class, want := range map[outcome.Class]time.Duration{
		outcome.Progressing: 10 * time.Minute, outcome.Awaited: 10 * time.Minute, outcome.Doubtful: time.Minute, outcome.Blocked: 0,
	} {
		if got, limited := class.Deadline(); got != want || !limited {
			t.Errorf("%q may last %s, limited %t, want %s", class, got, limited, want)
		}
	}
}

// Code that says Stalled means what nobody but a person ends, so its reason must be Blocked.
func TestWhatIsSaidToBeStalledIsBlocked(t *testing.T) {
	found := 0
	for _, dir := range []string{"../../controllers", "../../internal"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok || !selects(call.Fun, "outcome", "Stalled") {
					return true
				}
				found++
				name := call.Args[0].(*ast.SelectorExpr).Sel.Name
				if class := outcome.ClassOf(strings.TrimPrefix(name, "Reason")); class != outcome.Blocked {
					t.Errorf("%s: %s is stalled, but its class is %q", path, name, class)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 10 {
		t.Errorf("only %d outcomes were found", found)
	}
}

func selects(e ast.Expr, pkg, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == pkg
}
