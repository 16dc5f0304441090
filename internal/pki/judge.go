// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	// maxNames is how many names of a certificate a status lists.
	maxNames = 256
	// maxListed is how many names a message lists.
	maxListed = 8
	// maxDetail is how many bytes of an error's or certificate's own text a message or status carries.
	maxDetail = 200
)

// Verdict is what the condition CertificateReady says of a key pair.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
	// Certificate is nil when no certificate can be read.
	Certificate *v1alpha1.CertificateStatus
}

// Judge tells whether the key pair in PEM form (certificate chain, leaf first, and its key) can serve all names now.
func Judge(certPEM, keyPEM []byte, names []string, now time.Time) Verdict {
	leaf, err := parseLeaf(certPEM)
	if err != nil {
		return failed(v1alpha1.ReasonKeyPairInvalid, nil,
			"tls.crt can't be read (%s); put the certificate chain in PEM form there, the server's own certificate first",
			detail(err))
	}
	status := describe(leaf)
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return failed(v1alpha1.ReasonKeyPairInvalid, status,
			"tls.crt and tls.key can't be used together (%s); put the unencrypted key in PEM form in tls.key, and the "+
				"certificate made for it first in tls.crt", detail(err))
	}
	needed := phrase.List(names, maxListed)
	missing := Missing(leaf, names)
	switch {
	case now.After(leaf.NotAfter):
		return failed(v1alpha1.ReasonExpired, status,
			"the certificate expired at %s; renew it at its issuer, with the DNS names %s", date(leaf.NotAfter), needed)
	case now.Before(leaf.NotBefore):
		return failed(v1alpha1.ReasonNotYetValid, status,
			"the certificate is valid from %s only; put one in place that is valid now, or correct the clocks of the nodes",
			date(leaf.NotBefore))
	case len(missing) > 0:
		return failed(v1alpha1.ReasonNameMismatch, status,
			"the certificate does not name %s, so partners will refuse it; have it issued with the DNS names %s (as "+
				"dNSName: a common name or XmppAddr is not enough)", phrase.List(missing, maxListed), needed)
	}
	return Verdict{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid, Certificate: status,
		Message: phrase.Message(fmt.Sprintf("the certificate names %s and is valid until %s", needed, date(leaf.NotAfter))),
	}
}

// ByOwnCA is v when the certificate comes from the operator's own CA: still true, but it says what that is worth.
func ByOwnCA(v Verdict) Verdict {
	if v.Status != metav1.ConditionTrue {
		return v
	}
	v.Reason = v1alpha1.ReasonSelfSigned
	v.Message = phrase.Message(v.Message + "; it comes from the operator's own CA, which partners don't trust unless told " +
		"to: name a Secret with a certificate of a public CA in spec.tls.secretRef")
	return v
}

func describe(cert *x509.Certificate) *v1alpha1.CertificateStatus {
	names := make([]string, 0, min(len(cert.DNSNames), maxNames))
	for _, name := range cert.DNSNames[:min(len(cert.DNSNames), maxNames)] {
		names = append(names, phrase.Clean(name, maxDetail))
	}
	return &v1alpha1.CertificateStatus{
		Issuer:   phrase.Clean(cert.Issuer.String(), maxDetail),
		NotAfter: metav1.NewTime(cert.NotAfter),
		Serial:   phrase.Clean(Serial(cert), maxDetail),
		Names:    names,
	}
}

func failed(reason string, status *v1alpha1.CertificateStatus, format string, args ...any) Verdict {
	return Verdict{
		Status: metav1.ConditionFalse, Reason: reason, Certificate: status,
		Message: phrase.Message(fmt.Sprintf(format, args...)),
	}
}

// detail is the text of an error of the standard library without its package prefix.
func detail(err error) string {
	text := err.Error()
	for _, prefix := range []string{"tls: ", "x509: ", "failed to "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return phrase.Clean(text, maxDetail)
}

func date(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
