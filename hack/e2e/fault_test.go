// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// examinedWithin is for one look at a fault by doctor and all tools.
const examinedWithin = 2 * time.Minute

// otherTools are slow, and what becomes of them is no matter of this test.
var otherTools = flag.Bool("other-tools", testkit.Campaign(false, true), "TestFault also has the tools of others look at each fault")

// oneFault is a row of the matrix.
type oneFault struct {
	name   string
	inject faults.Injection
	// want is the check that has to be the first cause, and the only one that is blamed.
	want check.ID
	// side is what doctor has to name as that which has the fault: a domain, an address, a name server.
	side string
	// args of doctor, besides those of the ward, or instead of them if it is about another domain.
	args    []string
	instead bool
	// target of the other tools, where it is not that of the ward.
	target faults.Target
	// tls tells that the server at the first service record has the fault, or can't be reached, so that testssl.sh has a
	// chance; protocols is for faults of TLS other than those of the certificate.
	tls, protocols bool
}

// ward is a healthy domain, and the faults that it gets one after the other.
type ward struct {
	*site
	doctor faults.Doctor
	args   []string
	target faults.Target
	faults []oneFault

	healthy    map[string][]check.Result
	complaints map[string]complaints
	rows       []faults.Row
}

// complaints are those of a tool when nothing is wrong; without an end they say nothing of a fault.
type complaints struct {
	list  []string
	ended bool
}

// doctor is the program as it is in this tree.
func (s *site) doctor() faults.Doctor {
	s.Helper()
	program, err := plugin()
	s.must(err)
	return faults.Doctor{Program: program}
}

// plugin builds the kubectl plugin once for all tests, beside what the lab is made of.
var plugin = sync.OnceValues(func() (string, error) {
	root, err := lab.Path(".")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", "bin/lab/", "./cmd/kubectl-xmppfed")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the kubectl plugin: %w: %s", err, out)
	}
	return filepath.Join(root, "bin/lab/kubectl-xmppfed"), nil
})

// Each fault, injected for real, is reported by exactly the right check as the first cause, nothing else is blamed, and
// all is well again when it is healed. In the long form the tools that Debian has look at the same faults. The wards go on side by side.
func TestFault(t *testing.T) {
	needs(t, usual, exclusive(serverOf("faulty"), cup8.server(), gmail.server(), ejabberd.server(), sametime.server(), googletalk.server()))
	s := &site{T: t, WithT: NewWithT(t), ctx: context.Background()}
	doctor := s.doctor()
	var mu sync.Mutex
	results := map[string][]faults.Row{}
	wards := []struct {
		name string
		open func(*site, faults.Doctor) *ward
	}{
		{"domain", domainWard}, {"federation", federationWard},
	}
	began := time.Now()
	t.Run("wards", func(t *testing.T) {
		for _, w := range wards {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				opened := w.open(&site{T: t, WithT: NewWithT(t), ctx: s.ctx}, doctor)
				for _, f := range opened.faults {
					t.Run(f.name, func(t *testing.T) { opened.in(t).afflict(opened, f) })
				}
				mu.Lock()
				defer mu.Unlock()
				results[w.name] = opened.rows
			})
		}
	})
	var rows []faults.Row
	for _, w := range wards {
		rows = append(rows, results[w.name]...)
	}
	faults.Print(t.Output(), rows)
	t.Logf("the whole matrix took %.0f s", time.Since(began).Seconds())
}

// in is the ward in a test of its own.
func (w *ward) in(t *testing.T) *site {
	return &site{T: t, WithT: NewWithT(t), ctx: w.ctx, namespace: w.namespace, zone: w.zone}
}

// afflict gives the ward a fault, has everybody look, heals it, and makes sure that all is well again.
func (s *site) afflict(w *ward, f oneFault) {
	s.Helper()
	args := slices.Concat(w.args, f.args)
	if f.instead {
		args = f.args
	}
	target := f.target
	if target.Domain == "" {
		target = w.target
	}
	target.Protocols = f.protocols
	healthy := w.healthyResults(s, args)
	complaints := w.healthyComplaints(s, target, f)

	began := time.Now()
	undo, err := f.inject(s.ctx)
	healed := false
	heal := func() {
		if undo != nil && !healed {
			healed = true
			s.must(undo(s.ctx))
		}
	}
	s.Cleanup(heal)
	s.must(err)
	row := faults.Row{Fault: f.name, Want: f.want, Tools: map[string]faults.Sight{}}
	defer func() { w.rows = append(w.rows, row) }()
	var blamed []check.Result
	s.look(f, target, complaints, &row, func(ctx context.Context) { blamed = s.ask(ctx, w, f, args, target, healthy, &row) })
	if !row.Exact() {
		s.Logf("a second look, for the first was beside the other tools")
		blamed = s.ask(s.ctx, w, f, args, target, healthy, &row)
	}
	heal()
	s.awaitHealthy(w, args, healthy)
	row.Took = time.Since(began)
	s.doubt(target, &row)

	s.Expect(row.Blamed).To(Equal([]check.ID{f.want}), "what doctor blames: %v", blamed)
	s.Expect(row.RightSide).To(BeTrue(), "names %s as that which has the fault: %v", f.side, blamed)
}

// look has the tools and doctor look at a fault, all at once.
func (s *site) look(f oneFault, target faults.Target, known map[string]complaints, row *faults.Row, doctor func(context.Context)) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, examinedWithin)
	defer cancel()
	var wg sync.WaitGroup
	sights := make([]faults.Sight, len(faults.Tools))
	for i, tool := range faults.Tools {
		sights[i] = faults.NotGiven
		if applies(tool, f) {
			wg.Go(func() { sights[i] = s.sight(ctx, tool, target, known[tool.Name]) })
		}
	}
	doctor(ctx)
	wg.Wait()
	for i, tool := range faults.Tools {
		row.Tools[tool.Name] = sights[i]
	}
}

// sight is what a tool makes of a fault. What becomes of the tool is no matter of this test.
func (s *site) sight(ctx context.Context, tool faults.Tool, target faults.Target, known complaints) faults.Sight {
	if !known.ended {
		return faults.Unjudged
	}
	found, err := tool.Findings(ctx, target)
	switch {
	case errors.Is(err, faults.ErrNotApplicable):
		return faults.NotGiven
	case errors.Is(err, faults.ErrHangs):
		return faults.Hangs
	case err != nil:
		s.Logf("%s: %v", tool.Name, err)
		return faults.Unjudged
	}
	if fresh := newIn(found, known.list); len(fresh) > 0 {
		s.Logf("%s says: %s", tool.Name, strings.Join(fresh, "; "))
		return faults.Seen
	}
	return faults.Blind
}

// ask has doctor look at a fault, and fills its part of the row. It returns what doctor blames.
func (s *site) ask(
	ctx context.Context, w *ward, f oneFault, args []string, target faults.Target, healthy []check.Result, row *faults.Row,
) []check.Result {
	s.Helper()
	results, err := w.doctor.Examine(ctx, args...)
	s.must(err)
	blamed := faults.Blamed(results, healthy)
	row.Blamed = faults.IDs(blamed)
	row.Looks++
	for _, r := range blamed {
		s.Logf("doctor says: %s %s %s %s: %s. %s", r.Mark, r.ID, r.Domain, r.Subject, r.Words, r.Fix)
	}
	side := cmp.Or(f.side, target.Domain)
	row.RightSide = len(blamed) > 0 && (blamed[0].Domain == side || strings.Contains(blamed[0].Subject, side))
	return blamed
}

// doubt asks whether the machine, and not the fault, kept a tool from coming to its end: when all is well it has to.
func (s *site) doubt(target faults.Target, row *faults.Row) {
	s.Helper()
	for _, tool := range faults.Tools {
		if row.Tools[tool.Name] != faults.Hangs {
			continue
		}
		if _, err := tool.Findings(s.ctx, target); err != nil {
			s.Logf("%s when the fault is healed: %v", tool.Name, err)
			row.Tools[tool.Name] = faults.Unjudged
		}
	}
}

// applies tells whether a tool could see the fault at all: testssl.sh is slow, and knows no domains.
func applies(tool faults.Tool, f oneFault) bool {
	return *otherTools && (tool.Name != faults.TestSSL || f.tls || f.protocols)
}

func newIn(list, known []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(line string) bool { return slices.Contains(known, line) })
}

// healthyResults is what doctor says when nothing is wrong: nothing fails.
func (w *ward) healthyResults(s *site, args []string) []check.Result {
	s.Helper()
	key := strings.Join(args, " ")
	if results, ok := w.healthy[key]; ok {
		return results
	}
	var results []check.Result
	s.Eventually(func(g Gomega) {
		var err error
		results, err = w.doctor.Examine(s.ctx, args...)
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range results {
			g.Expect(r.Mark).NotTo(Equal(check.Fail), "%v", r)
		}
	}, readyWithin, poll).Should(Succeed(), "doctor %s when nothing is wrong", key)
	w.healthy[key] = results
	return results
}

// healthyComplaints are those of the tools when nothing is wrong.
func (w *ward) healthyComplaints(s *site, target faults.Target, f oneFault) map[string]complaints {
	s.Helper()
	all := map[string]complaints{}
	for _, tool := range faults.Tools {
		if !applies(tool, f) {
			continue
		}
		key := tool.Name + " " + target.Domain
		if target.Protocols {
			key += " protocols"
		}
		known, ok := w.complaints[key]
		for tries := 0; !known.ended && !ok && tries < 2; tries++ {
			found, err := tool.Findings(s.ctx, target)
			known = complaints{list: found, ended: err == nil || errors.Is(err, faults.ErrNotApplicable)}
			s.Logf("%s says when nothing is wrong: %q %v", key, found, err)
			w.complaints[key] = known
		}
		all[tool.Name] = known
	}
	return all
}

// awaitHealthy waits until doctor finds nothing wrong.
func (s *site) awaitHealthy(w *ward, args []string, healthy []check.Result) {
	s.Helper()
	s.Eventually(func() ([]check.Result, error) {
		results, err := w.doctor.Examine(s.ctx, args...)
		return faults.Blamed(results, healthy), err
	}, readyWithin, poll).Should(BeEmpty(), "what doctor blames when the fault is healed")
}
