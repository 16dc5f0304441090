// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// maxEarly is how much before its time a certificate may be in use because of a clock, rather than by mistake.
const maxEarly = 2 * 24 * time.Hour

// judgeTrials says what the trials mean. An address to which the operator's own network has no route is only noted, as
// long as another one could be tried: partners may well have a route, for example by IPv6.
func judgeTrials(t InboundTarget, trials []trial, now time.Time) (findings []Result, notes []string) {
	tried := slices.ContainsFunc(trials, func(tr trial) bool { return !tr.skipped && !isUnroutable(tr.dial) })
	for _, tr := range trials {
		switch {
		case tr.skipped:
			continue
		case tried && isUnroutable(tr.dial):
			notes = append(notes, fmt.Sprintf("%s could not be tried, the operator's network has no route there", tr.address))
			continue
		}
		f, ok := judgeTrial(t, tr, now)
		if !ok {
			f.Subject = tr.address.String()
			findings = append(findings, f)
		} else if t.Serial != "" && pki.Serial(tr.leaf) != t.Serial {
			notes = append(notes, fmt.Sprintf("%s serves the certificate with serial number %s, not yet the given one, %s%s",
				tr.address, phrase.Clean(pki.Serial(tr.leaf), maxRecord), phrase.Clean(t.Serial, maxRecord), tag(Drift)))
		}
	}
	return findings, slices.Compact(notes)
}

// judgeTrial says what a trial means; true when nothing is wrong.
func judgeTrial(t InboundTarget, tr trial, now time.Time) (Result, bool) {
	failed, ok := judgeSteps(t, tr, now)
	if tr.dial != nil && tr.address.Addr().Is6() && slices.ContainsFunc(t.addressesToTry(), netip.Addr.Is4) {
		failed.Fix += "; to go without IPv6, set spec.exposure.loadBalancer.ipFamilyPolicy to SingleStack"
	}
	if ok || !tr.direct {
		return failed, ok
	}
	switch {
	case tr.dial != nil:
		failed.Fix += "; to go without direct TLS, take spec.exposure.directTLS away"
	case tr.tls != nil:
		failed.Fix = "Check that the public port leads to the port " + engine.PortS2STLS + " of this Federation's Service and not " +
			"to the one for STARTTLS, and the server's log"
	}
	if failed.ID != Clock {
		failed.ID = DirectTLS
	}
	failed.Words = "direct TLS: " + failed.Words
	return failed, false
}

func judgeSteps(t InboundTarget, tr trial, now time.Time) (Result, bool) {
	switch {
	case tr.dial != nil:
		return judgeDial(tr.address.Addr(), tr.dial), false
	case tr.stream != nil:
		return judgeStream(tr.domain, tr.stream), false
	case tr.noTLS:
		return Result{
			ID: EncryptionKept, Mark: Fail, Reason: v1alpha1.ReasonTLSNotOffered,
			Words: "the server offers no encryption (STARTTLS) for " + tr.domain,
			Fix:   "It has no usable certificate for the domain: see the condition CertificateReady, then the server's log",
		}, false
	case tr.tls != nil:
		return Result{
			ID: Handshake, Mark: Fail, Reason: v1alpha1.ReasonTLSFailed,
			Words: fmt.Sprintf("TLS for %s fails (%s)", tr.domain, explain(tr.tls)),
			Fix:   "Check the certificate and key in the Secret of spec.tls.secretRef, and the server's log",
		}, false
	}
	return judgeCertificate(t, tr.domain, tr.leaf, now)
}

func judgeDial(to netip.Addr, err error) Result {
	connections := "TCP connections"
	if to.Is6() {
		connections += " by IPv6"
	}
	switch {
	case errors.Is(err, errUndisclosed):
		return Result{
			ID: TCP, Mark: Fail, Reason: v1alpha1.ReasonUndisclosed, Words: err.Error(),
			Fix: "Check that the address leads to this Federation's Service; more is told if the platform team names its network in " +
				"the operator's flag --disclosed-networks",
		}
	case isRefused(err):
		return Result{
			ID: TCP, Mark: Fail, Reason: v1alpha1.ReasonConnectionRefused,
			Words: connections + " are refused",
			Fix: "Check that the server's pod is ready, and that the load balancer, or the NAT device before it, hands this " +
				"port on to the Service",
		}
	case isTimeout(err):
		return Result{
			ID: TCP, Mark: Fail, Reason: v1alpha1.ReasonConnectionTimeout,
			Words: connections + " get no answer",
			Fix: "Check the firewalls on the way, spec.exposure.loadBalancer.sourceRanges, and that the load balancer " +
				"has this address",
		}
	}
	return Result{
		ID: TCP, Mark: Fail, Reason: v1alpha1.ReasonConnectionTimeout,
		Words: fmt.Sprintf("%s fail (%s)", connections, explain(err)),
		Fix:   "Check the routes and firewalls between the operator and the load balancer",
	}
}

func judgeStream(domain string, err error) Result {
	var refused *xmpp.StreamError
	if !errors.As(err, &refused) {
		return Result{
			ID: StreamOpens, Mark: Fail, Reason: v1alpha1.ReasonNotXMPP,
			Words: fmt.Sprintf("what answers does not speak XMPP (%s)", explain(err)),
			Fix: "Check that the address and port lead to this Federation's Service and to nothing else; a load balancer " +
				"without ready pods behind it may also take connections and drop them",
		}
	}
	if refused.Condition == "policy-violation" && demandsTLS(lower(refused.Text)) {
		return Result{
			ID: EncryptionKept, Mark: Fail, Reason: v1alpha1.ReasonTLSNotOffered,
			Words: fmt.Sprintf("the server demands encryption of streams to %s before it could have offered any (%s)", domain,
				phrase.Quote(refused.Text, maxRecord)),
			Fix: "It has to offer STARTTLS in its stream features: see its settings for encryption between servers",
		}
	}
	return judgeRefusedStream(domain, refused)
}

func judgeCertificate(t InboundTarget, domain string, leaf *x509.Certificate, now time.Time) (Result, bool) {
	fix := fmt.Sprintf("Have a certificate issued with the DNS names %s and put it in the Secret of spec.tls.secretRef; if "+
		"it is there, the server has not taken it up: see its log", phrase.List(t.Domains, maxRecords))
	const layout = "2006-01-02 15:04 UTC"
	switch {
	case now.After(leaf.NotAfter):
		return Result{
			ID: Certificate, Mark: Fail, Reason: v1alpha1.ReasonCertificateExpired, Fix: fix,
			Words: fmt.Sprintf("the certificate served for %s expired at %s", domain, leaf.NotAfter.UTC().Format(layout)),
		}, false
	case now.Before(leaf.NotBefore):
		early := Result{
			ID: Certificate, Mark: Fail, Reason: v1alpha1.ReasonCertificateExpired, Fix: fix,
			Words: fmt.Sprintf("the certificate served for %s is valid from %s only", domain, leaf.NotBefore.UTC().Format(layout)),
		}
		if leaf.NotBefore.Sub(now) < maxEarly {
			early.ID = Clock
			early.Fix = "Set the clocks by NTP: that of whoever issued it, or the one here, is wrong"
		}
		return early, false
	case !pki.Covers(leaf, domain):
		return Result{
			ID: Certificate, Mark: Fail, Reason: v1alpha1.ReasonCertificateNameMismatch, Fix: fix,
			Words: fmt.Sprintf("the certificate served for %s does not name it, but %s%s", domain, namesOf(leaf),
				misnamed(leaf, domain)),
		}, false
	}
	return Result{}, true
}

func namesOf(leaf *x509.Certificate) string {
	if len(leaf.DNSNames) == 0 {
		return "no DNS name at all"
	}
	names := make([]string, 0, maxRecords)
	for _, name := range leaf.DNSNames {
		names = append(names, phrase.Quote(name, maxRecord))
	}
	return phrase.List(names, maxRecords)
}

// explain says what an error means in words that stay the same from try to try: no ports, addresses or durations. An
// end of the connection is one whether the peer closes or resets it, which is a matter of chance.
func explain(err error) string {
	var (
		protocol *xmpp.ProtocolError
		refused  *xmpp.TLSRefusedError
		record   tls.RecordHeaderError
		op       *net.OpError
		number   syscall.Errno
		conn     *xmpp.ConnectionError
	)
	switch {
	case errors.As(err, &protocol):
		return phrase.Clean(protocol.Detail, maxRecord)
	case errors.As(err, &refused):
		return "the peer offers it and then refuses"
	case isTimeout(err) && errors.As(err, &conn):
		return "no " + conn.Stage.String() + " in time"
	case isTimeout(err):
		return "no answer in time"
	case isClosed(err):
		return "the peer closes the connection"
	case errors.As(err, &record):
		return "the peer does not speak TLS"
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &op):
		return phrase.Clean(op.Err.Error(), maxRecord)
	case errors.As(err, &conn):
		return phrase.Clean(conn.Err.Error(), maxRecord)
	}
	return phrase.Clean(err.Error(), maxRecord)
}

func isStreamError(err error) bool {
	var refused *xmpp.StreamError
	return errors.As(err, &refused)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED)
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

func isUnroutable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}
