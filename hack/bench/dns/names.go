// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	miekg "github.com/miekg/dns"
)

// nameSet is a zone with the names of one tool, whose Kubernetes objects have a namespace of their own.
type nameSet struct {
	Zone, Namespace string
	// Count of names with an address and a service record each.
	Count int
	// Foreign records in the zone: addresses of other names, which were there before.
	Foreign int
	// TTL of the records, in seconds; zero: 300.
	TTL int
}

func newSet(tool string, count, foreign int) nameSet {
	label := fmt.Sprintf("%s-%d-%d", tool, count, foreign)
	return nameSet{Zone: label + ".test", Namespace: label, Count: count, Foreign: foreign}
}

func (s nameSet) ttl() int { return cmp.Or(s.TTL, 300) }

func (s nameSet) object(i int) string  { return fmt.Sprintf("f%04d", i) }
func (s nameSet) domain(i int) string  { return s.object(i) + "." + s.Zone }
func (s nameSet) host(i int) string    { return "xmpp." + s.domain(i) }
func (s nameSet) service(i int) string { return "_xmpp-server._tcp." + s.domain(i) }

func (s nameSet) foreignRecords() string {
	var b strings.Builder
	for i := range s.Foreign {
		fmt.Fprintf(&b, "w%05d A 198.19.%d.%d\n", i, i>>8&255, i&255)
	}
	return b.String()
}

// addresses gives each change an address that was never used before.
type addresses struct{ next atomic.Int64 }

func (a *addresses) new() string {
	n := a.next.Add(1)
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}).String()
}

// pollInterval is how often BIND is asked; the error of a measured time is at most that.
const pollInterval = 2 * time.Millisecond

// lost is when a question without an answer counts as lost.
const lost = 2 * time.Second

// asker asks BIND.
type asker struct{ conn *miekg.Conn }

func newAsker() (*asker, error) {
	conn, err := miekg.DialTimeout("udp", nameServer, time.Second)
	if err != nil {
		return nil, err
	}
	return &asker{conn}, nil
}

// ask returns the data of the records, as text.
func (a *asker) ask(name string, kind uint16) ([]string, error) {
	question := new(miekg.Msg).SetQuestion(miekg.Fqdn(name), kind)
	question.RecursionDesired = false
	if err := a.conn.SetDeadline(time.Now().Add(lost)); err != nil {
		return nil, err
	}
	if err := a.conn.WriteMsg(question); err != nil {
		return nil, err
	}
	for {
		answer, err := a.conn.ReadMsg()
		if err != nil {
			return nil, fmt.Errorf("asking BIND for %s: %w", name, err)
		}
		if answer.Id != question.Id {
			continue // of a question that was given up
		}
		var data []string
		for _, rr := range answer.Answer {
			data = append(data, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
		return data, nil
	}
}

// wait until BIND answers as wanted, and return when that was. It is an error when that takes longer than patience.
func wait(
	ctx context.Context, patience time.Duration, name string, kind uint16, wanted func([]string) bool,
) (time.Time, error) {
	asker, err := newAsker()
	if err != nil {
		return time.Time{}, err
	}
	defer asker.conn.Close()
	deadline := time.Now().Add(patience)
	for {
		data, err := asker.ask(name, kind)
		now := time.Now()
		switch {
		case err == nil && wanted(data):
			return now, nil
		case now.After(deadline):
			return now, errors.Join(err, fmt.Errorf("waiting for %s %s: still %q after %s", name, miekg.TypeToString[kind], data, patience))
		}
		if err := rest(ctx, pollInterval); err != nil {
			return now, err
		}
	}
}

// only is true of exactly this data.
func only(want string) func([]string) bool {
	return func(data []string) bool { return len(data) == 1 && data[0] == want }
}
