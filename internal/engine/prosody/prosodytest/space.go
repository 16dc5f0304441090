// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// ballast is the file that takes the room on the data volume.
const ballast = "ballast"

// LimitVolume gives the data volume a size, in bytes. It has to be called before the server starts.
func (s *Server) LimitVolume(t testing.TB, size int) {
	t.Helper()
	options := fmt.Sprintf("size=%d,mode=0755,uid=%d,gid=%d", size, user, user)
	must(t, syscall.Mount("tmpfs", s.DataPath(), "tmpfs", 0, options))
	t.Cleanup(func() { must(t, syscall.Unmount(s.DataPath(), syscall.MNT_DETACH)) })
}

// FillVolume takes all the room that is left on the data volume.
func (s *Server) FillVolume(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile(s.DataPath(ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	for err == nil {
		_, err = file.Write(make([]byte, os.Getpagesize()))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	must(t, file.Close())
}

// MakeRoom undoes FillVolume.
func (s *Server) MakeRoom(t testing.TB) {
	t.Helper()
	must(t, os.Remove(s.DataPath(ballast)))
}

// WriteData puts a file into the data volume, as the server's own.
func (s *Server) WriteData(t testing.TB, text string, elem ...string) {
	t.Helper()
	for i := range elem[:len(elem)-1] {
		dir := s.DataPath(elem[:i+1]...)
		must(t, os.MkdirAll(dir, 0o750))
		must(t, os.Chown(dir, user, user))
	}
	name := s.DataPath(elem...)
	must(t, os.WriteFile(name, []byte(text), 0o640))
	must(t, os.Chown(name, user, user))
}
