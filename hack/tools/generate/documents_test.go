// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// quoted finds what stands in backticks and looks like a path: no spaces, and a slash or a known suffix.
	quoted = regexp.MustCompile("`([\\w.-]+(?:/[\\w.-]*)+|[\\w.-]+\\.(?:md|mod|go|yaml|yml|sh))`")
	// link finds the targets of links that lead to files.
	link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

func TestEveryPathThatTheDocumentationNamesExists(t *testing.T) {
	for _, document := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"} {
		paths := quoted.FindAllStringSubmatch(readText(t, document), -1)
		if len(paths) == 0 {
			t.Errorf("%s names no path in backticks", document)
		}
		for _, match := range paths {
			path := match[1]
			if strings.HasPrefix(path, "xmppfed.io/") || strings.HasPrefix(path, "github.com/") || strings.HasPrefix(path, "bin/") {
				continue // API groups, modules, and what builds leave behind
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s names %s, which does not exist", document, path)
			}
		}
	}
}

func TestEveryLinkOfTheDocumentationLeadsToAFile(t *testing.T) {
	documents := []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "CHANGELOG.md", "charts/xmppfed/README.md"}
	for _, pattern := range []string{"docs/guides/*.md", "docs/reference/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: nothing found (%v)", pattern, err)
		}
		for _, path := range found {
			documents = append(documents, filepath.Join(filepath.Dir(pattern), filepath.Base(path)))
		}
	}
	for _, document := range documents {
		for _, match := range link.FindAllStringSubmatch(readText(t, document), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), match[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, match[1])
			}
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
