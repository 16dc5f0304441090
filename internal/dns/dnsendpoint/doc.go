// SPDX-License-Identifier: Apache-2.0

// Package dnsendpoint hands records to an ExternalDNS that runs in the cluster, as objects of its kind DNSEndpoint
// (externaldns.k8s.io/v1alpha1), so that whatever DNS service ExternalDNS writes to can be used with what is installed.
//
// All objects stand in one namespace, the operator's, which application teams have no access to. There is one for each
// domain and each host,
//
//	records.cupdomain.com        what stands at cupdomain.com and at names with underscores below it
//	records.cup1.cupdomain.com   the addresses
//	index.OWNER.cupdomain.com    no records, only the index of an owner
//
// and it holds the ownership record as an annotation: nothing but what partners ask for is published. Objects are created
// only where there is none, and server-side apply changes them only as they were read (resourceVersion), so of two
// Federations of the cluster that claim a name one gets it. A change is made in steps, each of which leaves a state from
// which the next run goes on; see dns.Stage.
//
// What stands in the zone without having been handed over is somebody else's: ExternalDNS leaves it alone, so it is
// reported and never taken over. What was handed over stays in an annotation when it is no longer wanted, because it
// stands in the zone until ExternalDNS removes it, and is nobody else's meanwhile; it is forgotten when it is gone.
//
// ExternalDNS tells nothing about what became of a record. That is found out by asking the servers of the zone (package
// verify), and Advice tells from what they serve what is wrong with ExternalDNS' settings.
package dnsendpoint
