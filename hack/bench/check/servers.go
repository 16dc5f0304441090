// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/xmppfed/xmppfed/internal/check/checktest"
	"github.com/xmppfed/xmppfed/internal/pki"
)

const (
	zone           = "bench.test"
	publicAddress  = "203.0.113.128:5269"
	dialbackSecret = "the dialback secret"
)

// world is where the servers are.
type world struct {
	resolver, server string
	ca               []byte
}

// places is world as the servers tell it.
type places struct {
	Resolver, Server string
	CA               []byte
}

func name(i int) string  { return fmt.Sprintf("d%04d.%s", i, zone) }
func rooms(i int) string { return fmt.Sprintf("d%04d-rooms.%s", i, zone) }

func readPlaces(r io.Reader) (world, error) {
	var p places
	err := json.NewDecoder(r).Decode(&p)
	return world{p.Resolver, p.Server, p.CA}, err
}

// beServers serves all domains until standard input ends.
func beServers() error {
	now := time.Now()
	ca, key, err := pki.NewCA("Public CA", now)
	if err != nil {
		return err
	}
	certificate, certificateKey, err := pki.Issue(ca, key, []string{"*." + zone}, now)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, certificateKey)
	if err != nil {
		return err
	}
	server := &checktest.Server{Certificate: &pair, DialbackSecret: dialbackSecret, AsksForCertificate: true}
	records := []string{
		zone + ". 300 IN SOA ns1." + zone + ". admin." + zone + ". 1 3600 600 86400 60",
		zone + ". 300 IN NS ns1." + zone + ".", "ns1." + zone + ". 300 IN A 127.0.0.1",
		"cup1." + zone + ". 300 IN A 203.0.113.128",
	}
	for i := range domains {
		for _, domain := range []string{name(i), rooms(i)} {
			server.Hosts = append(server.Hosts, domain)
			records = append(records, "_xmpp-server._tcp."+domain+". 300 IN SRV 0 0 5269 cup1."+zone+".")
		}
	}
	names, err := checktest.StartNameServer("127.0.0.1", 0, zone, records...)
	if err != nil {
		return err
	}
	defer names.Stop()
	address, err := server.Start()
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := json.NewEncoder(os.Stdout).Encode(places{names.Address, address, ca}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
