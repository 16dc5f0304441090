// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// failure turns an error of the Kubernetes API into one of the DNS layer.
func (p *Provider) failure(ctx context.Context, err error, name string) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("asking the API server: %w", ctx.Err())
	case noKind(err):
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRejected,
			Message: fmt.Sprintf("the cluster has no DNSEndpoints (externaldns.k8s.io/v1alpha1), by which the records of zone %s "+
				"are handed to ExternalDNS; the platform team installs ExternalDNS with its CRD and --source=crd", p.zoneName()),
			Permanent: true, Err: err,
		}
	case apierrors.IsForbidden(err):
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRefused,
			Message: fmt.Sprintf("the operator may not read or write DNSEndpoints in namespace %s for zone %s; the platform team "+
				"installs the Role that the chart has, and looks for an admission policy that refuses them", p.Namespace, p.zoneName()),
			Permanent: true, Err: err,
		}
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRejected,
			Message: fmt.Sprintf("the API server does not take DNSEndpoint %s/%s of zone %s as it is; the platform team installs "+
				"the CRD that belongs to its ExternalDNS", p.Namespace, name, p.zoneName()),
			Permanent: true, Err: err,
		}
	default:
		return &dns.Error{
			Reason: v1alpha1.ReasonServerUnavailable,
			Message: fmt.Sprintf("the API server does not answer requests for the DNSEndpoints of zone %s; whoever runs the "+
				"cluster repairs it", p.zoneName()),
			Err: err,
		}
	}
}

// noKind tells that there is no DNSEndpoint at all: not yet, or, as far as the client knows, not any more.
func noKind(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

func (p *Provider) foreign(name string) error {
	return &dns.Error{
		Reason: v1alpha1.ReasonRecordExistsUnowned,
		Message: fmt.Sprintf("DNSEndpoint %s/%s exists and the operator did not write it, as it lacks the label %s: %s; the platform team "+
			"removes it", p.Namespace, name, labelManagedBy, managedBy),
		Permanent: true,
		PerName:   true,
	}
}

func (p *Provider) notTakenOver(k dns.Key) error {
	return &dns.Error{
		Reason: v1alpha1.ReasonRecordExistsUnowned,
		Message: fmt.Sprintf("%s exists already, and ExternalDNS does not take over records that it did not write; the administrator of "+
			"zone %s removes it, and ExternalDNS publishes it again", k, p.zoneName()),
		Permanent: true,
		PerName:   true,
	}
}

func (p *Provider) zoneName() string { return dns.Display(p.Apex()) }
