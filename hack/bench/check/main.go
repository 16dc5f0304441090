// SPDX-License-Identifier: Apache-2.0

// Command check measures the checks of kubectl xmppfed doctor against servers that speak the real wire, in a process of
// their own on loopback: how long a healthy domain with one partner takes, and what a thousand domains from one process
// take in time and memory. It fails when a limit is exceeded.
package main

import (
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/checktest"
)

const (
	// cores that the checks may use.
	cores = 2
	// runs of a single domain with a partner.
	runs = 20
	// domains that are checked from one process, and how many at once.
	domains, atOnce = 1000, 64

	maxSingle = 3 * time.Second
	maxAll    = time.Minute
	maxMemory = 128 << 20
)

func main() {
	serve := flag.Bool("serve", false, "be the servers, until standard input ends")
	flag.Parse()
	runtime.GOMAXPROCS(cores)
	run := measure
	if *serve {
		run = beServers
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-check:", err)
		os.Exit(1)
	}
}

// measure starts the servers and makes both measurements.
func measure() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	servers := exec.Command(program, "-serve")
	servers.Stderr = os.Stderr
	input, err := servers.StdinPipe()
	if err != nil {
		return err
	}
	output, err := servers.StdoutPipe()
	if err != nil {
		return err
	}
	if err := servers.Start(); err != nil {
		return fmt.Errorf("starting the servers: %w", err)
	}
	defer func() {
		_ = input.Close() // ends them
		_ = servers.Wait()
	}()
	w, err := readPlaces(output)
	if err != nil {
		return fmt.Errorf("waiting for the servers: %w", err)
	}
	if err := w.single(); err != nil {
		return err
	}
	return w.thousand()
}

// single measures one domain and one partner, each time with nothing known before.
func (w world) single() error {
	var all []time.Duration
	for range runs {
		began := time.Now()
		checker := w.checker()
		results := make(chan []check.Result)
		go func() { results <- checker.Examine(context.Background(), w.subject(0)) }()
		go func() {
			partner := w.subject(1)
			partner.Partner = name(0)
			results <- checker.Examine(context.Background(), partner)
		}()
		go func() {
			results <- []check.Result{checker.Hosted(context.Background(), check.HostedThere, check.ConflictTarget{
				Service: name(1), Domains: []string{"elsewhere.test"}, Resolvers: []string{w.resolver},
			})}
		}()
		for range 3 {
			if err := allGreen(<-results); err != nil {
				return err
			}
		}
		all = append(all, time.Since(began))
	}
	report("a healthy domain with one partner", all)
	if worst := slices.Max(all); worst > maxSingle {
		return fmt.Errorf("the slowest took %s, more than %s", worst, maxSingle)
	}
	return nil
}

// thousand measures many domains from one process.
func (w world) thousand() error {
	checker := w.checker()
	all := make([]time.Duration, domains)
	failures := make([]error, domains)
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range domains {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			failures[i] = allGreen(checker.Examine(context.Background(), w.subject(i)))
			all[i] = time.Since(start)
		})
	}
	wg.Wait()
	took := time.Since(began)
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	memory, err := peakMemory()
	if err != nil {
		return err
	}
	fmt.Printf("%d domains, %d at once, %d cores: %.1f s, %.0f domains/s, peak memory %d MiB\n", domains, atOnce, cores, took.Seconds(),
		float64(domains)/took.Seconds(), memory>>20)
	report("each of them", all)
	switch {
	case took > maxAll:
		return fmt.Errorf("%d domains took %s, more than %s", domains, took, maxAll)
	case memory > maxMemory:
		return fmt.Errorf("the process took %d MiB, more than %d", memory>>20, maxMemory>>20)
	}
	return nil
}

// checker has nothing known before.
func (w world) checker() *check.Checker {
	c := check.New()
	c.Dialer = checktest.Network{publicAddress: w.server}
	c.NameServerPort = netip.MustParseAddrPort(w.resolver).Port()
	return c
}

func (w world) subject(i int) check.Subject {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.ca)
	return check.Subject{
		Domain: name(i), GroupChat: rooms(i), Roots: roots, DialbackSecret: dialbackSecret, Resolvers: []string{w.resolver},
	}
}

// allGreen is an error when a check fails or warns.
func allGreen(results []check.Result) error {
	for _, r := range results {
		if r.Mark == check.Fail || r.Mark == check.Warn {
			return fmt.Errorf("%s of %s: %s %s", r.ID, r.Domain, r.Mark, r.Words)
		}
	}
	return nil
}

// report prints the median, the slowest, and, of few, all.
func report(what string, all []time.Duration) {
	ordered := slices.Sorted(slices.Values(all))
	fmt.Printf("%s: median %s, slowest %s of %d\n", what, ordered[len(ordered)/2].Round(time.Millisecond/10),
		ordered[len(ordered)-1].Round(time.Millisecond/10), len(all))
	if len(all) <= runs {
		texts := make([]string, len(all))
		for i, d := range all {
			texts[i] = fmt.Sprintf("%.1f", float64(d.Microseconds())/1000)
		}
		fmt.Printf("  raw data in ms: %s\n", strings.Join(texts, " "))
	}
}

// peakMemory is the most that the process had in memory, in bytes (VmHWM of proc(5)).
func peakMemory() (int64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	var kilobytes int64
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscanf(rest, "%d kB", &kilobytes)
		}
	}
	return kilobytes << 10, err
}
