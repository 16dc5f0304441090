// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// CA is a certificate authority for one test.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// PEM is the authority's certificate.
	PEM []byte
}

// NewCA makes an authority that nobody trusts yet.
func NewCA(t testing.TB) *CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test authority " + rand.Text()},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &CA{cert: cert, key: key, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// Issue returns the PEM of a certificate for names, and of its key.
func (ca *CA) Issue(t testing.TB, serial int64, names ...string) (cert, key []byte) {
	t.Helper()
	return ca.issue(t, serial, time.Now().Add(12*time.Hour), names)
}

// issue signs with the authority, or, when there is none, with the certificate's own key.
func (ca *CA) issue(t testing.TB, serial int64, notAfter time.Time, names []string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	issuer, issuerKey := template, private
	if ca != nil {
		issuer, issuerKey = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &private.PublicKey, issuerKey)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// ExpiredKeyPair returns a certificate for names that has expired a minute ago.
func (ca *CA) ExpiredKeyPair(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return keyPair(t, ca, time.Now().Add(-time.Minute), names)
}

// SelfSignedKeyPair returns a certificate for names that no authority has issued.
func SelfSignedKeyPair(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return keyPair(t, nil, time.Now().Add(12*time.Hour), names)
}

// KeyPair returns a certificate for names for use in a handshake.
func (ca *CA) KeyPair(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return keyPair(t, ca, time.Now().Add(12*time.Hour), names)
}

func keyPair(t testing.TB, ca *CA, notAfter time.Time, names []string) tls.Certificate {
	t.Helper()
	cert, key := ca.issue(t, 77, notAfter, names)
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	return pair
}
