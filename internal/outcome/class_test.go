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
