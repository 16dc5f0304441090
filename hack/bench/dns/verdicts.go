// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
)

// rule is something that is promised, and what came out.
type rule struct {
	What  string  `json:"what"`
	Limit float64 `json:"limit"`
	Got   float64 `json:"got"`
	Kept  bool    `json:"kept"`
}

func (r rule) String() string {
	verdict := "MISSED"
	if r.Kept {
		verdict = "kept"
	}
	return fmt.Sprintf("%-6s %s: %.4g, at most %.4g", verdict, r.What, r.Got, r.Limit)
}

// judge holds what was measured against what is promised. What was not measured is missed.
func (r *results) judge(p plan) {
	atMost := func(what string, limit, got float64) {
		r.Verdicts = append(r.Verdicts, rule{what, limit, got, !math.IsNaN(got) && got <= limit})
	}
	many := p.many
	ours := median(r.find(address, "X1", many, 0))
	atMost(fmt.Sprintf("address change at %d names, median, xmppfed to ExternalDNS tuned", many), 1.0/20,
		ours/median(r.find(address, "E3", many, 0)))
	atMost(fmt.Sprintf("address change at %d names, median, xmppfed to ExternalDNS by default", many), 1.0/1000,
		ours/median(r.find(address, "E1", many, 0)))
	atMost(fmt.Sprintf("address change, median, xmppfed with %d foreign names in the zone to none", p.foreign), 1.2,
		median(r.find(address, "X1", p.few, p.foreign))/median(r.find(address, "X1", p.few, 0)))
	atMost(fmt.Sprintf("burst of %d names, xmppfed to ExternalDNS tuned, both as they are", many), 1.0/5,
		median(r.find(burst, "X1", many, 0))/median(r.find(burst, "E3", many, 0)))
	zero := func(measure, what string, names int) {
		value, known := r.fact(measure, "X1", names, what)
		if !known {
			value = math.NaN()
		}
		atMost(measure+", xmppfed: "+what, 0, value)
	}
	zero(idle, updatesIdle, many)
	zero(idle, unstatedIdle, many)
	zero(port, staleRecords, p.services)
	zero(deletion, recordsLeft, p.services)
	zero(deletion, markersLeft, p.services)
}

// failed is an error when a promise was missed.
func (r *results) failed() error {
	missed := 0
	for _, v := range r.Verdicts {
		if !v.Kept {
			missed++
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d promises were missed", missed, len(r.Verdicts))
	}
	return nil
}
