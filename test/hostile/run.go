// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// quiet is how long the probe is measured before an attack, and after it.
const quiet = 2 * time.Second

// Result is what an attack did to a server.
type Result struct {
	Attack string
	// Said and Err are what [Attack.Do] returned, Gone why the server is gone.
	Said      string
	Err, Gone error
	// Killed is how often the kernel has ended the server for want of memory.
	Killed int
	// Forged are the attacks whose messages reached the bystander in the name of somebody who did not send them.
	Forged []string
	// Peak is the most memory that was in use, in bytes.
	Peak                  int64
	Before, During, After Window
	// Normal is how long after the attack messages still took more than twice as long as before, and more than 100 ms.
	Normal time.Duration
}

// Run measures the healthy partner before, during and after the attack.
func Run(ctx context.Context, target Target, attack Attack) (Result, error) {
	results, err := RunAll(ctx, target, quiet, attack)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// RunAll plays attacks one after the other, with a pause of that length before and after each, while the streams of the healthy
// partner stay. It ends early if the server is gone.
func RunAll(ctx context.Context, target Target, pause time.Duration, attacks ...Attack) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := startProbe(ctx, target)
	if err != nil {
		return nil, err
	}
	var all []played
	for _, attack := range attacks {
		all = append(all, play(ctx, target, pause, attack))
		if all[len(all)-1].Gone != nil {
			break
		}
	}
	if len(all) > 0 {
		last := &all[len(all)-1]
		p.settle(last.over)
		last.Gone = cmp.Or(last.Gone, target.Alive())
	}
	var results []Result
	for i, r := range all {
		next := time.Now()
		if i+1 < len(all) {
			next = all[i+1].began
		}
		results = append(results, r.measured(p, next))
	}
	if len(all) > 0 && all[len(all)-1].Gone == nil {
		p.end()
	}
	return results, nil
}

// played is an attack, when it was prepared, when it began and ended, and when the pause after it was over.
type played struct {
	Result
	prepared, began, ended, over time.Time
}

func play(ctx context.Context, target Target, pause time.Duration, attack Attack) played {
	r := played{Result: Result{Attack: attack.Name}, prepared: time.Now()}
	<-until(ctx, pause)
	target.ResetPeak()
	r.began = time.Now()
	limited, end := context.WithTimeout(ctx, attack.Limit)
	r.Said, r.Err = attack.Do(limited, target)
	end()
	r.ended = time.Now()
	<-until(ctx, pause)
	r.over = time.Now()
	r.Gone, r.Peak, r.Killed = target.Alive(), target.Peak(), target.Killed()
	return r
}

// measured adds what became of the probe's messages, and what reached the bystander, until the next attack.
func (r played) measured(p *probe, next time.Time) Result {
	r.Before, r.During, r.After = p.window(r.prepared, r.began), p.window(r.began, r.ended), p.window(r.ended, r.over)
	r.Normal = p.normalAfter(r.ended, next, max(2*r.Before.P99, 100*time.Millisecond))
	r.Forged = p.forgedBetween(r.began, next)
	return r.Result
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
	if r.Killed > 0 {
		problems = append(problems, fmt.Errorf("the kernel has ended the server %d times", r.Killed))
	}
	if len(r.Forged) > 0 {
		problems = append(problems, fmt.Errorf("forged messages reached the bystander: %s", strings.Join(r.Forged, ", ")))
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
	width := len("attack")
	for _, r := range results {
		width = max(width, utf8.RuneCountInString(r.Attack))
	}
	fmt.Fprintf(&b, "%-*s %8s %9s %5s %4s %5s %10s %10s %7s %8s  %s\n",
		width, "attack", "peak MiB", "OOM kills", "alive", "lost", "twice", "p99 before", "p99 during", "worst", "normal s",
		"what came of it")
	for _, r := range results {
		alive, said := "yes", r.Said
		if r.Gone != nil {
			alive = "NO"
		}
		if problem := r.Verdict(); problem != nil {
			said = "FAILED: " + strings.ReplaceAll(problem.Error(), "\n", "; ")
		}
		fmt.Fprintf(&b, "%-*s %8.1f %9d %5s %4d %5d %10d %10d %7d %8.1f  %.160s\n",
			width, r.Attack, float64(r.Peak)/(1<<20), r.Killed, alive,
			r.Before.Lost+r.During.Lost+r.After.Lost, r.Before.Doubled+r.During.Doubled+r.After.Doubled,
			r.Before.P99.Milliseconds(), r.During.P99.Milliseconds(), r.During.Worst.Milliseconds(), r.Normal.Seconds(), said)
	}
	return b.String()
}
