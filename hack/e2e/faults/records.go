// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Records replaces record sets at the lab's DNS servers. Keys are a name and a type, as in "xmpp.faulty.example A";
// none as the data removes the set. It waits until both servers have it.
func Records(sets map[string][]string) Injection {
	return func(ctx context.Context) (Undo, error) {
		before := map[string][]string{}
		for key := range sets {
			data, err := ask(ctx, lab.Primary, key)
			if err != nil {
				return nil, err
			}
			before[key] = data
		}
		return func(ctx context.Context) error { return replace(ctx, before) }, replace(ctx, sets)
	}
}

// Expire waits until resolvers have forgotten records that live for so long.
func Expire(life time.Duration) Injection {
	return func(ctx context.Context) (Undo, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(life):
			return nil, nil
		}
	}
}

// Delegation has the lab's DNS servers send everybody to other name servers, by addresses, for a zone.
func Delegation(zone string, servers ...string) Injection {
	var add []string
	remove := []string{"update delete " + zone + ". NS"}
	for i, server := range servers {
		name := fmt.Sprintf("ns%d.%s.", i+1, zone)
		add = append(add, "update add "+zone+". 1 NS "+name, "update add "+name+" 1 A "+server)
		remove = append(remove, "update delete "+name+" A")
	}
	return func(ctx context.Context) (Undo, error) {
		return func(ctx context.Context) error { return lab.Update(ctx, remove...) }, lab.Update(ctx, add...)
	}
}

// replace sets record sets and waits until the secondary has followed.
func replace(ctx context.Context, sets map[string][]string) error {
	var remove, add []string
	for key, data := range sets {
		name, kind, _ := strings.Cut(key, " ")
		remove = append(remove, fmt.Sprintf("update delete %s. %s", name, kind))
		for _, d := range data {
			add = append(add, fmt.Sprintf("update add %s. 1 %s %s", name, kind, d))
		}
	}
	if err := lab.Update(ctx, append(remove, add...)...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, key := range slices.Sorted(maps.Keys(sets)) {
		if err := followed(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// followed waits until the secondary says what the primary says.
func followed(ctx context.Context, key string) error {
	for {
		want, err := ask(ctx, lab.Primary, key)
		if err != nil {
			return err
		}
		got, err := ask(ctx, lab.Secondary, key)
		if err != nil {
			return err
		}
		if slices.Equal(want, got) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the secondary DNS server to have %s: %w", key, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ask(ctx context.Context, server, key string) ([]string, error) {
	name, kind, _ := strings.Cut(key, " ")
	return lab.Query(ctx, server, name, dns.StringToType[kind])
}
