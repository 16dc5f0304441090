// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestIssuedCertificateSatisfiesStrictPartners(t *testing.T) {
	caPEM, caKey, err := NewCA("xmppfed chat/cup", now)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"cupdomain.com", "conference.cupdomain.com"}
	certPEM, keyPEM, err := Issue(caPEM, caKey, names, now)
	if err != nil {
		t.Fatal(err)
	}
	if v := Judge(certPEM, keyPEM, names, now); v.Status != metav1.ConditionTrue {
		t.Fatalf("judged %+v", v)
	}
	leaf, err := parseLeaf(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		t.Fatal("the CA certificate is unusable as a root")
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		for _, name := range names {
			options := x509.VerifyOptions{
				DNSName: name, Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
			}
			if _, err := leaf.Verify(options); err != nil {
				t.Errorf("verifying %s for usage %v: %v", name, usage, err)
			}
		}
	}
	if leaf.IsCA || leaf.NotAfter.Sub(now) != 90*24*time.Hour || !leaf.NotBefore.Before(now) {
		t.Errorf("CA %v, valid from %s to %s", leaf.IsCA, leaf.NotBefore, leaf.NotAfter)
	}
}

// A clock that was a year ahead made the CA.
func TestARenewedCAIsValidTodayAndSignedWhatItSignedBefore(t *testing.T) {
	aheadPEM, key, err := NewCA("xmppfed chat/cup", now.Add(365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := Issue(aheadPEM, key, []string{"a.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := RenewCA(aheadPEM, key, now)
	if err != nil {
		t.Fatal(err)
	}
	if !NotYetValid(aheadPEM, now) || NotYetValid(renewed, now) {
		t.Errorf("not yet valid are the first: %t, the renewed: %t", NotYetValid(aheadPEM, now), NotYetValid(renewed, now))
	}
	if !IssuedBy(leaf, renewed) {
		t.Error("what the CA signed before is not signed by it any more")
	}
	if _, err := RenewCA(aheadPEM, []byte("no key"), now); err == nil {
		t.Error("a CA was renewed without its key")
	}
}

func TestIssueRefuses(t *testing.T) {
	caPEM, caKey, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	leafPEM, leafKey, err := Issue(caPEM, caKey, []string{"a.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cert, key []byte
		names     []string
		at        time.Time
	}{
		"no names":               {caPEM, caKey, nil, now},
		"another CA's key":       {caPEM, otherKey, []string{"a.example"}, now},
		"a leaf as CA":           {leafPEM, leafKey, []string{"a.example"}, now},
		"an expired CA":          {caPEM, caKey, []string{"a.example"}, now.AddDate(11, 0, 0)},
		"no CA":                  {nil, nil, []string{"a.example"}, now},
		"a certificate as a key": {caPEM, caPEM, []string{"a.example"}, now},
	} {
		t.Run(name, func(t *testing.T) {
			if cert, key, err := Issue(tc.cert, tc.key, tc.names, tc.at); err == nil || cert != nil || key != nil {
				t.Errorf("got error %v and a certificate: %v", err, cert != nil)
			}
		})
	}
}

func TestLeafNeverOutlivesItsCA(t *testing.T) {
	caPEM, caKey, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := parseLeaf(caPEM)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, _, err := Issue(caPEM, caKey, []string{"a.example"}, ca.NotAfter.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := parseLeaf(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	if !leaf.NotAfter.Equal(ca.NotAfter) {
		t.Errorf("leaf ends %s, CA %s", leaf.NotAfter, ca.NotAfter)
	}
}

func TestNeedsRenewal(t *testing.T) {
	caPEM, caKey, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"cupdomain.com", "conference.cupdomain.com"}
	certPEM, _, err := Issue(caPEM, caKey, names, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cert  []byte
		names []string
		at    time.Time
		want  bool
	}{
		"fresh":                              {certPEM, names, now, false},
		"names in another order":             {certPEM, []string{names[1], names[0]}, now, false},
		"just before two thirds of its life": {certPEM, names, now.Add(59 * 24 * time.Hour), false},
		"past two thirds of its life":        {certPEM, names, now.Add(61 * 24 * time.Hour), true},
		"a name more is wanted":              {certPEM, append([]string{"x.example"}, names...), now, true},
		"a name less is wanted":              {certPEM, names[:1], now, true},
		"issued by a clock far ahead":        {certPEM, names, now.Add(-time.Hour), true},
		"none yet":                           {nil, names, now, true},
		"the CA itself, fresh":               {caPEM, nil, now, false},
		"the CA itself, after seven years":   {caPEM, nil, now.AddDate(7, 0, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NeedsRenewal(tc.cert, tc.names, tc.at); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestIssuedByKnowsItsCA(t *testing.T) {
	caPEM, caKey, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	// Of the same name, so that only the signature tells them apart.
	otherPEM, _, err := NewCA("CA", now)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, _, err := Issue(caPEM, caKey, []string{"a.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cert, ca []byte
		want     bool
	}{
		"its own CA":     {certPEM, caPEM, true},
		"another CA":     {certPEM, otherPEM, false},
		"no certificate": {nil, caPEM, false},
		"no CA":          {certPEM, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IssuedBy(tc.cert, tc.ca); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRenewKeepsTheKey(t *testing.T) {
	now := time.Now()
	caCert, caKey, err := NewCA("Test CA", now)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := Issue(caCert, caKey, []string{"cupdomain.com"}, now)
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := Renew(caCert, caKey, cert, key, []string{"cupdomain.com", "cup.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if NeedsRenewal(renewed, []string{"cup.example", "cupdomain.com"}, now) || !IssuedBy(renewed, caCert) {
		t.Error("it is not what was asked for")
	}
	if _, err := tls.X509KeyPair(renewed, key); err != nil {
		t.Errorf("it is for another key: %v", err)
	}
	if _, err := Renew(caCert, caKey, nil, nil, []string{"cupdomain.com"}, now); err == nil {
		t.Error("nothing was renewed")
	}
}
