// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/internal/check/checktest"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// servers stands in for all XMPP servers, at every public address, so that the operator's check of the way in succeeds.
type servers struct {
	// pair is a certificate for all names of all sets, as a Secret has it; roots is its CA.
	pair  map[string][]byte
	roots string
}

func startServers(sets []nameSet) (*servers, error) {
	now := time.Now()
	ca, caKey, err := pki.NewCA("Bench CA", now)
	if err != nil {
		return nil, err
	}
	var names, hosts []string
	for _, set := range sets {
		names = append(names, "*."+set.Zone)
		for i := range set.Count {
			hosts = append(hosts, set.domain(i))
		}
	}
	certificate, key, err := pki.Issue(ca, caKey, names, now)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	server := &checktest.Server{
		Address: fmt.Sprintf(":%d", standardPort), Certificate: &pair, Hosts: hosts, DialbackSecret: "bench", AsksForCertificate: true,
	}
	if _, err := server.Start(); err != nil {
		return nil, fmt.Errorf("starting the XMPP servers: %w", err)
	}
	return &servers{
		pair:  map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
		roots: string(ca),
	}, nil
}
