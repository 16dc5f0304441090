// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check"
)

// checksPage writes the reference of checks from their catalogue, which is its only source.
func checksPage(string) (map[string]string, error) {
	var b strings.Builder
	b.WriteString("<!-- Generated from internal/check/catalogue.go by make generate. Do not edit. -->\n\n# Checks\n\n" +
		"`kubectl xmppfed doctor` makes these checks, and the operator those that its conditions need. A message that ends with\n" +
		"`[D12]` comes from check D12. Identifiers never change their meaning.\n\n" +
		"A check passes, warns, fails, or is skipped: for lack of anything to judge, or because an earlier check failed, which\n" +
		"it then names. So the checks that fail are the causes, and not what follows from them.\n\n" +
		"*Here* is where doctor or the operator runs; *cluster* is the Kubernetes API, and the server's own position behind it.\n\n" +
		"| Check | Title | From |\n| --- | --- | --- |\n")
	for _, c := range check.Catalogue() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", c.ID, strings.ToLower(string(c.ID)), c.Title, vantages(c))
	}
	for _, c := range check.Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** Tries %s. Expects: %s.\n", c.ID, capital(c.Title), c.Tries, c.Expects)
		if c.Unbuilt != "" {
			fmt.Fprintf(&b, "\nNot made: %s.\n", c.Unbuilt)
		}
	}
	return map[string]string{"docs/reference/checks.md": b.String()}, nil
}

func vantages(c check.Check) string {
	if c.Unbuilt != "" {
		return "not made"
	}
	var names []string
	for _, v := range c.Vantages {
		names = append(names, string(v))
	}
	return strings.Join(names, ", ")
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
