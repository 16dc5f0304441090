// SPDX-License-Identifier: Apache-2.0

package referee

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// look is how often the zone is asked for news.
	look = 50 * time.Millisecond
	// patience with one exchange, and with everything until the news are told: the machine may be very busy.
	patience, longPatience = 20 * time.Second, 2 * time.Minute
)

// Watch follows a zone at its primary by incremental transfers (RFC 1995), which tell every update apart.
type Watch struct {
	zone, server string
	serial       atomic.Uint32
}

// Read transfers the whole zone. The records come without start of authority; the watch goes on from there.
func Read(zone, server string) (*Watch, []dns.RR, error) {
	all, err := transfer(new(dns.Msg).SetAxfr(dns.Fqdn(zone)), server)
	if err != nil {
		return nil, nil, err
	}
	soa, ok := all[0].(*dns.SOA)
	if !ok || len(all) < 2 {
		return nil, nil, fmt.Errorf("transferring zone %s: no start of authority", zone)
	}
	w := &Watch{zone: dns.Fqdn(zone), server: server}
	w.serial.Store(soa.Serial)
	return w, all[1 : len(all)-1], nil
}

// Run tells of each update until the context ends, or something goes wrong. An exchange that fails is repeated: the server
// keeps the steps.
func (w *Watch) Run(ctx context.Context, tell func(Delta)) error {
	heard := time.Now()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		all, err := transfer(new(dns.Msg).SetIxfr(w.zone, w.serial.Load(), ".", "."), w.server)
		switch {
		case err == nil:
			heard = time.Now()
		case time.Since(heard) < longPatience:
			continue
		default:
			return err
		}
		deltas, err := split(all)
		if err != nil {
			return fmt.Errorf("transferring zone %s from version %d: %w", w.zone, w.serial.Load(), err)
		}
		for _, d := range deltas {
			tell(d)
			w.serial.Store(d.Serial)
		}
	}
}

// CaughtUp waits until everything that the zone holds now has been told.
func (w *Watch) CaughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	client := dns.Client{Net: "tcp", Timeout: patience}
	answer, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(w.zone, dns.TypeSOA), w.server)
	if err != nil {
		return fmt.Errorf("asking for the version of zone %s: %w", w.zone, err)
	}
	if len(answer.Answer) != 1 {
		return fmt.Errorf("asking for the version of zone %s: %s", w.zone, dns.RcodeToString[answer.Rcode])
	}
	now := answer.Answer[0].(*dns.SOA).Serial
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for w.serial.Load() < now {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for version %d of zone %s: %w", now, w.zone, ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

func transfer(question *dns.Msg, server string) ([]dns.RR, error) {
	var all []dns.RR
	parts, err := (&dns.Transfer{DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience}).In(question, server)
	if err != nil {
		return nil, fmt.Errorf("transferring zone %s: %w", question.Question[0].Name, err)
	}
	for part := range parts {
		if part.Error != nil {
			err = part.Error
		}
		all = append(all, part.RR...)
	}
	if err != nil || len(all) == 0 {
		return nil, fmt.Errorf("transferring zone %s: %w", question.Question[0].Name, err)
	}
	return all, nil
}

// split an incremental transfer: after the newest start of authority, for each step the old one, what was removed, the
// new one, what was added; and the newest again. Alone it says that nothing is new.
func split(all []dns.RR) ([]Delta, error) {
	if len(all) == 1 {
		return nil, nil
	}
	if _, incremental := all[1].(*dns.SOA); !incremental {
		return nil, fmt.Errorf("the server has forgotten the steps since then")
	}
	var deltas []Delta
	removing := false
	for _, rr := range all[1 : len(all)-1] {
		soa, boundary := rr.(*dns.SOA)
		switch {
		case boundary && !removing:
			deltas = append(deltas, Delta{})
			removing = true
		case boundary:
			deltas[len(deltas)-1].Serial = soa.Serial
			removing = false
		case removing:
			deltas[len(deltas)-1].Removed = append(deltas[len(deltas)-1].Removed, rr)
		default:
			deltas[len(deltas)-1].Added = append(deltas[len(deltas)-1].Added, rr)
		}
	}
	return deltas, nil
}
