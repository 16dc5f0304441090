// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// quiet is how long the probe is measured before an attack, and after it.
const quiet = 2 * time.Second

// Result is what an attack did to a server.
type Result struct {
	Attack string
	// Err is what [Attack.Do] returned, Gone why the server is gone.
	Err, Gone error
	// Peak is the most memory that was in use, in bytes.
	Peak                  int64
	Before, During, After Window
	// Normal is how long after the attack messages still took more than twice as long as before, and more than 100 ms.
	Normal time.Duration
}

// Run measures the healthy partner before, during and after the attack.
func Run(ctx context.Context, target Target, attack Attack) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := startProbe(ctx, target)
	if err != nil {
		return Result{}, err
	}
	result := Result{Attack: attack.Name}
	begin := time.Now()
	<-time.After(quiet)
	target.ResetPeak()
	attacked := time.Now()
	limited, end := context.WithTimeout(ctx, attack.Limit)
	result.Err = attack.Do(limited, target)
	end()
	ended := time.Now()
	<-time.After(quiet)
	over := time.Now()
	if result.Gone = target.Alive(); result.Gone == nil {
		p.settle(over)
		result.Gone = target.Alive()
	}
	result.Peak = target.Peak()
	result.Before, result.During, result.After = p.window(begin, attacked), p.window(attacked, ended), p.window(ended, over)
	result.Normal = p.normalAfter(ended, max(2*result.Before.P99, 100*time.Millisecond))
	return result, nil
}

// Verdict returns what is not as it should be.
func (r Result) Verdict() error {
	var problems []error
	if r.Gone != nil {
		problems = append(problems, fmt.Errorf("the server is gone: %w", r.Gone))
	}
	if r.Err != nil {
		problems = append(problems, r.Err)
	}
	if lost := r.Before.Lost + r.During.Lost + r.After.Lost; lost > 0 {
		problems = append(problems, fmt.Errorf("%d messages of the healthy partner were lost", lost))
	}
	if doubled := r.Before.Doubled + r.During.Doubled + r.After.Doubled; doubled > 0 {
		problems = append(problems, fmt.Errorf("%d messages of the healthy partner came twice", doubled))
	}
	return errors.Join(problems...)
}

// Table shows results in the order they are given, with the peak of memory in MiB and times in milliseconds.
func Table(results []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-52s %8s %6s %6s %6s %10s %10s %10s %9s\n",
		"attack", "peak MiB", "alive", "lost", "twice", "p99 before", "p99 during", "worst", "normal s")
	for _, r := range results {
		alive := "yes"
		if r.Gone != nil {
			alive = "NO"
		}
		fmt.Fprintf(&b, "%-52s %8.1f %6s %6d %6d %10d %10d %10d %9.1f\n", r.Attack, float64(r.Peak)/(1<<20), alive,
			r.Before.Lost+r.During.Lost+r.After.Lost, r.Before.Doubled+r.During.Doubled+r.After.Doubled,
			r.Before.P99.Milliseconds(), r.During.P99.Milliseconds(), r.During.Worst.Milliseconds(), r.Normal.Seconds())
	}
	return b.String()
}
