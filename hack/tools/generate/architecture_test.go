// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted finds what stands in backticks and looks like a path: no spaces, and a slash or a known suffix.
var quoted = regexp.MustCompile("`([\\w.-]+(?:/[\\w.-]*)+|[\\w-]+\\.(?:md|go|yaml|yml|sh))`")

func TestEveryPathThatTheDocumentationNamesExists(t *testing.T) {
	for _, document := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"} {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		paths := quoted.FindAllStringSubmatch(string(text), -1)
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
