// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	chartReadmeFile = "charts/xmppfed/README.md"
	valuesBegin     = "<!-- values: generated from values.yaml by make generate -->\n\n"
	valuesEnd       = "\n<!-- end of values -->\n"
)

// A chartValue is one value that may be set, as values.yaml documents it.
type chartValue struct {
	path, standard, doc string
}

// chartReadme writes the table of values between two markers of the chart's README.
func chartReadme(root string) (map[string]string, error) {
	readme, err := os.ReadFile(filepath.Join(root, chartReadmeFile))
	if err != nil {
		return nil, err
	}
	before, rest, begins := strings.Cut(string(readme), valuesBegin)
	_, after, ends := strings.Cut(rest, valuesEnd)
	if !begins || !ends {
		return nil, fmt.Errorf("reading %s: a marker of the table of values is missing", chartReadmeFile)
	}
	values, err := readValues(root)
	if err != nil {
		return nil, err
	}
	var table strings.Builder
	table.WriteString("| Value | Default | Meaning |\n| --- | --- | --- |\n")
	for _, v := range values {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.path, v.standard, v.doc)
	}
	return map[string]string{chartReadmeFile: before + valuesBegin + table.String() + valuesEnd + after}, nil
}

func readValues(root string) ([]chartValue, error) {
	data, err := os.ReadFile(filepath.Join(root, "charts/xmppfed/values.yaml"))
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("reading values.yaml: %w", err)
	}
	return valuesOf("", document.Content[0])
}

// valuesOf lists the documented values below a mapping. A mapping without a comment only groups its members; anything
// else without a comment is an error, so that no value stays undocumented.
func valuesOf(prefix string, mapping *yaml.Node) ([]chartValue, error) {
	var values []chartValue
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		_, doc, documented := strings.Cut(key.HeadComment, "# -- ")
		switch {
		case documented:
			var decoded any
			if err := value.Decode(&decoded); err != nil {
				return nil, fmt.Errorf("reading value %s: %w", path, err)
			}
			standard, err := json.Marshal(decoded)
			if err != nil {
				return nil, fmt.Errorf("reading value %s: %w", path, err)
			}
			values = append(values, chartValue{path, string(standard), strings.ReplaceAll(doc, "\n# ", " ")})
		case value.Kind == yaml.MappingNode:
			members, err := valuesOf(path+".", value)
			if err != nil {
				return nil, err
			}
			values = append(values, members...)
		default:
			return nil, fmt.Errorf("reading value %s: no comment that begins with \"# -- \" stands above it", path)
		}
	}
	return values, nil
}
