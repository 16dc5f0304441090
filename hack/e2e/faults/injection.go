// SPDX-License-Identifier: Apache-2.0

// Package faults breaks things in the lab for real, one at a time: records and name servers, packets, certificates,
// servers. It also asks those who should find out: doctor, and the tools that administrators have today.
package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Undo takes back what an Injection did.
type Undo func(context.Context) error

// Injection brings a fault about, and is done when it can be observed. The undo may be called after an error too, and
// is nil when there is nothing to take back.
type Injection func(context.Context) (Undo, error)

// All injects one after the other, and undoes them in reverse order.
func All(injections ...Injection) Injection {
	return func(ctx context.Context) (Undo, error) {
		var undos []Undo
		undo := func(ctx context.Context) error {
			var errs []error
			for _, undo := range slices.Backward(undos) {
				errs = append(errs, undo(ctx))
			}
			return errors.Join(errs...)
		}
		for _, inject := range injections {
			one, err := inject(ctx)
			if one != nil {
				undos = append(undos, one)
			}
			if err != nil {
				return undo, err
			}
		}
		return undo, nil
	}
}

// Switch gives a partner of the lab a fault of its own; see hack/lab/README.md.
func Switch(partner string, faults ...string) Injection {
	return command(append([]string{"partner", "switch", partner}, faults...), []string{"partner", "switch", partner})
}

// Stop ends the server of a partner.
func Stop(partner string) Injection {
	return command([]string{"partner", "stop", partner}, []string{"partner", "start", partner})
}

// Hang stops the server of a partner in its tracks: the kernel still takes connections, and nobody answers them.
func Hang(partner string) Injection {
	return command(signal(partner, "STOP"), signal(partner, "CONT"))
}

func signal(partner, name string) []string {
	// The file has the pid first.
	return []string{
		"exec", partner, "--", "sh", "-c", `read -r pid rest <"$0" && kill -s "$1" "$pid"`,
		lab.Dir + "/run/partner-" + partner + ".pid", name,
	}
}

// filters counts tables, as several tests may have one at a host.
var filters atomic.Int64

// Filter has the packet filter of a host do as the rules say: chains of an nftables table of its own, beside what
// others have set up there.
func Filter(host, rules string) Injection {
	table := fmt.Sprintf("inet fault_matrix_%d", filters.Add(1))
	return command(
		[]string{"exec", host, "--", "nft", "table " + table + " { " + rules + "; }"},
		[]string{"exec", host, "--", "nft", "delete table " + table},
	)
}

// Address gives an interface of a host one more address; for IPv6 without waiting whether somebody else has it.
func Address(host, link, address string) Injection {
	return command(
		[]string{"exec", host, "--", "ip", "address", "replace", address, "dev", link, "nodad"},
		[]string{"exec", host, "--", "ip", "address", "delete", address, "dev", link},
	)
}

// command is an injection by one command of the lab, undone by another.
func command(do, undo []string) Injection {
	return func(ctx context.Context) (Undo, error) {
		_, err := lab.Run(ctx, do...)
		return func(ctx context.Context) error {
			_, err := lab.Run(ctx, undo...)
			return err
		}, err
	}
}
