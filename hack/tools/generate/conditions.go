// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	classes "github.com/xmppfed/xmppfed/internal/outcome"
)

const conditionsFile = "api/v1alpha1/conditions.go"

// A constant is a condition type or a reason, with the text of its comment.
type constant struct {
	name, value, doc string
}

// An outcome is one reason that a condition type may carry, and the status it then has.
type outcome struct {
	status, reason string
}

// outcomesPattern finds the lists of reasons in a condition type's comment, for example "True: Valid, SelfSigned.".
var outcomesPattern = regexp.MustCompile(`\b(True|False and Unknown|False|Unknown|Entries): ([^.]+)\.`)

// conditionsPage writes the reference of conditions from the comments of their constants, which are its only source.
func conditionsPage(root string) (map[string]string, error) {
	types, reasons, err := readConditions(root)
	if err != nil {
		return nil, err
	}
	meanings := map[string]string{}
	for _, reason := range reasons {
		meanings[reason.value] = reason.meaning()
	}
	var b strings.Builder
	b.WriteString("<!-- Generated from " + conditionsFile + " by make generate. Do not edit. -->\n\n# Conditions\n\n" +
		"A message says what is missing or wrong, who provides it, and what to run or change next. The reasons below are\n" +
		"stable: scripts and alerts may rely on them. The last column says what tools that know kstatus are told while the\n" +
		"reason is that of Ready, and after how long without progress; see [gitops.md](../guides/gitops.md).\n")
	for _, condition := range types {
		text, outcomes := condition.outcomes()
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Status | Reason | Meaning | kstatus |\n| --- | --- | --- | --- |\n", condition.value, text)
		for _, o := range outcomes {
			meaning, ok := meanings[o.reason]
			if !ok {
				fmt.Fprintf(&b, "| %s | %s | | |\n", o.status, o.reason)
				continue
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", o.status, o.reason, meaning, classOf(condition.value, o.reason))
		}
	}
	return map[string]string{"docs/reference/conditions.md": b.String()}, nil
}

// besides are the conditions that Ready does not depend on, whatever their reasons mean in others.
var besides = []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionPeersReachable, v1alpha1.ConditionRemovalsPaused}

// classOf says what tools that know kstatus are told while a condition has the reason.
func classOf(condition, reason string) string {
	class := classes.ClassOf(reason)
	if slices.Contains(besides, condition) {
		class = classes.Aside
	}
	return class.String()
}

// readConditions returns the constants that begin with Condition and with Reason, in the order of the file.
func readConditions(root string) (types, reasons []constant, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, conditionsFile), nil, parser.ParseComments)
	if err != nil {
		return nil, nil, err
	}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			c, err := readConstant(spec.(*ast.ValueSpec))
			switch {
			case err != nil:
				return nil, nil, err
			case strings.HasPrefix(c.name, "Condition"):
				types = append(types, c)
			case strings.HasPrefix(c.name, "Reason"):
				reasons = append(reasons, c)
			}
		}
	}
	return types, reasons, nil
}

func readConstant(spec *ast.ValueSpec) (constant, error) {
	name := spec.Names[0].Name
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return constant{}, fmt.Errorf("reading %s: %s is not a string literal", conditionsFile, name)
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return constant{}, fmt.Errorf("reading %s: %s: %w", conditionsFile, name, err)
	}
	doc := strings.TrimSpace(spec.Doc.Text())
	if !strings.HasPrefix(doc, name) {
		return constant{}, fmt.Errorf("reading %s: the comment of %s must begin with its name", conditionsFile, name)
	}
	return constant{name: name, value: value, doc: doc}, nil
}

// meaning is the comment of a reason without its name, as a sentence.
func (c constant) meaning() string {
	text := strings.TrimLeft(strings.TrimPrefix(c.doc, c.name), ": ")
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// outcomes parts the comment of a condition type in its text and its lists of reasons.
func (c constant) outcomes() (text string, outcomes []outcome) {
	for _, match := range outcomesPattern.FindAllStringSubmatch(c.doc, -1) {
		for reason := range strings.SplitSeq(match[2], ",") {
			outcomes = append(outcomes, outcome{match[1], strings.Join(strings.Fields(reason), " ")})
		}
	}
	text = outcomesPattern.ReplaceAllString(c.doc, "")
	text = "`" + c.value + "`" + strings.TrimPrefix(text, c.name)
	return strings.TrimSpace(text), outcomes
}
