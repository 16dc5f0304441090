// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// expectedRecords are all that a zone transfer of the site's zone has to show for Federations, ownership records included,
// derived from their specs and the addresses of their Services alone.
func (s *site) expectedRecords(federations ...*v1alpha1.Federation) []string {
	s.Helper()
	var all []string
	for _, fed := range federations {
		all = append(all, s.expectedOf(fed)...)
	}
	slices.Sort(all)
	return all
}

func (s *site) expectedOf(fed *v1alpha1.Federation) []string {
	s.Helper()
	host := string(fed.Spec.DNS.Hostname)
	if host == "" {
		host = "xmpp." + string(fed.Spec.Domains[0])
	}
	var all, index []string
	// guard adds the ownership record of an anchor.
	guard := func(anchor string, keys ...string) {
		all = append(all, s.ownershipRecord("own._xmppfed."+anchor, fed, keys))
		index = append(index, "own._xmppfed."+s.relative(anchor)+" TXT")
	}
	ingress := s.publicService(fed).Status.LoadBalancer.Ingress
	s.Expect(ingress).To(HaveLen(1))
	all = append(all, record(host, fed.Spec.DNS.TTL, "A", ingress[0].IP))
	guard(host, s.relative(host)+" A")
	for _, domain := range fed.Spec.Domains {
		services := []string{string(domain)}
		if chat := fed.Spec.Server.GroupChat; chat != nil {
			services = append(services, chat.Subdomain+"."+string(domain))
		}
		var keys []string
		for _, service := range services {
			name := "_xmpp-server._tcp." + service
			all = append(all, record(name, fed.Spec.DNS.TTL, "SRV",
				fmt.Sprintf("%d %d %d %s.", fed.Spec.DNS.Priority, fed.Spec.DNS.Weight, fed.Spec.Exposure.Port, host)))
			keys = append(keys, s.relative(name)+" SRV")
		}
		guard(string(domain), keys...)
	}
	return append(all, s.ownershipRecord(s.owner(fed)+"._xmppfed."+s.zone, fed, index))
}

func record(name string, ttl int32, recordType, data string) string {
	return fmt.Sprintf("%s.\t%d\tIN\t%s\t%s", name, ttl, recordType, data)
}

func (s *site) relative(name string) string { return strings.TrimSuffix(name, "."+s.zone) }

// ownershipRecord is one without the fields that change with every update (normalize takes them away).
func (s *site) ownershipRecord(name string, fed *v1alpha1.Federation, keys []string) string {
	slices.Sort(keys)
	texts := []string{fmt.Sprintf("%q", "v=xf1;o="+s.owner(fed))}
	for _, key := range keys {
		texts = append(texts, fmt.Sprintf("%q", key))
	}
	return record(name, 300, "TXT", strings.Join(texts, " "))
}

// owner is the name of a Federation in ownership records.
func (s *site) owner(fed *v1alpha1.Federation) string {
	var system corev1.Namespace
	s.must(cluster.Get(s.ctx, client.ObjectKey{Name: "kube-system"}, &system))
	hash := sha256.Sum256([]byte(string(system.UID) + "/" + fed.Namespace + "/" + fed.Name))
	return hex.EncodeToString(hash[:10])
}

var changing = regexp.MustCompile(`;e=[0-9]+;k=[0-9a-f]+;h=[0-9a-f]+"`)

// normalize takes epochs and signatures out of ownership records.
func normalize(records []string) []string {
	var all []string
	for _, r := range records {
		all = append(all, changing.ReplaceAllString(r, `"`))
	}
	slices.Sort(all)
	return all
}

// without leaves out the records that were there before.
func without(records, before []string) []string {
	return slices.DeleteFunc(slices.Clone(records), func(r string) bool { return slices.Contains(before, r) })
}

// watchUpdates returns a function that tells what was written to the primary since, a line of its log each.
func (s *site) watchUpdates() func() []string {
	s.Helper()
	return s.watchLog(lab.UpdateLog, "adding an RR", "deleting rrset", "deleting an RR", "delete all rrsets")
}

// watchLog returns a function that tells the lines which came since and contain one of the parts.
func (s *site) watchLog(file string, parts ...string) func() []string {
	s.Helper()
	before, err := os.Stat(file)
	s.Expect(err).NotTo(HaveOccurred())
	return func() []string {
		s.Helper()
		content, err := os.ReadFile(file)
		s.Expect(err).NotTo(HaveOccurred())
		var lines []string
		for line := range strings.Lines(string(content[before.Size():])) {
			if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(line, part) }) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return lines
	}
}

func contextWithin(s *site, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, limit)
}
