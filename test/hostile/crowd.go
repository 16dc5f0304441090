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
		Do:    func(ctx context.Context, target Target) (string, error) { return crowd(ctx, target, domains) },
	}
}

func crowd(ctx context.Context, target Target, domains int) (string, error) {
	host := &host{issue: target.Issue, stanzas: map[string]int{}}
	answering, err := listen(ctx, target, host.serve)
	if err != nil {
		return "", err
	}
	dead := target.Dropping
	if !dead.IsValid() {
		if dead, err = silent(ctx, target); err != nil {
			return "", err
		}
	}
	var there, lost []string
	var b strings.Builder
	for i := range domains {
		domain := fmt.Sprintf("crowd%d.example", i)
		if i%2 == 0 {
			there = append(there, domain)
		} else {
			lost = append(lost, domain)
		}
		fmt.Fprintf(&b, "<presence to='u@%s'/>", domain)
	}
	if err := target.Names.Point(answering, there...); err != nil {
		return "", err
	}
	if err := target.Names.Point(dead, lost...); err != nil {
		return "", err
	}
	user, err := login(ctx, target, target.Attacker)
	if err != nil {
		return "", err
	}
	defer func() { _ = user.Close() }()
	began := time.Now()
	if err := user.send("%s", b.String()); err != nil {
		return "", err
	}
	for host.served() < len(there) && ctx.Err() == nil && target.Alive() == nil {
		host.await(ctx, len(there), time.Second)
	}
	said := fmt.Sprintf("%d of %d domains that answer served after %.1f s", host.served(), len(there), time.Since(began).Seconds())
	if host.served() < len(there) {
		return said, fmt.Errorf("presence reached %d of %d domains whose servers answer", host.served(), len(there))
	}
	return said, nil
}
