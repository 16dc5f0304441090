// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

// process is a controller at work: ExternalDNS, or the operator.
type process interface {
	Pid() int
	Kill()
	// Ended is closed when it has, for whatever reason.
	Ended() <-chan struct{}
	// LogPath is the file that it writes its log to.
	LogPath() string
}

// operator is the operator as a process.
type operator struct{ *cluster.Operator }

// LogPath is shared by all operators.
func (o operator) LogPath() string { return o.Log }

// daemon is a process of ExternalDNS.
type daemon struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// startDaemon starts a program whose log has a file of its own.
func startDaemon(path string, command *exec.Cmd) (*daemon, error) {
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	d := &daemon{command, path, make(chan struct{})}
	go func() {
		defer close(d.ended)
		_ = command.Wait() // its state says how it ended
	}()
	return d, nil
}

func (d *daemon) Pid() int               { return d.command.Process.Pid }
func (d *daemon) Ended() <-chan struct{} { return d.ended }
func (d *daemon) LogPath() string        { return d.log }

func (d *daemon) Kill() {
	_ = d.command.Process.Kill()
	<-d.ended
}

// pause stops a process where it stands, so that it costs the others nothing; resume lets it go on.
func pause(p process) error  { return syscall.Kill(p.Pid(), syscall.SIGSTOP) }
func resume(p process) error { return syscall.Kill(p.Pid(), syscall.SIGCONT) }

// keep a process in mind under a name: should it end before it is let go, nothing more can be measured.
func (b *bench) keep(name string, p process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[name] = p
	go func() {
		<-p.Ended()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.running[name] == p {
			b.fail(fmt.Errorf("%s ended by itself; its log ends with:\n%s", name, tail(p.LogPath())))
		}
	}()
}

// release ends a process.
func (b *bench) release(name string) {
	b.mu.Lock()
	p, found := b.running[name]
	delete(b.running, name)
	b.mu.Unlock()
	if found {
		p.Kill()
	}
}

func (b *bench) process(name string) (process, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, found := b.running[name]
	return p, found
}

func (b *bench) releaseAll() {
	b.mu.Lock()
	var names []string
	for name := range b.running {
		names = append(names, name)
	}
	b.mu.Unlock()
	for _, name := range names {
		b.release(name)
	}
}

// watchServers ends the measurement when BIND or the API server does.
func (b *bench) watchServers(ctx context.Context) {
	for rest(ctx, time.Second) == nil {
		for what, address := range map[string]string{
			"BIND": fmt.Sprintf("127.0.0.1:%d", statisticsPort), "the API server": strings.TrimPrefix(b.m.Config.Host, "https://"),
		} {
			conn, err := net.DialTimeout("tcp", address, time.Minute)
			if errors.Is(err, syscall.ECONNREFUSED) && ctx.Err() == nil {
				b.fail(fmt.Errorf("%s ended by itself; BIND's log ends with:\n%s", what, lastLines(b.m.named.Log())))
				return
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// rest waits, unless the measurement ends before; then it returns why.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// tail is the end of a log.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(data))
}

func lastLines(text string) string {
	const shown, width = 10, 300
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(len(lines)-shown, 0):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), width)]
	}
	return strings.Join(lines, "\n")
}
