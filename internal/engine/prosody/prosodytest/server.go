// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package prosodytest runs real Prosody servers for tests, the way a pod does:
// as a user without a name or capabilities, on a read-only root filesystem, with
// volumes that are replaced as kubelet replaces them. It needs root, and the
// root filesystems that `hack/lab/lab build images` makes.
package prosodytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/test/cgroup"
)

// Versions of Prosody that are supported, newest first.
var Versions = []string{"13.0", "0.12"}

// user is the uid and gid of the server; it is in no passwd file.
const user = 10001

// readyTimeout bounds waits; what is waited for takes about a second.
const readyTimeout = 20 * time.Second

// enter prepares a root filesystem out of the volumes below $1 and runs the rest
// of the arguments in it. Read-only comes last, when all mount points exist.
const enter = `
root=$1/root; lower=$2 cgroup=$3 cgroup_mount=$4; shift 4
[ -z "$cgroup" ] || echo 0 >"$cgroup/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=${root%root}upper,workdir=${root%root}work" "$root"
mkdir -p "$root/etc/xmppfed/config" "$root/etc/xmppfed/secret" "$root/run/prosody"
for dir in config secret; do
	mount --bind "${root%root}$dir" "$root/etc/xmppfed/$dir"
	mount -o remount,bind,ro "$root/etc/xmppfed/$dir"
done
mount --bind "${root%root}data" "$root/var/lib/prosody"
mount --bind "${root%root}run" "$root/run/prosody"
mount --bind "${root%root}tmp" "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
if [ -n "$cgroup" ]; then
	mkdir -p "$root/$cgroup_mount"
	mount --bind "$cgroup" "$root/$cgroup_mount"
fi
mount -o remount,ro "$root"
exec chroot "$root" "$@"
`

// Server is a Prosody that runs in the network namespace of the test.
type Server struct {
	dir            string
	rootfs         string
	cgroup         *cgroup.Group // nil: unlimited
	config, secret *volume
	cmd            *exec.Cmd
	log            *logBuffer
}

// logBuffer collects the server's output while it runs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Rootfs returns the root filesystem with the given version of Prosody, or skips
// the test when it hasn't been built.
func Rootfs(t testing.TB, version string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	rootfs := filepath.Join(filepath.Dir(file), "../../../../bin/images", "prosody-"+version, "rootfs")
	_, err := os.Stat(filepath.Join(rootfs, "usr/bin/prosody"))
	testkit.Require(t, err == nil, "root filesystem with Prosody "+version+" (hack/lab/lab build images)")
	testkit.Require(t, os.Geteuid() == 0, "root, to enter a root filesystem")
	return rootfs
}

// New prepares a server with the given contents of its two volumes.
func New(t testing.TB, version string, config map[string]string, secret map[string][]byte) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), rootfs: Rootfs(t, version), log: &logBuffer{}}
	for _, sub := range []string{"root", "upper", "work", "config", "secret", "data", "run", "tmp"} {
		must(t, os.Mkdir(filepath.Join(s.dir, sub), 0o755))
	}
	for _, sub := range []string{"data", "run", "tmp"} {
		must(t, os.Chown(filepath.Join(s.dir, sub), user, user))
	}
	s.config = &volume{dir: filepath.Join(s.dir, "config"), mode: 0o444}
	s.secret = &volume{dir: filepath.Join(s.dir, "secret"), mode: 0o440}
	s.SetConfig(t, config)
	s.SetSecret(t, secret)
	return s
}

// DataPath returns where a file of the data volume is for the test.
func (s *Server) DataPath(elem ...string) string {
	return filepath.Join(append([]string{s.dir, "data"}, elem...)...)
}

// Start runs a server made by New until the test ends, and waits until it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.WaitReady(t)
}

// Launch is Start without the wait.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	s.cmd = s.command(context.Background(), "prosody", "-F", "--config", "/etc/xmppfed/config/prosody.cfg.lua")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	must(t, s.cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log)
		}
	})
}

// Terminate tells the server to end, as kubelet does when it deletes a pod.
func (s *Server) Terminate() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM) }

// Kill ends the server at once, as the kernel does when memory is short, and waits until it is gone.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop is Terminate and waits until the server is gone.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Pause has the server hang until Resume.
func (s *Server) Pause() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGSTOP) }

// Resume ends Pause.
func (s *Server) Resume() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGCONT) }

func (s *Server) end(signal syscall.Signal) {
	_ = syscall.Kill(-s.cmd.Process.Pid, signal)
	_ = s.cmd.Wait()
}

// command runs argv as the server's user inside a root filesystem of its own
// that has the server's volumes.
func (s *Server) command(ctx context.Context, argv ...string) *exec.Cmd {
	id := fmt.Sprint(user)
	group := cgroup.Group{}
	if s.cgroup != nil {
		group = *s.cgroup
	}
	args := append([]string{
		"--mount", "--pid", "--fork", "--", "sh", "-euc", enter, "enter", s.dir, s.rootfs, group.Dir, group.Mount,
		"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
		"--bounding-set=-all", "--inh-caps=-all", "--",
	}, argv...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	// A group, because a change of user makes processes forget to die with their parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"PROSODY_CONFIG=/etc/xmppfed/config/prosody.cfg.lua",
	}
	return cmd
}

// Run executes a command beside the server, as `kubectl exec` would, and returns
// its output.
func (s *Server) Run(t testing.TB, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	out, err := s.command(ctx, argv...).CombinedOutput()
	return string(out), err
}

// SetConfig replaces the files of the ConfigMap volume at once.
func (s *Server) SetConfig(t testing.TB, files map[string]string) {
	t.Helper()
	contents := map[string][]byte{}
	for name, text := range files {
		contents[name] = []byte(text)
	}
	must(t, s.config.set(contents))
}

// SetSecret replaces the files of the Secret volume at once.
func (s *Server) SetSecret(t testing.TB, data map[string][]byte) {
	t.Helper()
	must(t, s.secret.set(data))
}

// TrustSystemwide puts ca among the authorities of the image. It has to be called
// before the server starts.
func (s *Server) TrustSystemwide(t testing.TB, ca *CA) {
	t.Helper()
	hash := exec.Command("openssl", "x509", "-noout", "-subject_hash")
	hash.Stdin = bytes.NewReader(ca.PEM)
	out, err := hash.Output()
	must(t, err)
	dir := filepath.Join(s.dir, "upper/etc/ssl/certs")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, strings.TrimSpace(string(out))+".0"), ca.PEM, 0o644))
}

// WriteTmp writes a file into the server's /tmp.
func (s *Server) WriteTmp(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.dir, "tmp", name), []byte(text), 0o644))
}

// Log returns what the server has written so far.
func (s *Server) Log() string { return s.log.String() }

// Ready returns status code and text of the readiness endpoint.
func (s *Server) Ready() (int, string) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/xmppfed/ready", engine.PortNumberHTTP))
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// WaitReady waits until the readiness endpoint answers 200.
func (s *Server) WaitReady(t testing.TB) {
	t.Helper()
	var code int
	var text string
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if code, text = s.Ready(); code == http.StatusOK {
			return
		}
	}
	t.Fatalf("server is not ready: %d %s\n%s", code, text, s.log)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
