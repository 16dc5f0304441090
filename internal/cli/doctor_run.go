// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// job is one part of the work, which goes on beside the others.
type job struct {
	about string
	run   func(ctx context.Context) []check.Result
	// pings is the partner whose answer the job waits for; empty for other jobs.
	pings string
}

// grace is how long a ping may still take when it is known why it might stay without an answer.
const grace = 3 * time.Second

// explained is why a ping was not waited for: a failure that explains its silence.
type explained struct{ by check.ID }

// Error implements error.
func (e explained) Error() string { return "not waited for, because " + string(e.by) + " failed" }

// examine makes all checks of a patient.
func (e *environment) examine(ctx context.Context, p patient) []check.Result {
	return e.work(ctx, p.jobs(), p.domains(), grace)
}

// work does all jobs side by side and returns their results in the order of the jobs. Ours are our domains.
func (e *environment) work(ctx context.Context, jobs []job, ours []string, grace time.Duration) []check.Result {
	results := make([][]check.Result, len(jobs))
	stops := make([]context.CancelCauseFunc, len(jobs))
	done := make(chan int)
	for i, job := range jobs {
		own, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		stops[i] = stop
		go func() {
			results[i] = job.run(own)
			done <- i
		}()
	}
	progress := e.progress()
	defer progress.Done()
	pending := make(map[int]bool, len(jobs))
	for i := range jobs {
		pending[i] = true
	}
	var found []check.Result
	for len(pending) > 0 {
		progress.Show(waitingFor(jobs, pending))
		over := <-done
		delete(pending, over)
		found = append(found, results[over]...)
		for i := range pending {
			if cause, ok := check.SilentBecause(found, ours, jobs[i].pings); ok && jobs[i].pings != "" {
				defer time.AfterFunc(grace, func() { stops[i](explained{cause}) }).Stop()
			}
		}
	}
	return check.FirstCauses(slices.Concat(results...), ours)
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
			run := func(ctx context.Context) []check.Result { return checker.Examine(ctx, p.subject(domain)) }
			jobs = append(jobs, job{about: domain, run: run})
		}
	}
	if p.through {
		jobs = append(jobs, job{about: "the cluster", run: p.examineCluster})
	}
	for _, peer := range p.peers {
		if p.here {
			run := func(ctx context.Context) []check.Result { return p.examinePeer(ctx, checker, peer) }
			jobs = append(jobs, job{about: peer.domain, run: run})
		}
		if p.through {
			ping := func(ctx context.Context) []check.Result { return p.ping(ctx, peer) }
			jobs = append(jobs, job{about: "a ping of " + peer.domain, run: ping, pings: peer.domain})
		}
	}
	for _, service := range p.hostedServices() {
		jobs = append(jobs, job{about: service, run: func(ctx context.Context) []check.Result {
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
