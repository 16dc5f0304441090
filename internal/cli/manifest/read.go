// SPDX-License-Identifier: Apache-2.0

// Package manifest reads manifests, and judges and completes those of this project's kinds as an API server would.
package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// maxDocument is the longest document that is read, in bytes; API servers take no longer ones.
const maxDocument = 3 << 20

// Read returns the objects of YAML or JSON documents, those of lists one by one. Source names them in errors.
func Read(r io.Reader, source string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for number := 1; ; number++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		where := fmt.Sprintf("document %d of %s", number, source)
		if err == nil && len(document) > maxDocument {
			err = fmt.Errorf("more than %d bytes", maxDocument)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", where, err)
		}
		objects, err := parse(document)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", where, err)
		}
		all = append(all, objects...)
	}
}

func parse(document []byte) ([]*unstructured.Unstructured, error) {
	// Strict, because a key that stands twice is a mistake that an API server would not see.
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	if data = bytes.TrimSpace(data); bytes.Equal(data, []byte("null")) {
		return nil, nil // nothing but comments
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	if !object.IsList() {
		return []*unstructured.Unstructured{object}, check(object)
	}
	list, err := object.ToList()
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for i := range list.Items {
		if err := check(&list.Items[i]); err != nil {
			return nil, err
		}
		all = append(all, &list.Items[i])
	}
	return all, nil
}

// check refuses metadata that nobody could work with, such as the namespace n, which is a boolean in YAML 1.1.
func check(object *unstructured.Unstructured) error {
	metadata, err := json.Marshal(object.Object["metadata"])
	if err == nil {
		err = json.Unmarshal(metadata, &metav1.ObjectMeta{})
	}
	switch {
	case err != nil:
		return fmt.Errorf("the metadata of the %s: %w", object.GetKind(), err)
	case object.GetName() == "":
		return fmt.Errorf("the %s has no metadata.name", object.GetKind())
	}
	return nil
}
