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

	"github.com/xmppfed/xmppfed/internal/cli/text"
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
	diffMaps("", before, after, &fields)
	return fields
}

func diffMaps(path string, before, after map[string]any, fields *[]Field) {
	for _, key := range union(before, after) {
		diff(member(path, key), before[key], after[key], fields)
	}
}

func diff(path string, before, after any, fields *[]Field) {
	if noise[path] || reflect.DeepEqual(before, after) {
		return
	}
	beforeMap, beforeIs := before.(map[string]any)
	afterMap, afterIs := after.(map[string]any)
	if (beforeIs || before == nil) && (afterIs || after == nil) {
		diffMaps(path, beforeMap, afterMap, fields)
		return
	}
	beforeList, beforeIs := named(before)
	afterList, afterIs := named(after)
	if (beforeIs || before == nil) && (afterIs || after == nil) {
		diffLists(path, beforeList, afterList, fields)
		return
	}
	*fields = append(*fields, Field{Path: path, Before: show(before), After: show(after)})
}

// diffLists compares lists whose elements have names. What is only on one side is shown as a whole.
func diffLists(path string, before, after map[string]any, fields *[]Field) {
	for _, name := range union(before, after) {
		was, will := before[name], after[name]
		if was == nil || will == nil {
			*fields = append(*fields, Field{Path: element(path, name), Before: show(was), After: show(will)})
			continue
		}
		diff(element(path, name), was, will, fields)
	}
}

// union are the keys of both maps, sorted.
func union(a, b map[string]any) []string {
	keys := append(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b))...)
	slices.Sort(keys)
	return slices.Compact(keys)
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

// show is a value in one line, or a text as it is unless a terminal would take it for commands.
func show(value any) string {
	if value == nil {
		return ""
	}
	if s, ok := value.(string); ok && s != "" && !strings.ContainsFunc(s, text.Hostile) {
		return s
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
