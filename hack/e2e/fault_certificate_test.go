// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/internal/check"
)

func certificateFaults() []oneFault {
	const day = 24 * time.Hour
	names := []string{faulty, "*." + faulty}
	served := func(name string, want check.ID, spec faults.CertificateSpec) oneFault {
		f := oneFault{name: "certificate " + name, inject: spec.Serve("faulty"), want: want, side: faultyAddress + ":5269", tls: true}
		if want == check.GroupChat {
			f.side = "conference." + faulty
		}
		return f
	}
	weak := func(f oneFault) oneFault {
		f.inject = faults.All(faults.Switch("faulty", "weak-keys"), f.inject)
		return f
	}
	return []oneFault{
		served("expired", check.Certificate, faults.CertificateSpec{Names: names, NotBefore: -90 * day, NotAfter: -time.Hour}),
		served("self-signed", check.Certificate, faults.CertificateSpec{Names: names, Issuer: faults.Itself}),
		served("of the host only", check.Certificate, faults.CertificateSpec{Names: []string{faultyHost}}),
		served("without intermediate", check.Certificate, faults.CertificateSpec{Names: names, Issuer: faults.Intermediate}),
		served("of a private CA", check.Certificate, faults.CertificateSpec{Names: names, Issuer: faults.PrivateCA}),
		served("with a common name only", check.Certificate, faults.CertificateSpec{CommonName: faulty}),
		served("for clients only", check.Certificate, faults.CertificateSpec{Names: names, ClientOnly: true}),
		served("without the group chat domain", check.GroupChat, faults.CertificateSpec{Names: []string{faulty}}),
		served("with 10 days left", check.Expiry, faults.CertificateSpec{Names: names, NotAfter: 10 * day}),
		served("not valid for 2 hours yet: clock wrong", check.Clock, faults.CertificateSpec{Names: names, NotBefore: 2 * time.Hour}),
		weak(served("with an RSA key of 1024 bits", check.Certificate, faults.CertificateSpec{Names: names, RSA: 1024})),
		weak(served("signed with SHA-1", check.Certificate, faults.CertificateSpec{Names: names, SHA1: true})),
	}
}

// publishedFaults are about what a domain may publish beside its service record, and then has to keep up to date.
func publishedFaults(s *site) []oneFault {
	old := sha256.Sum256([]byte("the certificate before"))
	return []oneFault{
		{
			name:   "TLSA of the certificate before",
			inject: set("_5269._tcp."+faultyHost+" TLSA", "3 1 1 "+hex.EncodeToString(old[:])), want: check.DANE,
		},
		{
			name: "POSH file of the certificate before", want: check.POSH,
			inject: faults.All(set(faulty+" A", "198.51.100.10"), servePOSH(s, base64.StdEncoding.EncodeToString(old[:]))),
		},
	}
}

// servePOSH is the web server of faulty.example (RFC 7711 section 3).
func servePOSH(s *site, fingerprint string) faults.Injection {
	return func(context.Context) (faults.Undo, error) {
		certificate, key, err := faults.CertificateSpec{Names: []string{faulty}}.Issue()
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("reading the web server's certificate: %w", err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/.well-known/posh/xmpp-server.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"fingerprints": [{"sha-256": %q}], "expires": 86400}`, fingerprint)
		})
		listener, err := tls.Listen("tcp", "198.51.100.10:443", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		if err != nil {
			return nil, fmt.Errorf("listening as a web server: %w", err)
		}
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				s.Error(err)
			}
		}()
		return func(ctx context.Context) error { return server.Shutdown(ctx) }, nil
	}
}
