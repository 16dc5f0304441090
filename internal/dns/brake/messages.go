// SPDX-License-Identifier: Apache-2.0

package brake

import (
	"fmt"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// maxNamed is how many of those who wait are named.
const maxNamed = 3

const wayOn = "if that is a mistake, undo it, and nothing more is lost; if not, the platform team releases the brake with annotation " +
	v1alpha1.AnnotationBrakeReleasedUntil + " and the time until when (RFC 3339, for example 2026-12-31T15:00:00Z), or waits, as some " +
	"go on when time passes"

// maxValue is how much of an annotation is repeated in a message.
const maxValue = 40

// Message says to a Federation what is held back in a zone, why, and how to go on.
func Message(apex string) string {
	return fmt.Sprintf("removals from zone %s are paused, because within ten minutes as many Federations of this namespace, or of many "+
		"others, lost records in it as spec.brake of its DNSZone allows; %s", dns.Display(apex), wayOn)
}

// Summary says to the platform team who is held back in a zone, why, and how to go on. Void is why a
// release that is set does not count, empty if there is none.
func Summary(apex string, limit int, waiting []string, void string) string {
	summary := fmt.Sprintf("removals from zone %s are paused: within ten minutes %d Federations of one namespace, or of several "+
		"others together, lost records in it, as many as spec.brake allows, and %d more are held back (%s); %s",
		dns.Display(apex), limit, len(waiting), some(waiting), wayOn)
	if void != "" {
		summary += "; " + void
	}
	return summary
}

// some of the names, and how many more there are.
func some(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}
