// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 90 * 24 * time.Hour
	// backdate keeps a fresh certificate valid for partners whose clocks are somewhat late.
	backdate = 5 * time.Minute

	organization = "xmppfed"
	pemKey       = "PRIVATE KEY"
)

// NewCA makes a CA of ten years that can issue leaves only: its certificate and key in PEM form.
func NewCA(commonName string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := templateOfCA(pkix.Name{Organization: []string{organization}, CommonName: commonName}, now)
	certPEM, err = sign(template, template, key.Public(), key)
	return certPEM, keyPEM, err
}

// RenewCA makes another certificate of ten years for a CA that has one, with the same name and key: what it signed goes on being
// signed by it.
func RenewCA(certPEM, keyPEM []byte, now time.Time) ([]byte, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the CA to renew: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("reading the CA to renew: the key can't sign")
	}
	template := templateOfCA(pair.Leaf.Subject, now)
	return sign(template, template, signer.Public(), signer)
}

// NotYetValid reports whether a certificate begins later than now, because a clock that was ahead made it.
func NotYetValid(certPEM []byte, now time.Time) bool {
	cert, err := parseLeaf(certPEM)
	return err == nil && now.Before(cert.NotBefore)
}

func templateOfCA(subject pkix.Name, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               subject,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

// Issue makes a certificate of 90 days for the DNS names, signed by the CA, for both ends of a server-to-server stream
// (RFC 6120 section 13.7.1): the certificate and its new key in PEM form.
func Issue(caCertPEM, caKeyPEM []byte, names []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if certPEM, err = issueFor(key.Public(), caCertPEM, caKeyPEM, names, now); err != nil {
		return nil, nil, err
	}
	return certPEM, keyPEM, nil
}

// Renew is Issue for a key that there is already.
func Renew(caCertPEM, caKeyPEM, certPEM, keyPEM []byte, names []string, now time.Time) ([]byte, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the key pair to renew: %w", err)
	}
	return issueFor(pair.Leaf.PublicKey, caCertPEM, caKeyPEM, names, now)
}

func issueFor(public crypto.PublicKey, caCertPEM, caKeyPEM []byte, names []string, now time.Time) ([]byte, error) {
	if len(names) == 0 {
		return nil, errors.New("issuing certificate: no names given")
	}
	ca, err := tls.X509KeyPair(caCertPEM, caKeyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading CA: %w", err)
	}
	if !ca.Leaf.IsCA || now.After(ca.Leaf.NotAfter) {
		return nil, errors.New("reading CA: the certificate is not a CA's, or expired")
	}
	signer, ok := ca.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("reading CA: the key can't sign")
	}
	notAfter := now.Add(leafLifetime)
	if notAfter.After(ca.Leaf.NotAfter) {
		notAfter = ca.Leaf.NotAfter
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{organization}},
		DNSNames:              names,
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	return sign(template, ca.Leaf, public, signer)
}

// NeedsRenewal tells whether the certificate has to be issued anew: it can't be read, its names are not exactly names
// (in any order), or two thirds of its life have passed. It serves for the CA's certificate too, which has no names.
func NeedsRenewal(certPEM []byte, names []string, now time.Time) bool {
	cert, err := parseLeaf(certPEM)
	if err != nil {
		return true
	}
	if !slices.Equal(sortedSet(cert.DNSNames), sortedSet(names)) {
		return true
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.Before(cert.NotBefore) || now.After(cert.NotBefore.Add(life/3*2))
}

// IssuedBy tells whether the CA signed the certificate.
func IssuedBy(certPEM, caCertPEM []byte) bool {
	cert, err := parseLeaf(certPEM)
	if err != nil {
		return false
	}
	ca, err := parseLeaf(caCertPEM)
	return err == nil && cert.CheckSignatureFrom(ca) == nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding key: %w", err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	// 127 random bits: positive, and within the 20 octets of RFC 5280 section 4.1.2.2.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}), nil
}

func sortedSet(names []string) []string {
	set := make([]string, len(names))
	for i, name := range names {
		set[i] = canonical(name)
	}
	slices.Sort(set)
	return slices.Compact(set)
}
