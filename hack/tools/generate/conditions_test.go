// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var reasonName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

func TestEveryReasonIsListedByAConditionAndEveryListedReasonIsDeclared(t *testing.T) {
	types, reasons, err := readConditions(root)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, condition := range types {
		_, outcomes := condition.outcomes()
		if len(outcomes) == 0 {
			t.Errorf("the comment of %s lists no reasons", condition.name)
		}
		for _, o := range outcomes {
			if reasonName.MatchString(o.reason) {
				listed[o.reason] = true
			}
		}
	}
	for _, reason := range reasons {
		if !listed[reason.value] {
			t.Errorf("%s: no condition type lists %s among its reasons", reason.name, reason.value)
		}
		delete(listed, reason.value)
	}
	for reason := range listed {
		t.Errorf("a condition type lists the reason %s, which no constant declares", reason)
	}
}

func TestEveryConditionTypeAndReasonIsNamedAfterItsValue(t *testing.T) {
	types, reasons, err := readConditions(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(types, reasons...) {
		if c.name != "Condition"+c.value && c.name != "Reason"+c.value {
			t.Errorf("%s has the value %q", c.name, c.value)
		}
	}
}

func TestEveryConditionTypeAndReasonIsUsed(t *testing.T) {
	types, reasons, err := readConditions(root)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, dir := range []string{"cmd", "controllers", "internal"} {
		if err := collectNames(filepath.Join(root, dir), used); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range append(types, reasons...) {
		if !used[c.name] {
			t.Errorf("%s is declared in %s but no code uses it; use it or remove it", c.name, conditionsFile)
		}
	}
}

// collectNames notes every identifier in the Go code below a directory, tests aside.
func collectNames(dir string, names map[string]bool) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				names[id.Name] = true
			}
			return true
		})
		return nil
	})
}
