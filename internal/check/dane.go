// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Values of a TLSA record (RFC 7218).
const (
	usagePKIXTA, usagePKIXEE, usageDANETA, usageDANEEE = 0, 1, 2, 3
	selectorCertificate, selectorKey                   = 0, 1
	matchingFull, matchingSHA256, matchingSHA512       = 0, 1, 2
)

// examineDANE compares certificates with the TLSA records published for them (RFC 7673 section 3).
func (c *Checker) examineDANE(ctx context.Context, s Subject, sv survey, probes []probe, p patience) []Result {
	var names []string
	for _, pr := range probes {
		if name := tlsaName(pr.at); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	records := make(map[string][]TLSA, len(names))
	found := make([][]TLSA, len(names))
	each(len(names), func(i int) {
		found[i], _ = firstAnswer(ctx, s.Resolvers, p, func(ctx context.Context, resolver string) ([]TLSA, error) {
			return c.Resolver.LookupTLSA(ctx, resolver, names[i])
		})
	})
	published := 0
	for i, name := range names {
		records[name] = found[i]
		published += len(found[i])
	}
	if published == 0 {
		words := "no TLSA record is published, and the zone is not signed (DNSSEC)"
		if sv.signed {
			words = "no TLSA record is published; the zone is signed (DNSSEC)"
		}
		return []Result{skipped(DANE, "", words)}
	}
	var results []Result
	for _, pr := range probes {
		results = append(results, s.judgeTLSA(pr, records[tlsaName(pr.at)], sv.signed))
	}
	return results
}

func tlsaName(at endpoint) string {
	return fmt.Sprintf("_%d._tcp.%s", at.address.Port(), at.name)
}

// judgeTLSA judges what one server serves by the records for it.
func (s Subject) judgeTLSA(pr probe, records []TLSA, signed bool) Result {
	subject, name := pr.address.String(), tlsaName(pr.at)
	evidence := make([]string, len(records))
	for i, r := range records {
		evidence[i] = name + ". TLSA " + r.String()
	}
	switch chain := pr.state.PeerCertificates; {
	case len(records) == 0:
		return skipped(DANE, subject, "there is no TLSA record "+name)
	case len(chain) == 0:
		return skipped(DANE, subject, "no certificate could be seen there")
	case !slices.ContainsFunc(records, func(r TLSA) bool { return r.matches(chain) }):
		return Result{
			ID: DANE, Subject: subject, Mark: Fail, Evidence: evidence,
			Words: "no TLSA record matches the certificate served, so servers that look at them refuse it",
			Fix:   s.remedy(fmt.Sprintf("publish %q, and remove the records of old certificates", name+". TLSA "+pin(chain[0]).String())),
		}
	case !signed:
		return Result{
			ID: DANE, Subject: subject, Mark: Warn, Evidence: evidence,
			Words: "the TLSA record matches the certificate, but nobody heeds it, because the service record is not signed (DNSSEC)",
			Fix:   s.remedy("sign the zone, or remove the TLSA records"),
		}
	}
	return passed(DANE, subject, "the TLSA record matches the certificate served, and the zone is signed", evidence...)
}

// matches tells whether a chain satisfies the record (RFC 6698 section 2.1), as far as the chain shows: whether a public
// CA vouches for it as well, which usages 0 and 1 ask for, is the business of D20.
func (t TLSA) matches(chain []*x509.Certificate) bool {
	candidates := chain[:1]
	if t.Usage == usagePKIXTA || t.Usage == usageDANETA {
		candidates = chain[1:]
	} else if t.Usage != usagePKIXEE && t.Usage != usageDANEEE {
		return false
	}
	return slices.ContainsFunc(candidates, func(cert *x509.Certificate) bool {
		data, ok := t.dataOf(cert)
		return ok && strings.EqualFold(data, t.Data)
	})
}

// dataOf is what the record would hold for a certificate; false for kinds that are not known.
func (t TLSA) dataOf(cert *x509.Certificate) (string, bool) {
	content := cert.Raw
	switch t.Selector {
	case selectorCertificate:
	case selectorKey:
		content = cert.RawSubjectPublicKeyInfo
	default:
		return "", false
	}
	switch t.Matching {
	case matchingFull:
		return hex.EncodeToString(content), true
	case matchingSHA256:
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:]), true
	case matchingSHA512:
		sum := sha512.Sum512(content)
		return hex.EncodeToString(sum[:]), true
	}
	return "", false
}

// pin is the record to publish for a certificate: 3 1 1, the one that outlives its renewal with the same key (RFC 7671
// section 5.1).
func pin(leaf *x509.Certificate) TLSA {
	t := TLSA{Usage: usageDANEEE, Selector: selectorKey, Matching: matchingSHA256}
	t.Data, _ = t.dataOf(leaf)
	return t
}
