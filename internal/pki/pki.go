// SPDX-License-Identifier: Apache-2.0

// Package pki judges the key pair that a server is given, reads trusted CAs, and runs the operator's own small CA. It
// does no I/O and takes the time as a parameter.
package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const pemCertificate = "CERTIFICATE"

// Covers tells whether cert names the XMPP domain the way every federating server accepts: by a dNSName, whose wildcard
// stands for exactly one left-most label (RFC 6125 section 6.4.3, RFC 9525 section 6.3). The common name does not count
// (RFC 9525 section 2), nor does an XmppAddr: Prosody never matches it.
func Covers(cert *x509.Certificate, domain string) bool {
	domain = canonical(domain)
	_, parent, _ := strings.Cut(domain, ".")
	for _, name := range cert.DNSNames {
		name = canonical(name)
		if name == domain {
			return true
		}
		if rest, wildcard := strings.CutPrefix(name, "*."); wildcard && parent != "" && rest == parent {
			return true
		}
	}
	return false
}

// Missing are those of domains that cert does not name, in their order.
func Missing(cert *x509.Certificate, domains []string) []string {
	var missing []string
	for _, domain := range domains {
		if !Covers(cert, domain) {
			missing = append(missing, domain)
		}
	}
	return missing
}

// Serial is the serial number of cert as statuses write it: hexadecimal, without separators.
func Serial(cert *x509.Certificate) string {
	return cert.SerialNumber.Text(16)
}

// ParseCAs counts the certificates in PEM form of which each can serve as a trust anchor: a CA's, or one that is its own
// issuer. Text around the PEM blocks is allowed, as CA bundles have it.
func ParseCAs(data []byte) (int, error) {
	begun := bytes.Count(data, []byte("-----BEGIN "))
	n := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		n++
		if block.Type != pemCertificate {
			return 0, fmt.Errorf("PEM block %d is of type %s, not %s", n, phrase.Quote(block.Type, 40), pemCertificate)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return 0, fmt.Errorf("parsing certificate %d: %w", n, err)
		}
		if !cert.IsCA && !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			return 0, fmt.Errorf("certificate %d, %s, is not a CA's", n, phrase.Quote(cert.Subject.String(), 100))
		}
	}
	switch {
	case begun == 0:
		return 0, errors.New("no certificate in PEM form")
	case n != begun:
		return 0, fmt.Errorf("%d of %d PEM blocks are damaged", begun-n, begun)
	}
	return n, nil
}

// parseLeaf reads the first certificate in PEM form: the one that a server presents as its own.
func parseLeaf(data []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == pemCertificate {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("no certificate in PEM form")
}

// canonical is the form in which DNS names are compared.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
