// SPDX-License-Identifier: Apache-2.0

// Package webhook writes to a zone through a webhook provider of ExternalDNS, so that whatever DNS service such a provider
// exists for can be used without ExternalDNS itself. The protocol is version 1 of
// https://kubernetes-sigs.github.io/external-dns/latest/docs/tutorials/webhook-provider/: the whole list of records is
// read, and lists of records to create, update and delete are written.
//
// The protocol knows neither prerequisites nor atomic changes, so this is best effort: the list is read right before it is
// changed, and a change is sent in steps (dns.Stage), each of which leaves a zone from which the next run goes on.
package webhook
