// SPDX-License-Identifier: Apache-2.0

// Package reasons reads the condition types and reasons that the API declares, for tests that hold something for all of them.
package reasons

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Said is one reason that the comment of a condition type announces.
type Said struct {
	// Condition is the type.
	Condition string
	// Status that the condition has with this reason; Entries for reasons of status.peers only.
	Status metav1.ConditionStatus
	Reason string
}

var (
	lists  = regexp.MustCompile(`\b(True|False and Unknown|False|Unknown|Entries): ([^.]+)\.`)
	reason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
)

// Declared returns the reasons that the comments of the condition types announce, in their order.
func Declared(t testing.TB) []Said {
	t.Helper()
	var all []Said
	each(t, "Condition", func(value, doc string) {
		for _, match := range lists.FindAllStringSubmatch(doc, -1) {
			for word := range strings.SplitSeq(match[2], ",") {
				if word = strings.TrimSpace(word); reason.MatchString(word) {
					all = append(all, Said{Condition: value, Status: metav1.ConditionStatus(match[1]), Reason: word})
				}
			}
		}
	})
	return all
}

// Constants returns the value of every constant whose name begins with Reason.
func Constants(t testing.TB) []string {
	t.Helper()
	var all []string
	each(t, "Reason", func(value, _ string) { all = append(all, value) })
	return all
}

// each calls f with the value and the comment of each constant whose name has the prefix.
func each(t testing.TB, prefix string, f func(value, doc string)) {
	t.Helper()
	path := "api/v1alpha1/conditions.go" // from the root of the module, which is somewhere above the test's package
	for range 5 {
		if _, err := os.Stat(path); err == nil {
			break
		}
		path = filepath.Join("..", path)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		f(value, spec.Doc.Text())
		return true
	})
}
