// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
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

// seclude starts this program again, with the same arguments, in namespaces of its own, and with a directory that is theirs.
// No packet leaves them, port 53 is free there, the counters of the firewall count nothing but the measurement, and when it
// ends, everything in them does.
func seclude() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-dns")
	if err != nil {
		return err
	}
	defer os.Remove(dir) //nolint:errcheck // what was in it went with the namespaces
	inside := append(
		[]string{"--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--", program, "-inside", dir}, os.Args[1:]...)
	command := exec.Command("unshare", inside...) //nolint:gosec // its own arguments
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The end of its input tells the one inside to stop, as unshare passes no signals on. Nothing in the namespaces outlives
	// this program, not even if that is killed.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	leash, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("entering namespaces: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		_ = leash.Close()
		time.Sleep(toStop)
		_ = command.Process.Kill()
	}()
	return command.Wait()
}

// toStop is how long stopping may take.
const toStop = 20 * time.Second

// leashed returns a context that ends with the program that seclude started this one from, or when that has it stop.
func leashed() (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop(errors.New("stopped by a signal"))
	}()
	return ctx, stop
}

// furnish brings up the network of the namespaces, with BIND as the machine's resolver, and puts dir, with all that the
// servers write, into memory: the speed of a disk is not what is measured.
func furnish(dir string) error {
	if output, err := exec.Command("mount", "-t", "tmpfs", "bench-dns", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("mounting a directory in memory: %w: %s", err, output)
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return err
	}
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
