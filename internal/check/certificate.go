// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	// renewalWindow is how long before its end a certificate has to have been renewed: two thirds of the life of the
	// shortest that public CAs issue for 90 days, and time for an administrator to act.
	renewalWindow = 21 * 24 * time.Hour
	// minRSA is the least size of RSA keys in bits (NIST SP 800-131A).
	minRSA = 2048
)

// judgeChain judges a certificate that names the domain and whose dates fit (see judgeCertificate): whether others can
// follow its chain, whether its key and signatures are strong enough, and what it may be used for.
func (s Subject) judgeChain(pr probe, now time.Time) []Result {
	chain, subject := pr.state.PeerCertificates, pr.address.String()
	r := s.judgeCertificates(chain, now)
	r.Subject, r.Evidence = subject, describe(chain)
	return []Result{r, s.judgeExpiry(subject, chain[0], now)}
}

// judgeExpiry tells of the end before it comes.
func (s Subject) judgeExpiry(subject string, leaf *x509.Certificate, now time.Time) Result {
	left := leaf.NotAfter.Sub(now)
	words := fmt.Sprintf("the certificate ends on %s, in %s", leaf.NotAfter.UTC().Format(time.DateOnly), count(int(left.Hours()/24), "day"))
	r := passed(Expiry, subject, words)
	if left < renewalWindow {
		r.Mark, r.Fix = Warn, s.remedy("renew the certificate now, and see why that has not happened by itself")
	}
	return r
}

// judgeCertificates judges the chain of a certificate.
func (s Subject) judgeCertificates(chain []*x509.Certificate, now time.Time) Result {
	leaf := chain[0]
	r := passed(Certificate, "", "it names "+s.Domain+", and a CA that is trusted here vouches for it")
	warn := func(words, order string) {
		if r.Mark != Fail {
			r.Mark, r.Words, r.Fix = Warn, words, s.remedy(order)
		}
	}
	if weak, ok := weaknessOf(chain); ok {
		r.Mark, r.Words, r.Reason = Fail, weak, v1alpha1.ReasonTLSFailed
		r.Fix = s.remedy("have the certificate issued anew with an ECDSA P-256 or RSA 2048 key and SHA-256")
		return r
	}
	switch usage := leaf.ExtKeyUsage; {
	case len(usage) == 0 && len(leaf.UnknownExtKeyUsage) == 0, slices.Contains(usage, x509.ExtKeyUsageAny):
	case !slices.Contains(usage, x509.ExtKeyUsageServerAuth):
		r.Mark, r.Words = Fail, "it may not be used by servers (extended key usage without serverAuth)"
		r.Fix = s.remedy("have a certificate issued with the extended key usages serverAuth and clientAuth")
		return r
	case !slices.Contains(usage, x509.ExtKeyUsageClientAuth):
		r.Words += "; it lacks the usage clientAuth, so ejabberd before 25.07 takes it for no proof in the other direction and " +
			"falls back to dialback"
	}
	if err := s.verify(chain, now); err != nil {
		words, order := s.untrusted(chain, err)
		if warn(words, order); !s.OwnCA && !s.trustsDNS() {
			r.Mark = Fail
			if s.Partner != "" {
				r.Reason = v1alpha1.ReasonPeerCertificateInvalid
			}
		}
	}
	return r
}

// verify follows the chain to a trusted CA. Purposes are judged apart, for engines differ in them.
func (s Subject) verify(chain []*x509.Certificate, now time.Time) error {
	options := x509.VerifyOptions{
		Roots: s.Roots, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, cert := range chain[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(options)
	return err
}

// untrusted says why a chain leads nowhere, and what to do.
func (s Subject) untrusted(chain []*x509.Certificate, err error) (words, order string) {
	leaf, last := chain[0], chain[len(chain)-1]
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case leaf.CheckSignatureFrom(leaf) == nil || len(chain) == 1 && string(leaf.RawIssuer) == string(leaf.RawSubject):
		return "it is self-signed, so nobody vouches for it",
			"have a certificate issued by a public CA; partners that can't wait may use dialback"
	case s.OwnCA:
		return "it is issued by the Federation's own CA, which strangers don't trust; they fall back to dialback, or refuse",
			"name a certificate of a public CA in spec.tls, or give partners the CA of the Secret that status.certificate names"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "a certificate in its chain has expired: " + nameOf(invalid.Cert), "serve the chain that the CA has now"
	case errors.As(err, &unknown):
		words = "its chain leads to a CA that is not trusted here: " + nameOf(last)
		order = "use a certificate of a public CA; a CA of your own has to be named with --ca, and added by every partner"
		if string(last.RawIssuer) != string(last.RawSubject) {
			words = "its chain is not complete, or leads to a CA that is not trusted here: the certificate of the issuer " +
				issuerOf(last) + " is not served"
			order = "serve the full chain, intermediate certificates included; else " + order
		}
		return words, order
	}
	return "its chain is not valid (" + phrase.Clean(err.Error(), maxRecord) + ")", "have the certificate issued anew"
}

// broken are the signatures that can be forged.
var broken = []x509.SignatureAlgorithm{
	x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA,
}

// weaknessOf is what is too weak in a chain: keys and hashes that crypto libraries refuse at their usual level.
func weaknessOf(chain []*x509.Certificate) (string, bool) {
	for i, cert := range chain {
		which := "its key"
		if i > 0 {
			which = "the key of its issuer " + nameOf(cert)
		}
		switch key := cert.PublicKey.(type) {
		case *rsa.PublicKey:
			if key.N.BitLen() < minRSA {
				return fmt.Sprintf("%s has %d bits only, which OpenSSL refuses by default", which, key.N.BitLen()), true
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default:
			return which + " is of a kind that few servers support", true
		}
		selfSigned := string(cert.RawIssuer) == string(cert.RawSubject) // whose signature nobody looks at
		if slices.Contains(broken, cert.SignatureAlgorithm) && !selfSigned {
			return fmt.Sprintf("a signature in its chain is %s, which has been broken", cert.SignatureAlgorithm), true
		}
	}
	return "", false
}

// Names of other kinds than DNS names that a certificate may carry for an XMPP domain.
var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5} // RFC 6120 section 13.7.1.4
	oidSRVName        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7} // RFC 4985
)

// otherNames are the XMPP addresses and service names that a certificate carries.
func otherNames(cert *x509.Certificate) (addresses, services []string) {
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if _, err := asn1.Unmarshal(extension.Value, &names); err != nil {
			return nil, nil
		}
		for _, name := range names {
			const otherName = 0 // its tag (RFC 5280 section 4.2.1.6)
			if name.Class != asn1.ClassContextSpecific || name.Tag != otherName {
				continue
			}
			var id asn1.ObjectIdentifier
			var wrapped, value asn1.RawValue
			rest, err := asn1.Unmarshal(name.Bytes, &id)
			if err == nil {
				_, err = asn1.Unmarshal(rest, &wrapped)
			}
			if err == nil {
				_, err = asn1.Unmarshal(wrapped.Bytes, &value)
			}
			switch {
			case err != nil:
			case id.Equal(oidXMPPAddr):
				addresses = append(addresses, string(value.Bytes))
			case id.Equal(oidSRVName):
				services = append(services, string(value.Bytes))
			}
		}
	}
	return addresses, services
}

// misnamed explains a certificate that does not name the domain by a DNS name, where it does in a way that some engines
// know: an XMPP address (ejabberd alone), a service name (Prosody alone), a common name (old servers alone).
func misnamed(leaf *x509.Certificate, domain string) string {
	addresses, services := otherNames(leaf)
	switch {
	case slices.Contains(addresses, domain):
		return " (it does as an XMPP address, which Prosody does not accept)"
	case slices.Contains(services, "_xmpp-server."+domain):
		return " (it does as a service name, which ejabberd does not accept)"
	case canonical(leaf.Subject.CommonName) == domain:
		return " (it does as its common name, which RFC 9525 forbids to look at)"
	}
	return ""
}
