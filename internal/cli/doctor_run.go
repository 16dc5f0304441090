// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// job is one part of the work, which goes on beside the others.
type job struct {
	about string
	run   func(ctx context.Context) []check.Result
}

// examine makes all checks side by side and returns their results in the order of the jobs.
func (e *environment) examine(ctx context.Context, p patient) []check.Result {
	jobs := p.jobs()
	results := make([][]check.Result, len(jobs))
	done := make(chan int)
	for i, job := range jobs {
		go func() {
			results[i] = job.run(ctx)
			done <- i
		}()
	}
	progress := e.progress()
	defer progress.Done()
	pending := make(map[int]bool, len(jobs))
	for i := range jobs {
		pending[i] = true
	}
	for len(pending) > 0 {
		progress.Show(waitingFor(jobs, pending))
		delete(pending, <-done)
	}
	return check.FirstCauses(slices.Concat(results...), p.domains())
}

func waitingFor(jobs []job, pending map[int]bool) string {
	var names []string
	for i, job := range jobs {
		if pending[i] {
			names = append(names, job.about)
		}
	}
	return fmt.Sprintf("%d of %d done, waiting for %s", len(jobs)-len(pending), len(jobs), strings.Join(names, ", "))
}

// jobs are all that is to be done for a patient.
func (p patient) jobs() []job {
	var jobs []job
	checker := newChecker()
	for _, domain := range p.domains() {
		if p.here {
			jobs = append(jobs, job{domain, func(ctx context.Context) []check.Result { return checker.Examine(ctx, p.subject(domain)) }})
		}
	}
	if p.through {
		jobs = append(jobs, job{"the cluster", p.examineCluster})
	}
	for _, peer := range p.peers {
		if p.here {
			jobs = append(jobs, job{peer.domain, func(ctx context.Context) []check.Result { return p.examinePeer(ctx, checker, peer) }})
		}
		if p.through {
			jobs = append(jobs, job{"a ping of " + peer.domain, func(ctx context.Context) []check.Result { return p.ping(ctx, peer) }})
		}
	}
	for _, service := range p.hostedServices() {
		jobs = append(jobs, job{service, func(ctx context.Context) []check.Result {
			return []check.Result{checker.Hosted(ctx, check.HostedAnywhere, p.conflict(partner{domain: service}))}
		}})
	}
	return jobs
}

// domains are ours, apart from those for group chat.
func (p patient) domains() []string {
	if p.fed == nil {
		return []string{p.domain}
	}
	var domains []string
	for _, domain := range p.fed.Spec.Domains {
		domains = append(domains, string(domain))
	}
	return domains
}

// subject is one of our domains.
func (p patient) subject(domain string) check.Subject {
	s := check.Subject{Domain: domain, Resolvers: p.resolvers, Roots: p.roots}
	if p.fed == nil {
		return s
	}
	if chat := p.fed.Spec.Server.GroupChat; chat != nil {
		s.GroupChat = chat.Subdomain + "." + domain
	}
	s.OwnCA = p.fed.Spec.TLS == nil
	s.DialbackSecret = p.dialbackSecret
	if len(p.addresses) > 0 {
		want := check.TargetOf(p.fed, p.addresses)
		s.Want = &want
	}
	return s
}

// examinePeer makes the checks of a partner that can be made without being our server.
func (p patient) examinePeer(ctx context.Context, checker *check.Checker, peer partner) []check.Result {
	hosted := make(chan check.Result)
	go func() { hosted <- checker.Hosted(ctx, check.HostedThere, p.conflict(peer)) }()
	results := checker.Examine(ctx, check.Subject{
		Domain: peer.domain, Partner: p.domains()[0], Policy: peer.policy, Route: peer.route, Resolvers: p.resolvers, Roots: p.roots,
	})
	return append(results, <-hosted)
}

// conflict is the question whether a service hosts one of our domains.
func (p patient) conflict(peer partner) check.ConflictTarget {
	t := check.ConflictTarget{Service: peer.domain, Route: peer.route, Domains: p.domains(), Resolvers: p.resolvers}
	if p.fed != nil {
		t.Domains, t.Ours = desired.AddressableDomains(p.fed), p.addresses
	}
	return t
}

// hostedServices are those to ask about our domains.
func (p patient) hostedServices() []string {
	var services []string
	if p.fed != nil && p.here {
		for _, service := range p.fed.Spec.Verification.HostedServices {
			services = append(services, string(service))
		}
	}
	return services
}
