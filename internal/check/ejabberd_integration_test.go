// SPDX-License-Identifier: Apache-2.0

//go:build integration

package check

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

const (
	ejabberdRootfs = "../../bin/images/ejabberd-24.12/rootfs"
	// ejabberdConfig lacks the hosts and what holds for single ones.
	ejabberdConfig = `
certfiles: [/lab/tls.crt, /lab/tls.key]
ca_file: /lab/ca.crt
s2s_use_starttls: required
access_rules: {nobody: [{deny: all}]}
listen:
- {port: 5299, ip: "127.0.0.1", module: ejabberd_s2s_in}
modules: {mod_muc: {}}
`
	ejabberdAddress = "127.0.0.1:5299"
	// enterEjabberd makes a root out of $2 and what is below $1, and runs the rest of the arguments in it.
	enterEjabberd = `
dir=$1; lower=$2; shift 2
mount -t tmpfs tmpfs "$dir/layers"
mkdir "$dir/layers/upper" "$dir/layers/work"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/layers/upper,workdir=$dir/layers/work" "$dir/root"
mkdir "$dir/root/lab"
mount --bind "$dir/lab" "$dir/root/lab"
mount --rbind /dev "$dir/root/dev"
mount -t proc proc "$dir/root/proc"
exec chroot "$dir/root" "$@"
`
)

func TestConflictWithRealEjabberd(t *testing.T) {
	for name, tc := range map[string]struct {
		serves []string
		want   []Conflict
	}{
		"that serves its own domain only": {[]string{"gmail.com"}, nil},
		"that serves ours as well": {
			[]string{"gmail.com", "cupdomain.com"},
			[]Conflict{{"cupdomain.com", "xmpp.gmail.com:5269"}, {"conference.cupdomain.com", "xmpp.gmail.com:5269"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ca := prosodytest.NewCA(t)
			startEjabberd(t, "hosts: ["+strings.Join(tc.serves, ", ")+"]", ca, ca, tc.serves...)
			expectConflicts(t, ejabberdAddress, tc.want)
		})
	}
}

// startEjabberd runs a server for the hosts of config and their group chats, without the tools that want a port mapper. It
// has a certificate of issuer for names and trusts ca.
func startEjabberd(t *testing.T, config string, issuer, ca *prosodytest.CA, names ...string) {
	t.Helper()
	rootfs, err := filepath.Abs(ejabberdRootfs)
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(rootfs, "usr/bin/erl"))
	testkit.Require(t, err == nil && os.Geteuid() == 0, "root, and the root filesystem with ejabberd 24.12 (hack/lab/lab build images)")
	dir := t.TempDir()
	for _, sub := range []string{"root", "layers", "lab"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := issuer.Issue(t, 0xe1, names...)
	for file, content := range map[string][]byte{
		"tls.crt": cert, "tls.key": key, "ca.crt": ca.PEM, "stranger.crt": prosodytest.NewCA(t).PEM,
		"ejabberd.yml": []byte(config + ejabberdConfig),
	} {
		if err := os.WriteFile(filepath.Join(dir, "lab", file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "lab/ejabberd.log")
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-euc", enterEjabberd, "enter", dir, rootfs,
		"erl", "-noinput", "-start_epmd", "false", "+S", "1", "+sbwt", "none", "-mnesia", "dir", `"/lab/mnesia"`, "-s", "ejabberd")
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/lab", "ERL_LIBS=/usr/lib/x86_64-linux-gnu",
		"EJABBERD_CONFIG_PATH=/lab/ejabberd.yml", "EJABBERD_LOG_PATH=/lab/ejabberd.log",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		awaitListener(t, ejabberdAddress, false) // what runs in a namespace ends a little after it
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("log of the server:\n%s", text)
		}
	})
	awaitListener(t, ejabberdAddress, true)
	awaitStream(t, ejabberdAddress, names[0])
}

// awaitStream waits until a server answers a stream to a domain, which it does slowly for the first time.
func awaitStream(t *testing.T, address, domain string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>", domain)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := bufio.NewReader(conn).ReadString('>'); err != nil {
		t.Fatalf("no answer to a stream to %s: %q, %v", domain, answer, err)
	}
}

// awaitListener waits until something takes connections, or nothing does any more.
func awaitListener(t *testing.T, address string, there bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) == there {
			return
		}
	}
	t.Fatalf("a server listens at %s: still not %v", address, there)
}
