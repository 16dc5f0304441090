// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// volume is a directory as kubelet makes it for a ConfigMap or Secret
// (k8s.io/kubernetes/pkg/volume/util/atomic_writer.go): every file is a symlink
// through ..data, which is renamed over to replace all of them at once.
type volume struct {
	dir     string
	mode    os.FileMode
	version int
}

func (v *volume) set(files map[string][]byte) error {
	v.version++
	target := fmt.Sprintf("..version_%d", v.version)
	if err := os.Mkdir(filepath.Join(v.dir, target), 0o755); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(v.dir, target, name)
		if err := os.WriteFile(path, content, v.mode); err != nil {
			return err
		}
		if err := os.Chown(path, 0, user); err != nil {
			return err
		}
	}
	temporary := filepath.Join(v.dir, "..data_tmp")
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(v.dir, "..data")); err != nil {
		return err
	}
	return v.link(files)
}

// link makes the visible names match files; kubelet does so after the rename.
func (v *volume) link(files map[string][]byte) error {
	for name := range files {
		err := os.Symlink(filepath.Join("..data", name), filepath.Join(v.dir, name))
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, wanted := files[entry.Name()]; wanted || strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		if err := os.Remove(filepath.Join(v.dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
