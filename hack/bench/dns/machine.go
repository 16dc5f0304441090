// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

const (
	nameServer     = "127.0.0.1:53"
	statisticsPort = 8053
)

// machine is what all arms work with: one API server, one BIND.
type machine struct {
	*cluster.Cluster
	named *dnstest.Daemon
}

// newMachine starts both. BIND gets the zones of all sets.
func newMachine(s *stage, sets []nameSet, crd string) (m *machine, err error) {
	defer catch(&err)
	dir := filepath.Join(s.dir, "cluster")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	m = &machine{}
	if m.Cluster, err = cluster.Start(dir); err != nil {
		return nil, err
	}
	s.Cleanup(func() { _ = m.Stop() })
	if _, err := envtest.InstallCRDs(m.Config, envtest.CRDInstallOptions{Paths: []string{crd}}); err != nil {
		return nil, fmt.Errorf("installing ExternalDNS's CRD: %w", err)
	}
	zones := map[string]string{}
	for _, set := range sets {
		zones[set.Zone] = set.foreignRecords()
	}
	m.named = dnstest.StartNamed(s, dnstest.NamedOptions{Port: 53, Zones: zones, StatisticsPort: statisticsPort})
	return m, nil
}

// traffic is what BIND was asked, and the bytes of DNS on the wire, headers included.
type traffic struct {
	Queries, Updates, Transfers, SOA int64
	Bytes                            int64
}

func (t traffic) minus(o traffic) traffic {
	return traffic{t.Queries - o.Queries, t.Updates - o.Updates, t.Transfers - o.Transfers, t.SOA - o.SOA, t.Bytes - o.Bytes}
}

// traffic since BIND started.
func (m *machine) traffic() (traffic, error) {
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/json/v1/server", statisticsPort))
	if err != nil {
		return traffic{}, fmt.Errorf("reading BIND's statistics: %w", err)
	}
	defer answer.Body.Close()
	var statistics struct{ Opcodes, QTypes map[string]int64 }
	if err := json.NewDecoder(answer.Body).Decode(&statistics); err != nil {
		return traffic{}, fmt.Errorf("reading BIND's statistics: %w", err)
	}
	t := traffic{
		Queries: statistics.Opcodes["QUERY"], Updates: statistics.Opcodes["UPDATE"],
		Transfers: statistics.QTypes["AXFR"], SOA: statistics.QTypes["SOA"],
	}
	output, err := exec.Command("nft", "list", "counter", "inet", "bench", "dns").Output()
	if err != nil {
		return t, fmt.Errorf("reading the firewall's counter: %w", err)
	}
	_, rest, _ := strings.Cut(string(output), "bytes ")
	_, err = fmt.Sscan(rest, &t.Bytes)
	return t, err
}
