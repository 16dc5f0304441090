// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net/netip"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// Replica is one pod of the server.
type Replica struct {
	Pod string
	// Live is what the server says of itself, Err why it says nothing.
	Live *engine.LiveStatus
	Err  error
	// Wire is what its own port does; nil when that was not tried. Unreached is why it could not be.
	Wire      *Wire
	Unreached error
}

// Wire is what a stranger sees at a server's own port.
type Wire struct {
	probe probe
	keys  Result
}

// TryReplica opens a stream to the domain at a pod's own port, looks at the certificate, and asks for dialback keys made
// from the secret. The context's deadline is for the whole.
func (c *Checker) TryReplica(ctx context.Context, at netip.AddrPort, domain, dialbackSecret string) *Wire {
	ctx, cancel := limited(ctx)
	defer cancel()
	s := Subject{Domain: domain, DialbackSecret: dialbackSecret}
	w := &Wire{probe: probe{trial: trial{address: at, domain: domain}}}
	c.probe(ctx, s, &w.probe, share(ctx))
	w.keys = s.judgeKeys(w.probe)
	return w
}

// failure is why the port opens no stream; nil when it does, or was not tried.
func (r Replica) failure() error {
	switch {
	case r.Wire == nil:
		return r.Unreached
	case r.Wire.probe.dial != nil:
		return r.Wire.probe.dial
	}
	return r.Wire.probe.stream
}

// judgeKeys judges the pod's answers to dialback keys, if there are any.
func (r Replica) judgeKeys() []Result {
	if r.Wire == nil || r.Wire.probe.leaf == nil {
		return nil
	}
	judged := r.Wire.keys
	judged.Subject = r.Pod
	return []Result{judged}
}

// drift says what the pod has other than it was given; empty when nothing.
func (d Deployment) drift(r Replica) string {
	switch live := r.Live; {
	case live == nil:
		return r.Pod + " says nothing of itself (" + phrase.Clean(r.Err.Error(), maxRecord) + ")"
	case live.ConfigError != "":
		return r.Pod + " refuses its configuration: " + phrase.Clean(live.ConfigError, maxRecord)
	case d.Generation != "" && live.Generation != d.Generation:
		return r.Pod + " runs an older configuration"
	case d.SecretGeneration != "" && live.SecretGeneration != d.SecretGeneration:
		return r.Pod + " has older accounts, certificate or dialback secret"
	case Outdated(live.Certificate, d.Serial):
		return r.Pod + " serves an older certificate"
	case d.Serial != "" && r.Wire != nil && r.Wire.probe.leaf != nil && !sameSerial(pki.Serial(r.Wire.probe.leaf), d.Serial):
		return r.Pod + " says that it serves the certificate that it was given, and shows another at its port"
	}
	return ""
}

// incomparable names what could not be compared, because one of the two sides is not known.
func (d Deployment) incomparable(r Replica) []string {
	var names []string
	for _, one := range []struct{ name, given, live string }{
		{"the configuration", d.Generation, r.Live.Generation},
		{"the accounts, certificate and dialback secret", d.SecretGeneration, r.Live.SecretGeneration},
		{"the certificate", d.Serial, r.Live.Certificate.Serial},
	} {
		switch {
		case one.given == "":
			names = append(names, one.name+" (it is not known what "+r.Pod+" was given)")
		case one.live == "":
			names = append(names, one.name+" ("+r.Pod+" does not say what it has)")
		}
	}
	return names
}

// Outdated tells whether a server serves another certificate than that with the serial number, which is empty when it is
// not known.
func Outdated(served engine.LiveCertificate, serial string) bool {
	return serial != "" && served.Serial != "" && !sameSerial(served.Serial, serial)
}

// sameSerial compares serial numbers in hexadecimal.
func sameSerial(a, b string) bool {
	return strings.EqualFold(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
}
