// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// stage stands in for a test where the servers of dnstest are started: it ends what they started.
type stage struct {
	testing.TB // what is not defined below is not called
	dir        string
	cleanups   []func()
}

// failure is what Fatalf throws; setting the stage catches it.
type failure struct{ error }

func (s *stage) Helper()          {}
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *stage) Fatal(all ...any) { panic(failure{errors.New(fmt.Sprint(all...))}) }
func (s *stage) Fatalf(format string, arguments ...any) {
	panic(failure{fmt.Errorf(format, arguments...)})
}
func (s *stage) Skipf(format string, arguments ...any) { s.Fatalf(format, arguments...) }

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		s.Fatal(err)
	}
	return dir
}

// end what was started, the last first.
func (s *stage) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
	s.cleanups = nil
}

// catch makes an error of what Fatalf threw.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case failure:
		*err = thrown.error
	default:
		panic(thrown)
	}
}

// Networks that exist only within the measurement: all of their addresses are this machine's.
const (
	benchmarkNetwork = "198.18.0.0/15" // public addresses of load balancers (RFC 2544)
	podNetwork       = "10.96.0.0/12"
	apiAddress       = "10.128.0.1/24"
)

// seclude starts this program again, with the same arguments, in namespaces of its own. No packet leaves them, port 53 is
// free there, the counters of the firewall count nothing but the measurement, and when it ends, everything in them does.
func seclude() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	inside := append([]string{"--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--", program, "-inside"}, os.Args[1:]...)
	command := exec.Command("unshare", inside...) //nolint:gosec // its own arguments
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// unshare ignores interrupts; it must not outlive this program, and nothing in the namespaces must.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command.Run()
}

// furnish brings up the network of the namespaces, with BIND as the machine's resolver.
func furnish(dir string) error {
	resolver := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		return err
	}
	for _, line := range []string{
		"mount --bind " + resolver + " /etc/resolv.conf",
		"ip link set lo up",
		"ip route add local " + benchmarkNetwork + " dev lo",
		"ip route add local " + podNetwork + " dev lo",
		// The API server wants an address on the way to elsewhere.
		"ip link add bench0 type veth peer name bench1",
		"ip address add " + apiAddress + " dev bench0",
		"ip link set bench1 up", "ip link set bench0 up",
		"ip route add default dev bench0",
		"nft add table inet bench",
		"nft add chain inet bench out { type filter hook output priority 0 ; }",
		"nft add counter inet bench dns",
		"nft add rule inet bench out tcp dport 53 counter name dns",
		"nft add rule inet bench out tcp sport 53 counter name dns",
		"nft add rule inet bench out udp dport 53 counter name dns",
		"nft add rule inet bench out udp sport 53 counter name dns",
	} {
		words := strings.Fields(line)
		if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("running %s: %w: %s", line, err, output)
		}
	}
	return nil
}
