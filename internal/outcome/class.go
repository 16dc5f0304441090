// SPDX-License-Identifier: Apache-2.0

package outcome

import (
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Class says what ends the state that a condition's reason names, and so what tools that know kstatus are told meanwhile.
type Class int

const (
	// Undeclared is the class of a reason that has no row in the table. A test sees to it that there is none.
	Undeclared Class = iota
	// Good is for what is as it should be: kstatus says Current.
	Good
	// Aside is for reasons of conditions on which Ready does not depend.
	Aside
	// OpenEnded is for what lasts as long as it was meant to last: kstatus says InProgress, without a deadline.
	OpenEnded
	// Progressing is for what the operator, the cluster or the DNS is at: kstatus says InProgress, and Failed after ProgressDeadline.
	Progressing
	// Awaited is for what is not there yet and may appear without anybody touching the object: kstatus says InProgress, and Failed
	// after ProgressDeadline.
	Awaited
	// Doubtful is for what somebody has to mend most of the time, although it can be a hiccup: kstatus says InProgress, and Failed
	// after HiccupDeadline.
	Doubtful
	// Blocked is for what does not heal until somebody changes something: kstatus says Failed at once.
	Blocked
)

const (
	// ProgressDeadline is how long a Federation or DNSZone may be on its way, for one reason and one generation of its spec, before
	// it counts as Failed. It is the default of progressDeadlineSeconds of a Deployment.
	ProgressDeadline = 10 * time.Minute
	// HiccupDeadline is how long what a person most probably has to mend may be a hiccup: a registry that is restarted, a node that
	// has just gone, a first crash.
	HiccupDeadline = time.Minute
)

// Deadline returns how long a state of the class may last before it counts as Failed. It is false for classes that never do.
func (c Class) Deadline() (time.Duration, bool) {
	switch c {
	case Good, Aside, OpenEnded:
		return 0, false
	case Progressing, Awaited:
		return ProgressDeadline, true
	case Doubtful:
		return HiccupDeadline, true
	case Blocked, Undeclared:
		return 0, true
	}
	return 0, true
}

// String returns what the reference of conditions says about the class.
func (c Class) String() string {
	switch c {
	case Good:
		return "good"
	case Aside:
		return "no part of Ready"
	case OpenEnded:
		return "in progress as long as it lasts"
	case Progressing:
		return "in progress; failed after 10 minutes"
	case Awaited:
		return "may appear by itself: in progress; failed after 10 minutes"
	case Doubtful:
		return "in progress; failed after 1 minute"
	case Blocked:
		return "failed at once: somebody has to act"
	case Undeclared:
	}
	return "undeclared"
}

// ClassOf returns the class of a condition's reason.
func ClassOf(reason string) Class { return classes[reason] }

// classes has a row for every reason of api/v1alpha1. It is the only place that decides what is Failed, what is InProgress, and for
// how long.
var classes = map[string]Class{
	// Several conditions.
	v1alpha1.ReasonReady:             Good,
	v1alpha1.ReasonDeleting:          OpenEnded,
	v1alpha1.ReasonReconcileFailed:   Progressing,
	v1alpha1.ReasonSuspended:         OpenEnded,
	v1alpha1.ReasonSpecUnreadable:    Blocked,
	v1alpha1.ReasonNameTaken:         Blocked,
	v1alpha1.ReasonObjectRefused:     Blocked,
	v1alpha1.ReasonSecretNotFound:    Awaited,
	v1alpha1.ReasonConfigMapNotFound: Awaited,

	// Accepted.
	v1alpha1.ReasonAccepted:            Good,
	v1alpha1.ReasonDomainClaimed:       Blocked,
	v1alpha1.ReasonDomainNotAllowed:    Blocked,
	v1alpha1.ReasonZoneNotFound:        Awaited,
	v1alpha1.ReasonUnsupportedByEngine: Blocked,

	// CertificateReady. An issuer in the cluster renews a certificate, or adds a name to it, without anybody touching the Federation.
	v1alpha1.ReasonValid:             Good,
	v1alpha1.ReasonSelfSigned:        Good,
	v1alpha1.ReasonKeyPairInvalid:    Blocked,
	v1alpha1.ReasonNameMismatch:      Awaited,
	v1alpha1.ReasonExpired:           Awaited,
	v1alpha1.ReasonNotYetValid:       Awaited,
	v1alpha1.ReasonTrustedCAsInvalid: Blocked,

	// ServerReady.
	v1alpha1.ReasonRunning:           Good,
	v1alpha1.ReasonUnschedulable:     Doubtful,
	v1alpha1.ReasonNodeLost:          Doubtful,
	v1alpha1.ReasonPodTerminating:    Doubtful,
	v1alpha1.ReasonImagePullFailed:   Doubtful,
	v1alpha1.ReasonContainerCrashing: Doubtful,
	v1alpha1.ReasonVolumePending:     Progressing,
	v1alpha1.ReasonVolumeFull:        Doubtful,
	v1alpha1.ReasonPodsRejected:      Doubtful,
	v1alpha1.ReasonConfigRejected:    Blocked,
	v1alpha1.ReasonAccountsInvalid:   Blocked,
	v1alpha1.ReasonRollingOut:        Progressing,

	// AddressAssigned.
	v1alpha1.ReasonAssigned:               Good,
	v1alpha1.ReasonSourceRangesIncomplete: Good,
	v1alpha1.ReasonAddressPending:         Progressing,
	v1alpha1.ReasonAddressIsHostname:      Blocked,

	// DNSPublished, and Ready of a DNSZone.
	v1alpha1.ReasonPublished:               Good,
	v1alpha1.ReasonDANEUnsigned:            Good,
	v1alpha1.ReasonRecordsChangedByOthers:  Good,
	v1alpha1.ReasonWaitingForAddress:       Progressing,
	v1alpha1.ReasonWaitingForServer:        Progressing,
	v1alpha1.ReasonNotAccepted:             Progressing,
	v1alpha1.ReasonOwnershipConflict:       Blocked,
	v1alpha1.ReasonOwnershipLost:           Blocked,
	v1alpha1.ReasonRecordExistsUnowned:     Blocked,
	v1alpha1.ReasonCNAMEConflict:           Blocked,
	v1alpha1.ReasonTSIGKeyUnknown:          Blocked,
	v1alpha1.ReasonTSIGBadSignature:        Blocked,
	v1alpha1.ReasonCredentialsRejected:     Blocked,
	v1alpha1.ReasonRateLimited:             Progressing,
	v1alpha1.ReasonClockSkew:               Blocked,
	v1alpha1.ReasonUnauthenticatedResponse: Blocked,
	v1alpha1.ReasonUpdateRefused:           Blocked,
	v1alpha1.ReasonUpdateRejected:          Blocked,
	v1alpha1.ReasonNotAuthoritative:        Blocked,
	v1alpha1.ReasonNameOutsideZone:         Blocked,
	v1alpha1.ReasonNotApplied:              Progressing,
	v1alpha1.ReasonPropagationPending:      Progressing,
	v1alpha1.ReasonZoneNotProbed:           Progressing,
	v1alpha1.ReasonZoneNotReady:            OpenEnded, // its DNSZone has a deadline
	v1alpha1.ReasonServerUnavailable:       Progressing,
	v1alpha1.ReasonRecordsToCreate:         Blocked,
	v1alpha1.ReasonRecordsToRemove:         Blocked,
	v1alpha1.ReasonRemovalsPaused:          Progressing,
	v1alpha1.ReasonTransferOffered:         Good,
	v1alpha1.ReasonTransferred:             Blocked,
	v1alpha1.ReasonUnsupportedByProvider:   Blocked,

	// InboundReachable. Caches expire, and servers take up what they are given; a firewall stays until somebody opens it.
	v1alpha1.ReasonReachable:               Good,
	v1alpha1.ReasonNotChecked:              Progressing,
	v1alpha1.ReasonResolverUnavailable:     Progressing,
	v1alpha1.ReasonSRVMissing:              Progressing,
	v1alpha1.ReasonSRVMismatch:             Progressing,
	v1alpha1.ReasonAddressMismatch:         Progressing,
	v1alpha1.ReasonConnectionRefused:       Progressing,
	v1alpha1.ReasonConnectionTimeout:       Progressing,
	v1alpha1.ReasonUndisclosed:             Progressing,
	v1alpha1.ReasonNotXMPP:                 Progressing,
	v1alpha1.ReasonStreamRefused:           Progressing,
	v1alpha1.ReasonTLSNotOffered:           Progressing,
	v1alpha1.ReasonTLSFailed:               Progressing,
	v1alpha1.ReasonCertificateNameMismatch: Progressing,
	v1alpha1.ReasonCertificateExpired:      Progressing,

	// Available.
	v1alpha1.ReasonNotPublished:    Aside,
	v1alpha1.ReasonPartlyReachable: Aside,
	v1alpha1.ReasonUnreachable:     Aside,

	// LimitsReached.
	v1alpha1.ReasonRefusing:      Aside,
	v1alpha1.ReasonShortOfMemory: Aside,

	// PeersReachable and status.peers.
	v1alpha1.ReasonPeersReachable:         Aside,
	v1alpha1.ReasonPeerReachable:          Aside,
	v1alpha1.ReasonPeerDenied:             Aside,
	v1alpha1.ReasonPeerDNS:                Aside,
	v1alpha1.ReasonPeerConnectionRefused:  Aside,
	v1alpha1.ReasonPeerTimeout:            Aside,
	v1alpha1.ReasonPeerUndisclosed:        Aside,
	v1alpha1.ReasonPeerNotXMPP:            Aside,
	v1alpha1.ReasonPeerServesNotDomain:    Aside,
	v1alpha1.ReasonPeerRequiresTLS:        Aside,
	v1alpha1.ReasonPeerOffersNoTLS:        Aside,
	v1alpha1.ReasonPeerTLSFailed:          Aside,
	v1alpha1.ReasonPeerCertificateInvalid: Aside,
	v1alpha1.ReasonPeerRejectsCertificate: Aside,
	v1alpha1.ReasonPeerRejectsDialback:    Aside,
	v1alpha1.ReasonPeerRefused:            Aside,
	v1alpha1.ReasonPeerSilent:             Aside,
	v1alpha1.ReasonPeerStreamError:        Aside,
	v1alpha1.ReasonPeerHostsOurDomain:     Aside,
}
