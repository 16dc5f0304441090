// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Issuer is who signs a certificate.
type Issuer int

// Issuers.
const (
	// PublicCA is the lab's CA, which everybody trusts.
	PublicCA Issuer = iota
	// Itself makes a self-signed certificate.
	Itself
	// PrivateCA is one that nobody trusts.
	PrivateCA
	// Intermediate is a CA below the public one; its own certificate is left out of what is served.
	Intermediate
)

// CertificateSpec says what is wrong with a certificate; the zero value, with names, is a good one.
type CertificateSpec struct {
	Names []string
	// CommonName alone, without Names, is what certificates looked like long ago.
	CommonName string
	Issuer     Issuer
	// NotBefore and NotAfter are relative to now; zero: since yesterday, for 90 days.
	NotBefore, NotAfter time.Duration
	// RSA is the length of an RSA key; zero: elliptic curve.
	RSA  int
	SHA1 bool
	// ClientOnly has it serve to prove clients, not servers.
	ClientOnly bool
}

// Issue makes the certificate, with what is served beside it, and its key, all in PEM.
func (s CertificateSpec) Issue() (certificate, key []byte, err error) {
	signer, err := s.newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	template := s.template(time.Now())
	parent, parentKey := template, signer
	if s.Issuer != Itself {
		if parent, parentKey, err = s.parent(); err != nil {
			return nil, nil, err
		}
	}
	if s.SHA1 {
		template.SignatureAlgorithm = x509.ECDSAWithSHA1
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, signer.Public(), parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

func (s CertificateSpec) newKey() (crypto.Signer, error) {
	if s.RSA > 0 {
		return rsa.GenerateKey(rand.Reader, s.RSA)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (s CertificateSpec) template(now time.Time) *x509.Certificate {
	name := s.CommonName
	if name == "" {
		name = s.Names[0]
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     s.Names,
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},

		BasicConstraintsValid: true,
	}
	if s.NotBefore != 0 {
		t.NotBefore = now.Add(s.NotBefore)
	}
	if s.NotAfter != 0 {
		t.NotAfter = now.Add(s.NotAfter)
	}
	if s.ClientOnly {
		t.ExtKeyUsage = t.ExtKeyUsage[1:]
	}
	return t
}

// parent is the CA that signs: the lab's, or one made for this certificate.
func (s CertificateSpec) parent() (*x509.Certificate, crypto.Signer, error) {
	public, err := tls.LoadX509KeyPair(lab.CA, lab.Dir+"/pki/ca.key")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the lab's CA: %w", err)
	}
	signer, ok := public.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New("reading the lab's CA: its key can't sign")
	}
	if s.Issuer == PublicCA {
		return public.Leaf, signer, nil
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	template := CertificateSpec{CommonName: "CA below the public one"}.template(time.Now())
	template.IsCA, template.KeyUsage, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	above, aboveKey := public.Leaf, signer
	if s.Issuer == PrivateCA {
		template.Subject.CommonName = "CA of nobody's trust"
		above, aboveKey = template, crypto.Signer(own)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, own.Public(), aboveKey)
	if err != nil {
		return nil, nil, fmt.Errorf("making a CA: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	return ca, own, err
}

// Serve has a partner show the certificate to other servers.
func (s CertificateSpec) Serve(partner string) Injection {
	return func(ctx context.Context) (Undo, error) {
		certificate, key, err := s.Issue()
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(lab.Dir, "partners", partner, "lab/s2s")
		before := map[string][]byte{}
		for file, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
			path := filepath.Join(dir, file)
			if before[path], err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("reading what %s shows now: %w", partner, err)
			}
			// In place, so that it stays readable to who reads it now.
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return nil, fmt.Errorf("giving %s another certificate: %w", partner, err)
			}
		}
		restart := func(ctx context.Context) error {
			_, err := lab.Run(ctx, "partner", "restart", partner)
			return err
		}
		return func(ctx context.Context) error {
			for path, content := range before {
				if err := os.WriteFile(path, bytes.Clone(content), 0o600); err != nil {
					return fmt.Errorf("giving %s its certificate back: %w", partner, err)
				}
			}
			return restart(ctx)
		}, restart(ctx)
	}
}
