// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace that operators run in; DNSZones name Secrets there.
const Namespace = "xmppfed-system"

// look is how often to look whether a process is as it should be.
const look = 10 * time.Millisecond

// Operator is the operator as a process.
type Operator struct {
	// Log is the path of what it writes, over all its lives.
	Log string
	// MetricsAddress is where it serves metrics.
	MetricsAddress string

	cluster *Cluster
	program string
	flags   []string
	probes  string
	process *exec.Cmd
	// ended is closed when the process has.
	ended chan struct{}
}

// NewOperator prepares the operator of the cluster: its namespace, and free ports of loopback for metrics and probes.
// Program is the path of the built cmd/operator; flags come after those that it needs here. It takes part in leader
// election under one name all its lives, as the container of one pod does.
func (c *Cluster) NewOperator(ctx context.Context, program string, flags ...string) (*Operator, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if err := client.IgnoreAlreadyExists(c.Client.Create(ctx, namespace)); err != nil {
		return nil, fmt.Errorf("creating namespace %s: %w", Namespace, err)
	}
	o := &Operator{cluster: c, program: program, Log: filepath.Join(c.dir, "operator.log")}
	for _, address := range []*string{&o.MetricsAddress, &o.probes} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		*address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	o.flags = append([]string{
		"--namespace=" + Namespace, "--leader-elect", "--identity=operator-0",
		"--metrics-bind-address=" + o.MetricsAddress, "--health-probe-bind-address=" + o.probes,
	}, flags...)
	return o, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Start starts it. It does not wait until it works; see Ready.
func (o *Operator) Start() error {
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the operator's log: %w", err)
	}
	defer log.Close()
	process := exec.Command(o.program, o.flags...)
	process.Env = append(os.Environ(), "KUBECONFIG="+o.cluster.Kubeconfig)
	process.Stdout, process.Stderr = log, log
	// It ends with whoever started it, even if that is killed.
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		return fmt.Errorf("starting the operator: %w", err)
	}
	ended := make(chan struct{})
	o.process, o.ended = process, ended
	go func() {
		defer close(ended)
		_ = process.Wait() // its state says how it ended
	}()
	return nil
}

// Ready waits until it serves its probes.
func (o *Operator) Ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.probes+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("asking the operator whether it is ready: %w", err)
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the operator, whose log is %s: %w", o.Log, ctx.Err())
		case <-o.ended:
			return fmt.Errorf("waiting for the operator, whose log is %s: it ended: %s", o.Log, o.process.ProcessState)
		case <-ticker.C:
		}
	}
}

// Kill ends it with SIGKILL, at whatever it is, and waits until it is gone. It may be started again.
func (o *Operator) Kill() { o.end(syscall.SIGKILL) }

// Stop asks it to end, and waits until it is gone. It may be started again.
func (o *Operator) Stop() { o.end(syscall.SIGTERM) }

// end does nothing when it does not run.
func (o *Operator) end(signal syscall.Signal) {
	if o.process == nil {
		return
	}
	// Should it have ended by itself, what it said is in its log.
	_ = o.process.Process.Signal(signal)
	<-o.ended
	o.process = nil
}

// Ended is closed when its present life is over, however it ended; nil before the first.
func (o *Operator) Ended() <-chan struct{} { return o.ended }

// Pid is that of its present life; 0 between two lives.
func (o *Operator) Pid() int {
	if o.process == nil {
		return 0
	}
	return o.process.Process.Pid
}
