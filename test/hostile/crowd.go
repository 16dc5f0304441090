// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Crowd has a user send presence to contacts in that many domains at once. Servers of half of them answer, which must be
// served; the others' packets get lost.
func Crowd(domains int) Attack {
	return Attack{
		Name:  fmt.Sprintf("a user with contacts in %d domains, half of them dead", domains),
		Limit: 90 * time.Second,
		Do:    func(ctx context.Context, target Target) error { return crowd(ctx, target, domains) },
	}
}

func crowd(ctx context.Context, target Target, domains int) error {
	host := &host{issue: target.Issue, stanzas: map[string]int{}}
	answering, err := listen(ctx, host.serve)
	if err != nil {
		return err
	}
	dead := target.Dropping
	if !dead.IsValid() {
		if dead, err = silent(ctx); err != nil {
			return err
		}
	}
	user, err := login(ctx, target, target.Attacker)
	if err != nil {
		return err
	}
	defer func() { _ = user.Close() }()
	var b strings.Builder
	for i := range domains {
		domain, address := fmt.Sprintf("crowd%d.example", i), answering
		if i%2 == 1 {
			address = dead
		}
		target.Names.Point(domain, address)
		fmt.Fprintf(&b, "<presence to='u@%s'/>", domain)
	}
	if err := user.send("%s", b.String()); err != nil {
		return err
	}
	for host.served() < domains/2 && ctx.Err() == nil && target.Alive() == nil {
		<-until(ctx, pace)
	}
	if served := host.served(); served < domains/2 {
		return fmt.Errorf("presence reached %d of %d domains whose servers answer", served, domains/2)
	}
	return nil
}
