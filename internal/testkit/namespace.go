// SPDX-License-Identifier: Apache-2.0

//go:build integration

package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// inNamespace marks the process that runs the tests.
const inNamespace = "XMPPFED_TEST_NAMESPACE"

// Isolated runs the tests of a package in a network namespace that has nothing but loopback, so that servers can have their
// real ports and nothing can leave the machine. For use in TestMain, with m.Run. Without root the tests run, and skip, where
// they are.
func Isolated(run func() int) {
	if os.Geteuid() != 0 {
		os.Exit(run())
	}
	if os.Getenv(inNamespace) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "setting loopback up: %v: %s\n", err, out)
			os.Exit(1)
		}
		os.Exit(run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
