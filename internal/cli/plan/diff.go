// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Field is a field that differs. Before or After is empty where the field is absent.
type Field struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// noise of metadata that the API server changes by itself or that tools leave behind.
var noise = map[string]bool{
	"metadata.managedFields": true, "metadata.resourceVersion": true, "metadata.generation": true, "metadata.uid": true,
	"metadata.creationTimestamp": true, "metadata.selfLink": true, "status": true,
	"metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]": true,
}

// Diff lists the fields in which two objects differ, sorted by path. Objects are in the form of decoded JSON.
func Diff(before, after map[string]any) []Field {
	var fields []Field
	diffMaps("", before, after, member, &fields)
	return fields
}

func diffMaps(path string, before, after map[string]any, join func(path, key string) string, fields *[]Field) {
	keys := map[string]bool{}
	for _, m := range []map[string]any{before, after} {
		for key := range m {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		diff(join(path, key), before[key], after[key], fields)
	}
}

func diff(path string, before, after any, fields *[]Field) {
	if noise[path] || reflect.DeepEqual(before, after) {
		return
	}
	beforeMap, beforeIs := before.(map[string]any)
	afterMap, afterIs := after.(map[string]any)
	if (beforeIs || before == nil) && (afterIs || after == nil) {
		diffMaps(path, beforeMap, afterMap, member, fields)
		return
	}
	beforeList, beforeIs := named(before)
	afterList, afterIs := named(after)
	if (beforeIs || before == nil) && (afterIs || after == nil) {
		diffMaps(path, beforeList, afterList, element, fields)
		return
	}
	*fields = append(*fields, Field{Path: path, Before: show(before), After: show(after)})
}

// named turns a list of objects with names into a map, so that one that is put in front does not make all others differ.
func named(value any) (map[string]any, bool) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	members := map[string]any{}
	for _, member := range list {
		object, _ := member.(map[string]any)
		name, ok := object["name"].(string)
		if !ok {
			name, ok = object["domain"].(string)
		}
		if _, twice := members[name]; !ok || twice {
			return nil, false
		}
		members[name] = member
	}
	return members, true
}

var simple = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

// member is the path of an object's field.
func member(path, key string) string {
	switch {
	case !simple.MatchString(key):
		return element(path, key)
	case path == "":
		return key
	}
	return path + "." + key
}

// element is the path of a list's element, or of a field whose name is no identifier.
func element(path, key string) string { return path + "[" + key + "]" }

// show is a value in one line, or a text as it is.
func show(value any) string {
	if value == nil {
		return ""
	}
	if text, ok := value.(string); ok && text != "" && !strings.ContainsAny(text, "\x00\x1b") {
		return text
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

// lines compares two texts line by line: each line is kept with a mark in front, '-' for before, '+' for after. Lines that
// both have are left out.
func lines(before, after string) []string {
	a, b := strings.Split(strings.TrimSuffix(before, "\n"), "\n"), strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	// longest[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if longest[i][j] = max(longest[i+1][j], longest[i][j+1]); a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}
