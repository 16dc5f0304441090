// SPDX-License-Identifier: Apache-2.0

// Package capture reads what really went over the lab's wire, to prove from it what was encrypted.
package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// bridge of the lab's host "internet", over which everything to and from partners goes.
const bridge = "servers"

// script runs tcpdump until its own input ends: whoever started it may be gone by then.
const script = `tcpdump -i "$0" --immediate-mode -U -s 0 -w - "$@" </dev/null & read -r || true; kill -INT $!; wait $!`

// Capture is a running tcpdump.
type Capture struct {
	cmd  *exec.Cmd
	in   io.Closer
	done chan struct{} // closed when its output has ended

	mu      sync.Mutex
	packets bytes.Buffer // in pcap form
}

// Start captures the TCP packets to and from addresses. It returns once nothing is missed any more.
func Start(ctx context.Context, addresses ...string) (*Capture, error) {
	filter := "tcp and (host " + strings.Join(addresses, " or host ") + ")"
	// Ends with its input, not with ctx: killing the command in front of it would leave it running.
	cmd, err := lab.Command(context.WithoutCancel(ctx), "exec", "internet", "--", "bash", "-c", script, bridge, filter)
	if err != nil {
		return nil, err
	}
	c := &Capture{cmd: cmd, done: make(chan struct{})}
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	messages, messagesErr := cmd.StderrPipe()
	if err := errors.Join(inErr, outErr, messagesErr); err != nil {
		return nil, fmt.Errorf("starting tcpdump: %w", err)
	}
	c.in = in
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting tcpdump: %w", err)
	}
	go c.read(out)
	if err := begun(messages); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	go io.Copy(io.Discard, messages) //nolint:errcheck // so that it is never blocked
	return c, nil
}

// begun waits until tcpdump says that it listens.
func begun(messages io.Reader) error {
	var said []string
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		if strings.Contains(lines.Text(), "listening on") {
			return nil
		}
		said = append(said, lines.Text())
	}
	return fmt.Errorf("starting tcpdump: %s", strings.Join(said, " / "))
}

func (c *Capture) read(out io.Reader) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := out.Read(buffer)
		c.mu.Lock()
		c.packets.Write(buffer[:n])
		c.mu.Unlock()
		if err != nil { // it has ended, and Stop tells how
			close(c.done)
			return
		}
	}
}

// Streams are what was captured so far.
func (c *Capture) Streams() ([]Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Assemble(c.packets.Bytes())
}

// Stop ends the capture.
func (c *Capture) Stop() error {
	_ = c.in.Close() // that ends it; if it ended by itself, Wait tells
	<-c.done
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("running tcpdump: %w", err)
	}
	return nil
}
