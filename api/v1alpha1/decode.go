// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Objects that are stored may have values that this version can't read, such as a quantity from before admission had a rule for it.
// An error when one of them is decoded would fail the list of all objects of the kind, and nothing at all would be reconciled. So
// Federation and DNSZone leave out what can't be read, and say what that is.

// UnreadableField is a field of a stored object that has a value which can't be read.
type UnreadableField struct {
	// Path of the field, for example spec.server.storage.size.
	Path string
	// Cause says what is wrong with the value.
	Cause string
}

// UnreadableFields are the fields of one object that can't be read, in the order of their paths.
type UnreadableFields []UnreadableField

// Within reports whether something at or below a path can't be read.
func (u UnreadableFields) Within(path string) bool {
	return slices.ContainsFunc(u, func(field UnreadableField) bool {
		return below(field.Path, path) || below(path, field.Path)
	})
}

// below reports whether a path is another one or one of something in it.
func below(path, other string) bool {
	rest, found := strings.CutPrefix(path, other)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Err returns an error that names the fields; nil if there are none.
func (u UnreadableFields) Err() error {
	if len(u) == 0 {
		return nil
	}
	var all []string
	for _, field := range u {
		all = append(all, field.Path+": "+field.Cause)
	}
	return errors.New(strings.Join(all, "; "))
}

// UnmarshalJSON reads a Federation as it is stored. What can't be read of its spec is left out and listed in Unreadable; what can't be
// read of its status is left out, as if it had been lost.
func (f *Federation) UnmarshalJSON(data []byte) error {
	type plain Federation // has no UnmarshalJSON
	unreadable, err := decode(data, (*plain)(f))
	f.Unreadable = unreadable
	return err
}

// UnmarshalJSON reads a DNSZone as it is stored. It leaves out what can't be read, as [Federation.UnmarshalJSON] does.
func (z *DNSZone) UnmarshalJSON(data []byte) error {
	type plain DNSZone // has no UnmarshalJSON
	unreadable, err := decode(data, (*plain)(z))
	z.Unreadable = unreadable
	return err
}

// decode reads an object without what can't be read of its spec and status, and returns what that is of the spec.
func decode[T any](data []byte, into *T) (UnreadableFields, error) {
	if utiljson.Unmarshal(data, into) == nil {
		return nil, nil
	}
	var object map[string]any
	if err := utiljson.Unmarshal(data, &object); err != nil {
		return nil, err
	}
	found := map[string]UnreadableFields{}
	for _, part := range []string{"spec", "status"} {
		if value, there := object[part]; there {
			object[part], found[part] = readable(member(reflect.TypeFor[T](), part), value, part)
		}
	}
	kept, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	*into = *new(T)
	return found["spec"], utiljson.Unmarshal(kept, into)
}

// readable returns what can be read of a value as a Go type, nil for nothing, and the fields that can't be. It changes the value.
func readable(t reflect.Type, value any, path string) (any, UnreadableFields) {
	err := fits(t, value)
	if err == nil {
		return value, nil
	}
	var left UnreadableFields
	switch composed := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(composed)) {
			if inner := member(t, name); inner != nil {
				kept, more := readable(inner, composed[name], path+"."+name)
				left = append(left, more...)
				if composed[name] = kept; kept == nil {
					delete(composed, name)
				}
			}
		}
	case []any:
		value, left = readableElements(t, composed, path)
	}
	if len(left) == 0 {
		return nil, UnreadableFields{{Path: path, Cause: cause(err)}}
	}
	return value, left
}

// readableElements is readable for the elements of a list.
func readableElements(t reflect.Type, elements []any, path string) (all []any, left UnreadableFields) {
	if t.Kind() != reflect.Slice {
		return nil, nil
	}
	for i, element := range elements {
		kept, more := readable(t.Elem(), element, fmt.Sprintf("%s[%d]", path, i))
		left = append(left, more...)
		if kept != nil {
			all = append(all, kept)
		}
	}
	return all, left
}

// member returns the type of a member of a struct, by its name in JSON, or of the values of a map; nil if there is none.
func member(t reflect.Type, name string) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()): // it has its own way of reading
		return nil
	case t.Kind() == reflect.Map:
		return t.Elem()
	case t.Kind() != reflect.Struct:
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag == name {
			return field.Type
		}
	}
	return nil
}

// fits returns why a value can't be read as a Go type.
func fits(t reflect.Type, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return utiljson.Unmarshal(data, reflect.New(t).Interface())
}

// maxCause is the length, in bytes, to which a cause is cut. Causes can repeat the value, which can be long.
const maxCause = 200

// cause says what is wrong with a value, without Go's names for types.
func cause(err error) string {
	text := err.Error()
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		text = "a " + mismatch.Value + " can't stand here"
	}
	return strings.ToValidUTF8(text[:min(len(text), maxCause)], "")
}
