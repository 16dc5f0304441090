// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// pair is a self-signed key pair; change alters the certificate before it is signed.
func pair(t testing.TB, names []string, change func(*x509.Certificate)) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef),
		Subject:      pkix.Name{CommonName: "Test Root"},
		DNSNames:     names,
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestJudge(t *testing.T) {
	names := []string{"cupdomain.com", "conference.cupdomain.com"}
	good, goodKey := pair(t, names, nil)
	_, otherKey := pair(t, names, nil)
	nameless, namelessKey := pair(t, nil, func(c *x509.Certificate) { c.Subject.CommonName = "cupdomain.com" })
	wild, wildKey := pair(t, []string{"*.cupdomain.com"}, nil)
	expired, expiredKey := pair(t, names, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })
	future, futureKey := pair(t, names, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) })

	for name, tc := range map[string]struct {
		cert, key []byte
		reason    string
		message   []string
		noStatus  bool
	}{
		"a certificate that names every domain is valid": {
			cert: good, key: goodKey, reason: v1alpha1.ReasonValid,
			message: []string{"cupdomain.com, conference.cupdomain.com", "2026-11-23 12:00 UTC"},
		},
		"text before the certificate does no harm": {
			cert: append([]byte("subject=/CN=x\n"), good...), key: goodKey, reason: v1alpha1.ReasonValid,
		},
		"an empty certificate can't be read": {
			key: goodKey, reason: v1alpha1.ReasonKeyPairInvalid, message: []string{"tls.crt"}, noStatus: true,
		},
		"a damaged certificate can't be read": {
			cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30}}), key: goodKey,
			reason: v1alpha1.ReasonKeyPairInvalid, message: []string{"tls.crt"}, noStatus: true,
		},
		"a missing key is named": {
			cert: good, reason: v1alpha1.ReasonKeyPairInvalid, message: []string{"tls.key"},
		},
		"a key made for another certificate is refused": {
			cert: good, key: otherKey, reason: v1alpha1.ReasonKeyPairInvalid, message: []string{"does not match"},
		},
		"a common name is not enough": {
			cert: nameless, key: namelessKey, reason: v1alpha1.ReasonNameMismatch,
			message: []string{"does not name cupdomain.com, conference.cupdomain.com", "dNSName"},
		},
		"a wildcard does not name its own parent": {
			cert: wild, key: wildKey, reason: v1alpha1.ReasonNameMismatch,
			message: []string{"does not name cupdomain.com, so", "DNS names cupdomain.com, conference.cupdomain.com"},
		},
		"an expired certificate says since when": {
			cert: expired, key: expiredKey, reason: v1alpha1.ReasonExpired, message: []string{"2026-11-22 11:59 UTC"},
		},
		"a certificate of the future says from when": {
			cert: future, key: futureKey, reason: v1alpha1.ReasonNotYetValid, message: []string{"2026-11-22 13:00 UTC"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(tc.cert, tc.key, names, now)
			wantStatus := metav1.ConditionFalse
			if tc.reason == v1alpha1.ReasonValid {
				wantStatus = metav1.ConditionTrue
			}
			if got.Reason != tc.reason || got.Status != wantStatus {
				t.Fatalf("got %s %s (%s), want %s %s", got.Status, got.Reason, got.Message, wantStatus, tc.reason)
			}
			for _, part := range tc.message {
				if !strings.Contains(got.Message, part) {
					t.Errorf("message %q lacks %q", got.Message, part)
				}
			}
			if (got.Certificate == nil) != tc.noStatus {
				t.Errorf("certificate in the status: %+v", got.Certificate)
			}
		})
	}
}

func TestJudgeDescribesTheCertificate(t *testing.T) {
	cert, key := pair(t, []string{"cupdomain.com"}, nil)
	got := Judge(cert, key, []string{"cupdomain.com"}, now).Certificate
	if got == nil || got.Serial != "beef" || got.Issuer != "CN=Test Root" || len(got.Names) != 1 ||
		got.Names[0] != "cupdomain.com" || !got.NotAfter.Equal(&metav1.Time{Time: now.Add(24 * time.Hour)}) {
		t.Errorf("got %+v", got)
	}
}

func TestJudgeIsBoundedWithManyNames(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, strings.Repeat("x", 60)+string(rune('a'+i%26))+strings.Repeat(".y", i%7+1)+".example")
	}
	cert, key := pair(t, names, nil)
	got := Judge(cert, key, append(names, "missing.example"), now)
	if got.Reason != v1alpha1.ReasonNameMismatch || len(got.Message) > 1024 || len(got.Certificate.Names) != maxNames {
		t.Errorf("got %s, message of %d bytes, %d names", got.Reason, len(got.Message), len(got.Certificate.Names))
	}
}

func TestByOwnCATouchesOnlyValidVerdicts(t *testing.T) {
	valid := ByOwnCA(Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid, Message: "fine"})
	if valid.Reason != v1alpha1.ReasonSelfSigned || valid.Status != metav1.ConditionTrue ||
		!strings.Contains(valid.Message, "spec.tls.secretRef") {
		t.Errorf("got %+v", valid)
	}
	expired := Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonExpired, Message: "late"}
	if got := ByOwnCA(expired); got != expired {
		t.Errorf("got %+v, want it unchanged", got)
	}
}

func TestCovers(t *testing.T) {
	for name, tc := range map[string]struct {
		names  []string
		domain string
		want   bool
	}{
		"the name itself":                                {[]string{"cupdomain.com"}, "cupdomain.com", true},
		"case does not matter":                           {[]string{"CupDomain.COM"}, "cupdomain.com", true},
		"a wildcard covers one label":                    {[]string{"*.cupdomain.com"}, "conference.cupdomain.com", true},
		"a wildcard does not cover two labels":           {[]string{"*.cupdomain.com"}, "a.b.cupdomain.com", false},
		"a wildcard does not cover no label":             {[]string{"*.cupdomain.com"}, "cupdomain.com", false},
		"a wildcard in part of a label is no wildcard":   {[]string{"conf*.cupdomain.com"}, "conference.cupdomain.com", false},
		"a wildcard further right is no wildcard":        {[]string{"a.*.com"}, "a.cupdomain.com", false},
		"a bare wildcard covers nothing":                 {[]string{"*", "*."}, "localhost", false},
		"a parent does not cover its child":              {[]string{"cupdomain.com"}, "conference.cupdomain.com", false},
		"a name that merely ends alike does not cover":   {[]string{"evilcupdomain.com"}, "cupdomain.com", false},
		"no names cover nothing":                         {nil, "cupdomain.com", false},
		"one of several names is enough":                 {[]string{"x.example", "cupdomain.com"}, "cupdomain.com", true},
		"the name of the host is not that of the domain": {[]string{"cup1.cupdomain.com"}, "cupdomain.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Covers(&x509.Certificate{DNSNames: tc.names}, tc.domain); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestParseCAs(t *testing.T) {
	caPEM, caKey, err := NewCA("Test CA", now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, leafKey, err := Issue(caPEM, caKey, []string{"cupdomain.com"}, now)
	if err != nil {
		t.Fatal(err)
	}
	selfSigned, _ := pair(t, []string{"partner.example"}, nil)
	join := func(parts ...[]byte) []byte {
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, tc := range map[string]struct {
		in   []byte
		n    int
		fail string
	}{
		"one CA":                                   {in: caPEM, n: 1},
		"a bundle with comments between":           {in: join([]byte("# Test\n"), caPEM, []byte("\n# x\n"), selfSigned), n: 2},
		"nothing":                                  {fail: "no certificate"},
		"text without PEM":                         {in: []byte("hello"), fail: "no certificate"},
		"a server's certificate is no CA":          {in: leaf, fail: "certificate 1"},
		"a server's certificate behind a CA":       {in: join(caPEM, leaf), fail: "certificate 2"},
		"a private key must not be in a ConfigMap": {in: join(caPEM, leafKey), fail: `"PRIVATE KEY"`},
		"a damaged block is not overlooked":        {in: join(caPEM, []byte("-----BEGIN CERTIFICATE-----\n!\n")), fail: "1 of 2"},
		"a block that holds no certificate": {
			in: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), fail: "parsing certificate 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := ParseCAs(tc.in)
			if tc.fail == "" {
				if err != nil || n != tc.n {
					t.Errorf("got %d, %v, want %d", n, err, tc.n)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("got error %v, want one with %q", err, tc.fail)
			}
		})
	}
}

func FuzzJudge(f *testing.F) {
	cert, key := pair(f, []string{"cupdomain.com", "*.cupdomain.com"}, nil)
	f.Add(cert, key, "cupdomain.com")
	f.Add(key, cert, "")
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), key, "*.")
	f.Fuzz(func(t *testing.T, cert, key []byte, name string) {
		got := Judge(cert, key, []string{name}, now)
		if got.Reason == "" || got.Message == "" || len(got.Message) > 1024 {
			t.Errorf("got %+v", got)
		}
		if (got.Status == metav1.ConditionTrue) != (got.Reason == v1alpha1.ReasonValid) {
			t.Errorf("status %s with reason %s", got.Status, got.Reason)
		}
		if n, err := ParseCAs(cert); (n > 0) != (err == nil) {
			t.Errorf("ParseCAs: %d, %v", n, err)
		}
	})
}
