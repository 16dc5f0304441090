// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	xmppfeddns "github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

const (
	// faultSeen and faultHealed are generous, as all cases share a busy machine; what it took is in the table.
	faultSeen   = time.Minute
	faultHealed = 2 * time.Minute
)

// dnsFault is a way in which the DNS fails a Federation that was published before.
type dnsFault struct {
	name string
	// where the fault is: a real server or one of ours.
	where string
	// reason that DNSPublished gives, and what its message says. With reason Published nobody notices anything.
	reason, says string
	// inject the fault, so that the next change meets it; heal takes it away.
	inject, heal func(context.Context, *faultCase) error
}

// faultCase is a zone and a Federation of which one fault is tried.
type faultCase struct {
	*stage
	dnsFault
	apex string
	way  *dnstest.Interceptor
	fed  *v1alpha1.Federation
	zone *v1alpha1.DNSZone
	// second is another BIND, which is the secondary of the first.
	second string

	// before is the service record before the fault.
	before       string
	message      string
	seen, healed time.Duration
}

// Every row of the table of errors happens to a Federation of its own, on a real server or, where a server can't be made
// to, on the way to it. It is told with its reason; what was published stands meanwhile; when the fault is gone, the
// operator finds that out by itself.
func TestDNSFaults(t *testing.T) {
	needs(t, exclusive(stageAddresses))
	faults := append(allFaults(), serverStopped())
	zones := map[string]string{}
	for i := range faults {
		zones[faultApex(i)] = "www A 203.0.113.7\nalias CNAME www\nsub NS ns.elsewhere.example.\n"
	}
	s := newStage(t, zones)
	serveLameServers(t)
	second := dnstest.StartNamed(t, dnstest.NamedOptions{PrimaryPort: 53, Zones: transferred(faults, zones)})
	s.putSecret("wrong-tsig", "YW5vdGhlciBzZWNyZXQgdGhhbiB0aGUgc2VydmVycw==")
	s.putSecret("limited-tsig", dnstest.LimitedSecret)

	var cases []*faultCase
	for i, fault := range faults {
		way := dnstest.Intercept(t, stageServer)
		c := &faultCase{
			stage: s, dnsFault: fault, apex: faultApex(i), way: way, second: second.Address,
			zone: stageZone(faultApex(i), way.Address), fed: stageFederation(fmt.Sprintf("fault%02d", i), faultApex(i)),
		}
		s.put(c.zone, c.fed)
		cases = append(cases, c)
	}
	last := len(cases) - 1
	good := runFaults(t, cases[:last]...) + runFaults(t, cases[last])
	t.Logf("%d of %d faults told and healed\n%s", good, len(cases), dnsFaultTable(s.named.Version, cases))
}

func faultApex(i int) string { return fmt.Sprintf("fault%02d.example", i) }

// runFaults runs cases side by side, as most of their time is waiting, and returns how many went well.
func runFaults(t *testing.T, cases ...*faultCase) int {
	t.Helper()
	failed := make([]error, len(cases))
	var all sync.WaitGroup
	for i, c := range cases {
		all.Go(func() { failed[i] = c.run(t.Context()) })
	}
	all.Wait()
	good := 0
	for i, err := range failed {
		if err != nil {
			t.Errorf("%s: %v", cases[i].name, err)
			continue
		}
		good++
	}
	return good
}

// run one case: publish, break, see, heal.
func (c *faultCase) run(ctx context.Context) error {
	if _, err := c.await(ctx, faultHealed, v1alpha1.ReasonPublished); err != nil {
		return fmt.Errorf("publishing before the fault: %w", err)
	}
	c.before = c.served()
	if err := c.inject(ctx, c); err != nil {
		return fmt.Errorf("injecting: %w", err)
	}
	began := time.Now()
	// Something that needs an update.
	if err := edit(ctx, c.api, c.fed, func(fed *v1alpha1.Federation) { fed.Spec.DNS.Weight = 7 }); err != nil {
		return fmt.Errorf("changing the Federation: %w", err)
	}
	var err error
	if c.message, err = c.await(ctx, faultSeen, c.reason); err != nil {
		return fmt.Errorf("telling the fault: %w", err)
	}
	c.seen = time.Since(began)
	if !strings.Contains(c.message, c.says) {
		return fmt.Errorf("the message is %q, want that it has %q", c.message, c.says)
	}
	if c.reason == v1alpha1.ReasonPublished {
		return c.expectNewest()
	}
	if err := c.expectStanding(); err != nil {
		return err
	}
	if err := c.heal(ctx, c); err != nil {
		return fmt.Errorf("healing: %w", err)
	}
	began = time.Now()
	if _, err := c.await(ctx, faultHealed, v1alpha1.ReasonPublished); err != nil {
		return fmt.Errorf("recovering: %w", err)
	}
	c.healed = time.Since(began)
	return c.expectNewest()
}

// await waits until DNSPublished has the reason for the newest generation, and returns its message.
func (c *faultCase) await(ctx context.Context, within time.Duration, reason string) (string, error) {
	var last metav1.Condition
	fed := &v1alpha1.Federation{}
	reached := until(ctx, within, func() bool {
		if c.api.Get(ctx, keyOf(c.fed), fed) != nil {
			return false
		}
		last = says(fed.Status.Conditions, v1alpha1.ConditionDNSPublished, fed.Generation)
		return last.Reason == reason
	})
	if !reached {
		return "", fmt.Errorf("DNSPublished is %s, %q, not %s within %s", last.Reason, last.Message, reason, within)
	}
	return last.Message, nil
}

// served is the service record at BIND, the one from before as long as BIND is stopped.
func (c *faultCase) served() string {
	if c.named.Stopped() {
		return c.before
	}
	for _, record := range c.named.Dump(c.apex) {
		if strings.HasPrefix(record, "_xmpp-server._tcp."+c.apex) {
			return record
		}
	}
	return ""
}

// expectStanding makes sure that what was published before is as it was, or as the change wants it where only a secondary
// is at fault.
func (c *faultCase) expectStanding() error {
	newest := strings.Replace(c.before, "SRV\t0 0 ", "SRV\t0 7 ", 1)
	if now := c.served(); now != c.before && now != newest {
		return fmt.Errorf("the service record was %q and is %q", c.before, now)
	}
	return nil
}

// expectNewest makes sure that the change has come through.
func (c *faultCase) expectNewest() error {
	if now := c.served(); !strings.Contains(now, "SRV\t0 7 ") {
		return fmt.Errorf("the service record is %q, without the change", now)
	}
	return nil
}

func dnsFaultTable(version string, cases []*faultCase) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Fault\tWhere\tReason\tTold after\tHealed after\tTried again after")
	for _, c := range cases {
		healed := "-"
		if c.healed > 0 {
			healed = fmt.Sprintf("%.1f s", c.healed.Seconds())
		}
		where := strings.Replace(c.where, bind, bind+" "+version, 1)
		tried := (&xmppfeddns.Error{Reason: c.reason}).RetryAfter()
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f s\t%s\t%s\n", c.name, where, c.reason, c.seen.Seconds(), healed, tried)
	}
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteString("All cases share the machine. An error is tried again after the time in the last column, and when it lasts less and less\n" +
		"often, down to once a minute; or as soon as the DNSZone's probe (every 3 s) finds the server well or the spec changed.\n\n")
	for _, c := range cases {
		fmt.Fprintf(&b, "%s: %s: %s\n", c.name, c.reason, c.message)
	}
	return b.String()
}
