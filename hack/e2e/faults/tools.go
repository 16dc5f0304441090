// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Target is what the tools of others are given: each what it asks for.
type Target struct {
	// Domain is the XMPP domain.
	Domain string
	// Prosodyctl is the command of the lab that runs prosodyctl where the domain's server is, if that is Prosody, up to the
	// arguments of prosodyctl.
	Prosodyctl []string
	// Protocols has testssl.sh look at versions of TLS instead of the certificate: both take too long.
	Protocols bool
}

// Tool is a program that others wrote. Findings are its complaints, to be compared with those about a healthy domain.
type Tool struct {
	Name     string
	Findings func(context.Context, Target) ([]string, error)
}

// TestSSL is the name of testssl.sh.
const TestSSL = "testssl.sh"

// Tools are those that Debian has.
var Tools = []Tool{
	{"prosodyctl check", prosodyctlCheck},
	{"xmpp-dns", xmppDNS},
	{TestSSL, testssl},
}

// ErrHangs is for a tool that did not come to its end in time.
var ErrHangs = errors.New("the tool hangs")

// patience is what an administrator has with a tool. On a machine that does nothing else testssl.sh needs 12 s.
const patience = 40 * time.Second

// ErrNotApplicable is for a tool that can't be given the target: there is nothing it could be pointed at.
var ErrNotApplicable = errors.New("the tool does not apply")

// prosodyctlCheck looks at the configuration, the DNS and the certificates of the server that it belongs to.
func prosodyctlCheck(ctx context.Context, t Target) ([]string, error) {
	if len(t.Prosodyctl) == 0 {
		return nil, ErrNotApplicable
	}
	out, err := output(ctx, append(slices.Clone(t.Prosodyctl), "check")...)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.ToLower(out), "error") {
		return nil, ErrNotApplicable // these are kubectl's words: there is no pod to run it in
	}
	return prosodyctlFindings(out), nil
}

// prosodyctlHeading is what is no finding. That an option is there twice is how the lab gives a server a fault, and the
// exit code is kubectl's word.
var prosodyctlHeading = regexp.MustCompile(
	`^(Checking|Done|For more|Certificate:|Problems found|All checks|command terminated|$)|Duplicate option`)

// prosodyctlFindings are all lines but headings.
func prosodyctlFindings(out string) []string {
	var findings []string
	heading := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "Checking"):
			heading = line
		case !prosodyctlHeading.MatchString(line):
			findings = append(findings, heading+" "+line)
		}
	}
	return findings
}

// xmppDNS resolves the service records of a domain and tries the servers.
func xmppDNS(ctx context.Context, t Target) ([]string, error) {
	resolver, _, _ := strings.Cut(lab.Primary, ":")
	out, err := output(ctx, "exec", Outside, "--", "env", "SSL_CERT_FILE="+lab.CA,
		"xmpp-dns", "-s", "-t", "-f", "-v", "--no-color", "--timeout", "4", "--resolver", resolver, t.Domain)
	if err != nil {
		return nil, err
	}
	return xmppDNSFindings(out), nil
}

var xmppDNSFine = regexp.MustCompile(`^(xmpps?-server|Priority:|IP:|$)|\[OK\]$`)

// xmppDNSFindings are all lines but those that say what was tried and that it is fine.
func xmppDNSFindings(out string) []string {
	var findings []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); !xmppDNSFine.MatchString(line) {
			findings = append(findings, line)
		}
	}
	return findings
}

// testssl examines TLS at a host and port: the first that the domain's service record names, for it knows no domains.
func testssl(ctx context.Context, t Target) ([]string, error) {
	host, port, address, err := firstServer(ctx, t.Domain)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "testssl-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for testssl.sh: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in /tmp harms nobody
	file := filepath.Join(dir, "report.json")
	what := "--server-defaults"
	if t.Protocols {
		what = "--protocols"
	}
	_, err = output(ctx, "exec", Outside, "--", "env", "LC_ALL=C.UTF-8",
		"testssl", "--quiet", "--color", "0", "--warnings", "batch", "--fast", "--add-ca", lab.CA,
		"--connect-timeout", "3", "--openssl-timeout", "3", "--jsonfile", file,
		"--ip", address, "--starttls", "xmpp", "--xmpphost", t.Domain, what, host+":"+port)
	if err != nil {
		return nil, err
	}
	report, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the report of testssl.sh: %w", err)
	}
	return testsslFindings(report)
}

// testsslFindings are those that testssl.sh does not call fine or mere information.
func testsslFindings(report []byte) ([]string, error) {
	var entries []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(report, &entries); err != nil {
		return nil, fmt.Errorf("parsing the report of testssl.sh: %w: %s", err, report)
	}
	var findings []string
	for _, e := range entries {
		switch e.Severity {
		case "OK", "INFO", "DEBUG":
		default:
			findings = append(findings, e.Severity+" "+e.ID+" "+e.Finding)
		}
	}
	return findings, nil
}

// firstServer is where the first service record of a domain leads, as the primary DNS server has it, else the domain's
// own address.
func firstServer(ctx context.Context, domain string) (host, port, address string, err error) {
	services, err := lab.Query(ctx, lab.Primary, "_xmpp-server._tcp."+domain, dns.TypeSRV)
	if err != nil {
		return "", "", "", ErrNotApplicable
	}
	host, port = domain, "5269"
	if len(services) > 0 {
		fields := strings.Fields(services[0])
		host, port = strings.TrimSuffix(fields[3], "."), fields[2]
	}
	addresses, err := lab.Query(ctx, lab.Primary, host, dns.TypeA)
	if err != nil || len(addresses) == 0 {
		return "", "", "", ErrNotApplicable
	}
	return host, port, addresses[0], nil
}

// output is what a command of the lab prints on both streams. That it ends with an error is no error: tools say so
// when they find something. Patience ends the command with all that it has started.
func output(ctx context.Context, args ...string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd, err := lab.Command(limited, args...)
	if err != nil {
		return "", err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("running %s: %w", strings.Join(args, " "), ctx.Err())
	case limited.Err() != nil:
		return "", ErrHangs
	case err != nil && !errors.As(err, &exit):
		return "", fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
