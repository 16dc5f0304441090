// SPDX-License-Identifier: Apache-2.0

// Command generate writes what follows from other files of the repository and is not controller-gen's work: the
// chart's CRDs and RBAC rules, the table of the chart's values, and the reference pages under docs. Run it through
// make generate; its tests fail when a file is out of date.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A generator returns the files that it writes, by their path relative to the root of the repository.
type generator func(root string) (map[string]string, error)

var generators = []generator{
	chartCRDs, chartRules, chartPolicies, namespacedRoles, chartReadme, conditionsPage, checksPage, apiPage, kubectlPage,
}

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns what every generator wants to write.
func generate(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, g := range generators {
		written, err := g(root)
		if err != nil {
			return nil, err
		}
		maps.Copy(files, written)
	}
	return files, nil
}
